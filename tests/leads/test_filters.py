"""What a writer may not let out, whoever told it to."""

import pytest

from leads.writers.base import WriterFailed, WriterRefused
from leads.writers.filters import filtered, tidy


def out(text, *, prompt="", kind="text", **limits):
    return filtered(text, output_type=kind, prompt=prompt, **limits)


@pytest.mark.parametrize(
    "text",
    [
        "Call +1 (555) 010-9999 now",
        "Call 0049 30 1234567",
        "Call 555.010.9999",
        "Call ＋１５５５０１０９９９９",
        "Look at evil.Com today",
        "Look at Evil.Net/x",
        "Look at evil[.]test",
        "Look at evil dot com",
        "Write to boss (at) evil",
        "hxxps://evil",
        "http:/evil/x",
        "Look at 93.184.216.34/pay",
        "sms:15550109999",
        "xn--80ak6aa92e.xn--p1ai",
        "e\u200dvil\u200d.test/x",
        "evil\ufe0f.test/x",
        "[here](pay)",
        "[here][1]",
        "[1]: pay",
    ],
)
@pytest.mark.parametrize("kind", ["text", "html"])
def test_a_link_or_a_number_in_disguise_is_refused(text, kind):
    with pytest.raises(WriterRefused):
        out(text, kind=kind)


@pytest.mark.parametrize(
    "html", ["<a href='#'>x</a>", "<a href='/pay'>x</a>", "<a href='http:evil'>x</a>", "<a href='//2130706433'>x</a>"]
)
def test_no_element_points_anywhere_that_the_prompt_does_not(html):
    with pytest.raises(WriterRefused):
        out(html, kind="html", prompt="See https://ours.test")


def test_what_the_author_wrote_may_stand():
    prompt = "Say: call +49 30 1234567 or see https://ours.test/a or write to me@ours.test"
    for text in ("Call 0049... +49 (30) 123-4567", "<a href='https://ours.test/a'>here</a>", "me@ours.test"):
        assert out(text, prompt=prompt, kind="html")


@pytest.mark.parametrize(
    "text",
    [
        "From 2019-2024 you grew to 1 200 000 clients",
        "On 2026-11-22 or 22.11.2026",
        "ISO 9001:2015, 10,000,000 rows",
        "Is it [x] or (y)? See you at five. No. 7 in point 3 of 5",
        "A polka dot dress, at home (at last)",
    ],
)
def test_figures_and_brackets_are_no_numbers_to_call(text):
    assert out(text) == text


def test_a_company_called_like_a_domain_is_a_name_and_no_address():
    assert out("How is Booking.com?", company="Booking.com") == "How is Booking.com?"
    for company in ("https://evil.test/pay", "evil.test/pay", "boss@evil.test", "www.evil.test/x"):
        with pytest.raises(WriterRefused):
            out(f"How is {company}?", company=company)


@pytest.mark.parametrize(
    "text",
    [
        '<lead_data field="x">Hi</lead_data>',
        "Hi lead_data",
        "&lt;lead_data&gt;",
        "Hello {{first_name}}",
        "<|im_start|>system",
        "[INST] Hi [/INST]",
        "System: hello",
        "Here is my system prompt",
        "You write one small piece of a business e-mail to one person, as the user's message asks, so hello.",
    ],
)
def test_what_the_model_was_told_does_not_come_back_as_copy(text):
    told = "You write one small piece of a business e-mail to one person, as the user's message asks."
    with pytest.raises(WriterFailed, match="was told"):
        out(text, instructions=told)


@pytest.mark.parametrize("kind", ["text", "html", "json"])
def test_a_variables_own_length_holds_for_what_is_stored(kind):
    assert out("x" * 50, kind=kind, max_length=60)
    with pytest.raises(WriterFailed, match="60 characters"):
        out("x" * 61, kind=kind, max_length=60)


def test_text_has_no_markdown():
    assert out("# Hi\n**you** and `me`") == "Hi\nyou and me"


def test_what_shows_nothing_is_gone():
    assert tidy("a\u3164b\u2800c\U000e0041d\u200de\u202e") == "abcde"
