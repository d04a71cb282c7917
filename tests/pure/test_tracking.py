import string
from uuid import UUID, uuid4

import pytest

from outbound.ids import uuid7
from sending.tracking import (
    click_token,
    open_token,
    read_click_token,
    read_open_token,
    read_token,
    unsubscribe_token,
)

MESSAGE = UUID("0191e0f0-0000-7000-8000-000000000001")
URL_SAFE = string.ascii_letters + string.digits + "-_"


@pytest.mark.parametrize("message", [MESSAGE, UUID(int=0), UUID(int=2**128 - 1), uuid7(), uuid4()])
def test_a_token_names_its_message(message):
    assert read_token(unsubscribe_token(message)) == message


def test_it_fits_a_link_without_escaping():
    token = unsubscribe_token(MESSAGE)
    assert len(token) == 40 and set(token) <= set(URL_SAFE)


def test_it_is_the_same_every_time():
    assert unsubscribe_token(MESSAGE) == unsubscribe_token(MESSAGE)


@pytest.mark.parametrize("at", range(40))
def test_any_other_character_anywhere_is_refused(at):
    token = unsubscribe_token(MESSAGE)
    others = set(URL_SAFE + "=+/. \n\x00é") - {token[at]}
    assert {read_token(token[:at] + other + token[at + 1 :]) for other in others} == {None}


@pytest.mark.parametrize("nonsense", ["", "a" * 40, "a" * 41, "=" * 40, "é" * 40, "a" * 10_000, None, 7, b"a" * 40])
def test_nonsense_is_refused(nonsense):
    assert read_token(nonsense) is None


@pytest.mark.parametrize("tail", ["=", "\n", " ", "a", "=="])
def test_something_after_it_is_refused(tail):
    assert read_token(unsubscribe_token(MESSAGE) + tail) is None


def test_another_key_refuses_it(settings):
    token = unsubscribe_token(MESSAGE)
    settings.SECRET_KEY = "another key"
    assert read_token(token) is None


def test_an_old_key_kept_as_fallback_still_reads_it(settings):
    token = unsubscribe_token(MESSAGE)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key"
    assert read_token(token) == MESSAGE
    assert unsubscribe_token(MESSAGE) != token


class TestOpensAndClicks:
    @pytest.mark.parametrize("link", [0, 1, 255])
    def test_a_click_names_its_message_and_its_link(self, link):
        assert read_click_token(click_token(MESSAGE, link)) == (MESSAGE, link)

    def test_an_open_names_its_message(self):
        assert read_open_token(open_token(MESSAGE)) == MESSAGE

    def test_a_token_is_good_for_its_own_purpose_only(self):
        tokens = [unsubscribe_token(MESSAGE), open_token(MESSAGE), click_token(MESSAGE, 0)]
        readers = [read_token, read_open_token, read_click_token]
        read = [[bool(reader(token)) for reader in readers] for token in tokens]
        assert read == [[True, False, False], [False, True, False], [False, False, True]]

    @pytest.mark.parametrize("at", range(40))
    @pytest.mark.parametrize(
        ("token", "reader"), [(open_token(MESSAGE), read_open_token), (click_token(MESSAGE, 3), read_click_token)]
    )
    def test_any_other_character_anywhere_is_refused(self, token, reader, at):
        others = set(URL_SAFE + "=+/. \n\x00é") - {token[at]}
        assert {reader(token[:at] + other + token[at + 1 :]) for other in others} == {None}
