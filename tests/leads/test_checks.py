import json
import string
from pathlib import Path

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from leads import checks
from leads.checks import email_domain, is_disposable, is_role, normalise_email

ISEMAIL = json.loads((Path(__file__).parents[1] / "data/isemail/tests.json").read_text())
labels = st.text(alphabet=string.ascii_lowercase + string.digits + "-", max_size=12)
domains = st.lists(st.one_of(labels, st.sampled_from(["test", "com", "local", "xn--mller-kva", "ab--c"])), max_size=5)
almost_addresses = st.builds(
    lambda local, domain: f"{local}@{'.'.join(domain)}",
    st.text(alphabet=string.ascii_letters + string.digits + ".+_-!#'\"é ", max_size=70),
    domains,
)


def library_verdict(address: str) -> str | None:
    options = {"allow_smtputf8": False, "check_deliverability": False, "test_environment": True, "strict": True}
    try:
        return validate_email(address, **options).ascii_email.lower()
    except EmailNotValidError:
        return None


def our_verdict(address: str) -> str | None:
    try:
        return normalise_email(address)
    except ValueError:
        return None


class TestNormalise:
    @pytest.mark.parametrize(
        ("raw", "stored"),
        [
            ("  Ana.Lopez@Example.COM ", "ana.lopez@example.com"),
            ("mailto:ana@example.com?subject=Hi", "ana@example.com"),
            ("<ana@example.com>", "ana@example.com"),
            ("López, Ana <ana@example.com>", "ana@example.com"),
            ("\ufeffana@example.com\u00a0", "ana@example.com"),
            ("ana@bücher.example", "ana@xn--bcher-kva.example"),
            ("ANA@XN--BCHER-KVA.example", "ana@xn--bcher-kva.example"),
            ("reply+ana@sandbox.test", "reply+ana@sandbox.test"),
        ],
    )
    def test_it_keeps_one_spelling(self, raw, stored):
        assert normalise_email(raw) == stored
        assert normalise_email(stored) == stored

    @pytest.mark.parametrize(
        "raw",
        ["", "ana", "ana@", "@example.com", "ana@example", "ana@test", "ana at example.com", "ana@@example.com",
         "ana@example..com", "a@b.com, c@d.com", "ana@localhost", "ana@printer.local", "ana@[127.0.0.1]",
         "anaé@example.com",
         "ana\r\nBcc: x@example.com", "ana\0@example.com", "\ud800@example.com", "x" * 65 + "@example.com",
         "ana@" + "a." * 130 + "com", "a" * 50_000 + "@", "<" * 50_000, "mailto:"],
    )  # fmt: skip
    def test_it_refuses_with_a_sentence(self, raw):
        with pytest.raises(ValueError, match=r"^[A-Z].+\.$"):
            normalise_email(raw)

    def test_it_is_never_longer_than_254(self):
        domain = ".".join(["a" * 60] * 4) + ".com"
        with pytest.raises(ValueError, match="long"):
            normalise_email(f"someone@{domain}")

    @given(almost_addresses)
    def test_the_short_way_gives_the_librarys_verdict(self, address):
        address = address.strip()
        expected = library_verdict(address)
        if expected and "." not in email_domain(expected):
            expected = None  # a bare `test` is for the library's own tests, not a domain
        assert our_verdict(address) == expected

    @given(st.from_regex(checks.PLAIN, fullmatch=True))
    def test_what_the_short_way_takes_the_library_takes_too(self, address):
        if our_verdict(address) is not None:
            assert library_verdict(address) == our_verdict(address)

    @given(st.text(max_size=80))
    def test_it_never_fails_otherwise(self, raw):
        verdict = our_verdict(raw)
        assert verdict is None or our_verdict(verdict) == verdict

    @pytest.mark.parametrize("case", ISEMAIL, ids=lambda case: str(case["id"]))
    def test_it_takes_nothing_that_isemail_calls_an_error(self, case):
        address = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2420 else c for c in case["address"] or "")
        verdict = our_verdict(address)
        if case["category"] == "ISEMAIL_ERR":
            # What trimming repairs is meant to be repaired; anything else must be refused.
            assert verdict is None or verdict == address.strip().lower()


class TestKinds:
    @pytest.mark.parametrize("domain", ["mailinator.com", "MAILINATOR.com.", "eu.mailinator.com"])
    def test_throw_away_domains_are_known_with_their_subdomains(self, domain):
        assert is_disposable(domain)

    @pytest.mark.parametrize("domain", ["example.com", "unmailinator.example", "com", "", "sandbox.test", "gmail.com"])
    def test_other_domains_are_not(self, domain):
        assert not is_disposable(domain)

    @pytest.mark.parametrize(
        "email", ["info@example.com", "Sales+eu@example.com", "no-reply@example.com", "no.reply@example.com",
                  "customer_service@example.com", "kontakt@example.com", "support@example.com", "admin@example.com"],
    )  # fmt: skip
    def test_a_mailbox_of_a_job_is_a_role(self, email):
        assert is_role(email)

    @pytest.mark.parametrize(
        "email", ["ana@example.com", "inforge@example.com", "mark@example.com", "reply+info@x.test", ""]
    )
    def test_a_person_is_not(self, email):
        assert not is_role(email)

    def test_the_domain_is_what_follows_the_last_at(self):
        assert email_domain("Ana@Example.COM") == "example.com"
        assert email_domain("nobody") == ""
