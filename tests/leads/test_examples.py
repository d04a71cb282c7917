"""What examples/README.md says of the example files is so."""

import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

from leads.checks import email_domain, is_disposable, is_role, normalise_email
from leads.columns import apply_mapping, guess_mapping
from leads.reading import read_rows
from leads.rows import RowRefused, read_row

EXAMPLES = Path(__file__).parents[2] / "examples"


def open_table(name: str):
    return read_rows(open(EXAMPLES / name, "rb"), filename=name)  # noqa: SIM115 – rows are read while it is open


def taken_in(name: str) -> tuple[Counter, dict[str, dict]]:
    """How many rows of each kind, and the leads by address, as an import would have them."""
    table = open_table(name)
    mapping = guess_mapping(table.columns)
    counts, leads = Counter(), {}
    for row in table.rows:
        counts["rows"] += 1
        lead = apply_mapping(row.cells, mapping)
        kind = "unreadable" if row.error else verdict(lead, leads)
        counts[kind] += 1
        if kind == "lead":
            leads[normalise_email(lead["email"])] = lead
    return counts, leads


def verdict(lead: dict, known: dict) -> str:
    if "email" not in lead:
        return "without e-mail"
    try:
        email = normalise_email(lead["email"])
    except ValueError:
        return "invalid"
    return "duplicate" if email in known else "lead"


def magic(leads: dict) -> Counter:
    return Counter(email.partition("+")[0] for email in leads if email_domain(email) == "sandbox.test")


@pytest.fixture(scope="module")
def apollo():
    return taken_in("leads.csv")


@pytest.fixture(scope="module")
def german():
    return taken_in("leads_eu.csv")


class TestCounts:
    def test_leads_csv(self, apollo):
        assert apollo[0] == {
            "rows": 214, "unreadable": 1, "without e-mail": 3, "invalid": 9, "duplicate": 12, "lead": 189,
        }  # fmt: skip

    def test_leads_eu_csv(self, german):
        assert german[0] == {"rows": 40, "without e-mail": 1, "invalid": 2, "duplicate": 2, "lead": 35}

    def test_kinds_of_address(self, apollo, german):
        def kinds(leads):
            return (sum(map(is_role, leads)), sum(is_disposable(email_domain(email)) for email in leads))

        assert (kinds(apollo[1]), kinds(german[1])) == ((12, 8), (3, 1))

    def test_magic_recipients(self, apollo, german):
        assert magic(apollo[1]) == {
            "reply": 4, "bounce": 2, "soft": 1, "complaint": 1, "ooo": 2, "unsubscribe": 2, "timeout": 1, "ok": 2,
        }  # fmt: skip
        assert magic(german[1]) == {"reply": 1}

    def test_no_magic_recipient_is_taken_for_a_role(self, apollo):
        assert not [email for email in apollo[1] if email_domain(email) == "sandbox.test" and is_role(email)]

    def test_some_have_no_first_name_and_some_are_in_both_files(self, apollo, german):
        assert sum("first_name" not in lead for lead in apollo[1].values()) == 10
        assert len(apollo[1].keys() & german[1].keys()) == 6

    def test_the_readme_says_the_same(self):
        readme = (EXAMPLES / "README.md").read_text()
        numbers = [tuple(map(int, re.findall(r"\d+", line)[:2])) for line in readme.splitlines()
                   if re.match(r"\| (rows|with|rep|\*\*leads|…)", line)]  # fmt: skip
        assert numbers == [(214, 40), (1, 0), (3, 1), (9, 2), (12, 2), (189, 35), (12, 3), (8, 1), (10, 0), (15, 1)]


class TestMess:
    def test_every_lead_that_counts_as_one_is_taken_by_the_importer(self, apollo, german):
        for lead in [*apollo[1].values(), *german[1].values()]:
            try:
                read_row(lead)
            except RowRefused as refused:
                pytest.fail(f"{lead['email']}: {refused.details}")

    def test_leads_csv_has_what_exports_have(self):
        table = open_table("leads.csv")
        content = (EXAMPLES / "leads.csv").read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        assert (table.encoding, table.delimiter) == ("utf-8-sig", ",")
        assert {"Notes", "Notes (2)", "Column 24"} <= set(table.columns)
        rows = [row for row in table.rows if not row.error]
        assert any("\n" in row.cells["Title"] for row in rows)
        assert any(row.cells["Notes"].startswith("=HYPERLINK") for row in rows)
        assert any(row.cells["Work Direct Phone"].startswith("'+49") for row in rows)

    def test_leads_eu_csv_is_german_windows_text(self):
        table = open_table("leads_eu.csv")
        assert (table.encoding, table.delimiter) == ("cp1252", ";")
        assert "Umsatz (Mio. €)" in table.columns

    def test_everybody_is_at_a_reserved_or_throw_away_domain(self, apollo, german):
        reserved = re.compile(r"(.+\.)?(example(\.(com|net|org))?|test)")
        for email in apollo[1].keys() | german[1].keys():
            domain = email_domain(email)
            assert reserved.fullmatch(domain) or is_disposable(domain), email


@pytest.mark.parametrize("name", ["leads.csv", "leads_eu.csv"])
def test_the_generator_writes_the_same_bytes(name):
    maker = runpy.run_path(str(EXAMPLES / "make_examples.py"))
    assert maker[name.replace(".", "_")]() == (EXAMPLES / name).read_bytes()
