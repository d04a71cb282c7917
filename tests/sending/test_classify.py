"""The bounds of `make classify`, on the same mail."""

import pytest

from tests.classify import bounces, failures, replies

SUPPRESSING = {"hard", "complaint", "unsubscribe"}


@pytest.fixture(scope="module")
def real():
    return bounces("bounces-sisimai")


@pytest.fixture(scope="module")
def sets(real):
    return [real, bounces("misc-inbound"), failures(), replies()]


def test_hard_bounces_are_found_and_nothing_else_is_called_one(real):
    recall, precision = real.hard()
    assert recall >= 0.97
    assert precision >= 0.97


def test_no_soft_blocked_delivered_or_automatic_mail_suppresses_anyone(real):
    for label in ("soft", "blocked", "delivered", "auto_reply"):
        assert not [ours for said, ours in real.matrix if said == label and ours in SUPPRESSING], real.wrong


def test_every_complaint_suppresses(real):
    assert {ours for said, ours in real.matrix if said == "complaint"} <= SUPPRESSING


def test_every_failure_names_who_failed_and_a_temporary_one_suppresses_nobody(sets):
    found = sets[2]
    assert not found.wrong
    assert not [ours for said, ours in found.matrix if said == "permanent" and ours not in ("hard", "soft", "blocked")]
    assert not [ours for said, ours in found.matrix if said == "temporary" and ours in SUPPRESSING]


def test_a_person_s_mail_is_a_reply_and_keeps_their_words(sets):
    assert sets[2].matrix["nobody", "reply"] == 1
    assert sets[3].matrix["text", "exact"] >= 0.8 * sum(sets[3].matrix.values())


def test_the_mail_we_wrote_ourselves_is_read_as_it_was_meant():
    figures, texts = bounces("made"), replies("made-replies")
    assert figures.hard() == (1.0, 1.0)
    assert len(figures.wrong) <= 2
    assert len(texts.wrong) <= 2
    assert not figures.crashes + texts.crashes


def test_nothing_crashes(sets):
    assert [crash for figures in sets for crash in figures.crashes] == []
