"""Scores and health as decisions §3 has them. Pure."""

from types import SimpleNamespace

import pytest

from leads.health import health_of
from leads.mail_domains import Finding
from leads.verdicts import Verdict, corrected, verdict_of

MX = Finding("mx")


class TestScores:
    @pytest.mark.parametrize(
        ("email", "finding", "status", "score"),
        [
            ("jo@acme.com", MX, "valid", 85),
            ("jo@acme.com", Finding("mx", is_catch_all=False), "valid", 100),
            ("jo@acme.com", Finding("mx", is_catch_all=True), "valid", 85),
            ("jo@acme.xyz", MX, "risky", 65),
            ("jo@acme.xyz", Finding("mx", is_catch_all=False), "valid", 80),
            ("jo@acme.com", Finding("address"), "risky", 65),
            ("jo@acme.com", Finding("address", is_catch_all=False), "valid", 80),
            ("jo@acme.xyz", Finding("address"), "unknown", 45),
            ("jo@acme.com", Finding("none"), "invalid", 10),
            ("jo@mailinator.com", MX, "invalid", 5),
            ("jo@mailinator.com", Finding("none"), "invalid", 10),
            ("jo@mailinator.com", Finding("unknown"), "invalid", 5),
            ("not an address", MX, "invalid", 0),
            ("jo@acme.com", Finding("unknown", "Silence."), "unknown", None),
        ],
    )
    def test_an_address_gets_its_score(self, email, finding, status, score):
        verdict = verdict_of(email, finding)
        assert (verdict.status, verdict.score) == (status, score)

    @pytest.mark.parametrize("outcome", ["none", "unknown", "address"])
    def test_the_reason_is_what_the_dns_said(self, outcome):
        finding = Finding(outcome, "So it is.")
        assert finding.detail in verdict_of("jo@acme.com", finding).reason


class TestAThirdParty:
    OURS = Verdict("valid", 85)

    def test_its_word_counts(self):
        assert corrected(self.OURS, Verdict("risky", 60, "Full.")) == Verdict("risky", 60, "Full.")

    @pytest.mark.parametrize("said", [None, Verdict("excellent", 100), Verdict("", None)])
    def test_without_a_word_of_ours_nothing_changes(self, said):
        assert corrected(self.OURS, said) == self.OURS

    @pytest.mark.parametrize(("score", "kept"), [(90, 10), (None, 0), (3, 3)])
    def test_an_invalid_one_scores_as_invalid(self, score, kept):
        assert corrected(self.OURS, Verdict("invalid", score)).score == kept

    def test_a_score_stays_between_0_and_100(self):
        assert corrected(self.OURS, Verdict("valid", 900)).score == 100


def lead(email="jo@acme.com", **fields):
    known = {
        "status": "held", "is_disposable": False, "is_role": False, "is_catch_all": None, "validation_status": None,
        "validation_score": None,
    }  # fmt: skip
    return SimpleNamespace(email=email, **{**known, **fields})


class TestHealth:
    @pytest.mark.parametrize(
        ("fields", "health"),
        [
            ({}, "green"),
            ({"validation_status": "pending"}, "green"),
            ({"validation_status": "unknown"}, "green"),
            ({"validation_status": "valid", "validation_score": 85}, "green"),
            ({"validation_status": "valid", "validation_score": 85, "is_catch_all": True}, "yellow"),
            ({"validation_status": "risky", "validation_score": 65}, "green"),
            ({"validation_status": "risky", "validation_score": 65, "is_role": True}, "yellow"),
            ({"is_role": True}, "yellow"),
            ({"email": "jo@acme.xyz"}, "yellow"),
            ({"email": "info@acme.xyz", "is_role": True}, "red"),
            ({"is_disposable": True}, "red"),
            ({"status": "blocked"}, "red"),
            ({"validation_status": "invalid", "validation_score": 10}, "red"),
        ],
    )
    def test_the_colour_follows_the_deductions(self, fields, health):
        colour, reasons = health_of(lead(**fields))
        assert colour == health
        assert bool(reasons) or colour == "green"

    def test_an_invalid_address_stays_red_while_it_is_asked_again(self):
        assert health_of(lead(validation_status="pending", validation_score=10))[0] == "red"
