"""Files of leads through POST /imports, and leads out again through GET /leads/export."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest

from apikeys.services import now_for
from leads.imports import run_import, waiting_imports
from leads.models import Import, Lead, VariableValue
from leads.suppression import suppress
from leads.tasks import read_imports
from leads.variables import override_value
from outbound.clock import real_now
from tests import make

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = b"E-Mail;Vorname;Firma;Umsatz\nann@people.example;Ann;M\xfcller GmbH;12\nbo@people.example;Bo;Acme;13\n"


def upload(api, content: bytes, query: str = "", content_type: str = "text/csv", **headers):
    return api.client.post(f"/api/v1/imports{query}", content, content_type=content_type, **headers)


def taken_in(api, acme, content: bytes, query: str = "") -> dict:
    """The import once a worker has read it."""
    answer = upload(api, content, query)
    assert answer.status_code == 201, answer.content
    run_import(answer.json()["data"]["id"], now=now_for(acme))
    return api.data("get", f"/imports/{answer.json()['data']['id']}")


def lead_of(email: str) -> Lead:
    return Lead.objects.get(email=email)


class TestTheExamples:
    def test_the_apollo_file_brings_what_its_readme_counts(self, api, acme):
        shown = taken_in(api, acme, (EXAMPLES / "leads.csv").read_bytes(), "?filename=leads.csv&groups=Apollo,Autumn")

        assert shown["state"] == "done"
        assert shown["filename"] == "leads.csv"
        assert (shown["total"], shown["created"], shown["duplicates"]) == (214, 189, 12)
        assert shown["rejected"] == 1 + 3 + 9 == len(shown["problems"])
        assert (shown["updated"], shown["suppressed"]) == (0, 0)
        assert all(problem["line"] > 1 and problem["reason"] for problem in shown["problems"])
        assert Lead.objects.count() == 189
        groups = {group["name"]: group["leads_count"] for group in api.data("get", "/groups")}
        assert (groups.pop("Apollo"), groups.pop("Autumn")) == (189, 189)
        assert set(groups) == {"Founders", "Q2 Outbound", "Webinar March"}  # from its column of lists

    def test_the_german_file_after_it_updates_six(self, api, acme):
        taken_in(api, acme, (EXAMPLES / "leads.csv").read_bytes())
        shown = taken_in(api, acme, (EXAMPLES / "leads_eu.csv").read_bytes())

        assert (shown["total"], shown["created"], shown["updated"], shown["duplicates"], shown["rejected"]) == (
            40,
            29,
            6,
            2,
            3,
        )
        assert Lead.objects.count() == 189 + 29

    def test_twice_the_same_file_changes_no_count_of_leads(self, api, acme):
        content = (EXAMPLES / "leads.csv").read_bytes()
        taken_in(api, acme, content)
        shown = taken_in(api, acme, content)

        assert (shown["created"], shown["updated"]) == (0, 189)
        assert Lead.objects.count() == 189


class TestOptions:
    def test_the_columns_are_guessed_and_the_rest_become_ones_own(self, api, acme):
        shown = taken_in(api, acme, SMALL)

        assert shown["mapping"] == {
            "E-Mail": "email",
            "Vorname": "first_name",
            "Firma": "company_name",
            "Umsatz": "custom:umsatz",
        }
        assert lead_of("ann@people.example").company_name == "Müller GmbH"
        assert lead_of("ann@people.example").custom == {"umsatz": "12"}

    def test_a_mapping_by_hand_wins(self, api, acme):
        mapping = json.dumps({"Vorname": "last_name", "Umsatz": None, "Firma": "custom:firm"})
        answer = api.client.post("/api/v1/imports?" + "mapping=" + mapping, SMALL, content_type="text/csv")
        assert answer.status_code == 201, answer.content
        run_import(answer.json()["data"]["id"], now=now_for(acme))

        lead = lead_of("ann@people.example")
        assert (lead.last_name, lead.first_name, lead.company_name) == ("Ann", "", "")
        assert lead.custom == {"firm": "Müller GmbH"}

    @pytest.mark.parametrize(
        ("mapping", "named"),
        [
            ("x", "mapping"),
            ("[]", "mapping"),
            ("5", "mapping"),
            ('{"Vorname": 5}', "mapping"),
            ('{"Nope": "email"}', "mapping.Nope"),
            ('{"Vorname": "nope"}', "mapping.Vorname"),
            ('{"Vorname": "custom:Bad Key"}', "mapping.Vorname"),
            ('{"Vorname": "email", "Firma": "email"}', "mapping"),
        ],
    )
    def test_a_mapping_that_does_not_fit_is_400_that_names_it(self, api, mapping, named):
        answer = api.client.post(f"/api/v1/imports?mapping={mapping}", SMALL, content_type="text/csv")

        assert answer.status_code == 400, answer.content
        assert all(name.startswith(named) for name in answer.json()["details"])
        assert not Import.objects.exists()

    def test_a_dry_run_says_all_and_changes_nothing(self, api, acme):
        make.lead(acme, "ann@people.example", company_name="Before")
        before = list(Lead.objects.values())

        shown = taken_in(api, acme, SMALL + b"bad;x;y;z\nBO@people.example;;;\n", "?dry_run=true&groups=New")

        assert shown["dry_run"] is True
        assert (shown["created"], shown["updated"], shown["duplicates"], shown["rejected"]) == (1, 1, 1, 1)
        assert list(Lead.objects.values()) == before
        assert api.data("get", "/groups") == []

    def test_known_addresses_can_be_skipped(self, api, acme):
        make.lead(acme, "ann@people.example", company_name="Before")
        shown = taken_in(api, acme, SMALL, "?on_duplicate=skip")

        assert (shown["created"], shown["duplicates"], shown["updated"]) == (1, 1, 0)
        assert lead_of("ann@people.example").company_name == "Before"

    def test_an_empty_cell_wipes_nothing(self, api, acme):
        make.lead(acme, "ann@people.example", company_name="Before")
        taken_in(api, acme, b"email,company\nann@people.example,\n")

        assert lead_of("ann@people.example").company_name == "Before"

    def test_suppressed_addresses_come_in_blocked_and_are_counted(self, api, acme):
        suppress(workspace=acme, value="ann@people.example", kind="unsubscribed", now=make.NOW)

        assert taken_in(api, acme, SMALL)["suppressed"] == 1
        assert lead_of("ann@people.example").status == "blocked"

    def test_the_first_row_of_an_address_wins_however_long_the_file(self, api, acme):
        filler = b"".join(b"p%d@people.example,Filler\n" % n for n in range(5000))
        shown = taken_in(
            api, acme, b"email,first_name\nann@people.example,First\n" + filler + b"ann@people.example,Second\n"
        )

        assert (shown["created"], shown["duplicates"], shown["updated"]) == (5001, 1, 0)
        assert lead_of("ann@people.example").first_name == "First"


class TestBadFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"PK\x03\x04 but no workbook",
            b"%PDF-1.7 ...",
            b"\x00\x01\x02\x03" * 50,
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600,
            b"<html><body>x</body></html>",
            b"ann@people.example,Ann\nbo@people.example,Bo\n",
            b"{" + b'"a":1' + b"}",
        ],
    )
    def test_what_is_no_table_is_400_that_names_the_file(self, api, content):
        answer = upload(api, content)

        assert answer.status_code == 400, answer.content
        assert list(answer.json()["details"]) == ["file"]
        assert not Import.objects.exists()

    def test_a_file_without_addresses_is_read_and_says_so_for_each_row(self, api, acme):
        answer = upload(api, b"name\nAnn\nBo\n")

        if answer.status_code == 201:
            run_import(answer.json()["data"]["id"], now=now_for(acme))
            assert api.data("get", f"/imports/{answer.json()['data']['id']}")["rejected"] == 2
        else:
            assert answer.status_code == 400

    @pytest.mark.parametrize(
        "content_type", ["text/csv; charset=utf-16", "text/csv; charset=nope", "application/octet-stream", "text/plain"]
    )
    def test_the_content_type_is_a_hint_at_most(self, api, acme, content_type):
        answer = upload(api, b"email\nann@people.example\n", content_type=content_type)

        assert answer.status_code in (201, 400)

    def test_a_workbook_that_breaks_further_down_fails_with_a_sentence(self, api, acme):
        batch = Import.objects.create(workspace=acme, content=b"PK\x03\x04 broken", filename="a.xlsx")
        run_import(batch.id, now=make.NOW)

        shown = api.data("get", f"/imports/{batch.id}")
        assert shown["state"] == "failed"
        assert shown["failure"]


class TestReaders:
    def test_the_task_reads_what_waits_and_a_doubled_task_nothing_more(self, api, acme):
        upload(api, SMALL)
        read_imports()
        first = api.data("get", "/imports")
        read_imports()

        assert first[0]["state"] == "done"
        assert api.data("get", "/imports") == first
        assert Lead.objects.count() == 2

    def test_an_import_whose_reader_died_is_taken_up_again_with_the_same_counts(self, api, acme):
        content = b"email\n" + b"".join(b"p%d@people.example\n" % n for n in range(10)) + b"P1@people.example\nbad\n"
        batch_id = upload(api, content).json()["data"]["id"]
        half = b"email\n" + b"".join(b"p%d@people.example\n" % n for n in range(5))
        batch = Import.objects.get(pk=batch_id)
        # As a reader leaves it that dies after a part: leads are in, and the lease runs out.
        Import.objects.filter(pk=batch_id).update(content=half)
        run_import(batch_id, now=make.NOW)
        Import.objects.filter(pk=batch_id).update(
            state="running", lease_until=real_now() - timedelta(seconds=1), content=batch.content, finished_at=None
        )

        assert [str(each) for each in waiting_imports()] == [batch_id]
        run_import(batch_id, now=make.NOW)

        shown = api.data("get", f"/imports/{batch_id}")
        assert shown["state"] == "done"
        assert (shown["total"], shown["created"], shown["updated"], shown["duplicates"], shown["rejected"]) == (
            12,
            10,
            0,
            1,
            1,
        )
        assert Lead.objects.count() == 10

    def test_one_that_is_being_read_is_left_alone(self, api, acme):
        batch_id = upload(api, SMALL).json()["data"]["id"]
        Import.objects.filter(pk=batch_id).update(state="running", lease_until=real_now() + timedelta(minutes=1))

        run_import(batch_id, now=make.NOW)

        assert waiting_imports() == []
        assert not Lead.objects.exists()

    def test_the_file_is_not_kept_once_it_is_read(self, api, acme):
        taken_in(api, acme, SMALL)

        assert Import.objects.get().content is None

    def test_nobody_sees_the_file_or_a_strangers_import(self, api, acme, rival_api):
        shown = taken_in(api, acme, SMALL)

        assert "content" not in shown
        assert rival_api("get", f"/imports/{shown['id']}").status_code == 404
        assert rival_api.data("get", "/imports") == []


class TestExport:
    @pytest.fixture
    def leads(self, acme):
        lead = make.lead(
            acme,
            "ann@people.example",
            first_name="=cmd|' /C calc'!A0",
            last_name="+1",
            company_name='Müller, "Sons"\nLtd',
        )
        other = make.lead(
            acme,
            "bo@people.example",
            first_name="'quoted",
            custom={"plan": "-pro", "seats": 5, "trial": True, "status": "mine"},
        )
        make.group(acme, "Agencies", members=[lead])
        line = make.variable(acme, "opening_line")
        facts = make.variable(acme, "facts", output_type="json")
        override_value(variable=line, lead=lead, value="@SUM(1+1)", now=make.NOW)
        override_value(variable=facts, lead=lead, value={"a": [1, None, "é"]}, now=make.NOW)
        return lead, other

    def table(self, api, query: str = "") -> list[dict]:
        answer = api("get", f"/leads/export?as=csv{query}")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="leads.csv"'
        return list(csv.DictReader(io.StringIO(answer.content.decode())))

    def test_every_variable_is_a_column(self, api, leads):
        rows = {row["email"]: row for row in self.table(api)}

        assert rows["ann@people.example"]["opening_line"] == "'@SUM(1+1)"
        assert json.loads(rows["ann@people.example"]["facts"]) == {"a": [1, None, "é"]}
        assert rows["bo@people.example"]["opening_line"] == ""
        assert rows["ann@people.example"]["groups"] == "Agencies"
        assert rows["bo@people.example"]["seats"] == "5"
        assert rows["bo@people.example"]["trial"] == "true"

    def test_no_cell_starts_a_formula(self, api, leads):
        for row in self.table(api):
            assert not any((cell or "")[:1] in "=+-@\t\r\n" for cell in row.values() if cell)

    def test_ones_own_field_named_as_a_column_of_ours_hides_nothing(self, api, leads):
        header = api("get", "/leads/export?as=csv").content.decode().splitlines()[0].split(",")

        assert len(set(header)) == len(header)
        rows = {row["email"]: row for row in api.data("get", "/leads/export")}
        assert rows["bo@people.example"]["status"] == "held"
        assert "mine" in rows["bo@people.example"].values()

    def test_json_has_values_as_they_are(self, api, leads):
        rows = {row["email"]: row for row in api.data("get", "/leads/export?as=json")}

        assert rows["ann@people.example"]["first_name"] == "=cmd|' /C calc'!A0"
        assert rows["ann@people.example"]["facts"] == {"a": [1, None, "é"]}
        assert rows["bo@people.example"]["opening_line"] is None
        assert set(rows["ann@people.example"]) == set(rows["bo@people.example"])

    def test_group_search_and_limit_narrow_it(self, api, leads):
        assert [row["email"] for row in self.table(api, "&search=ann")] == ["ann@people.example"]
        assert [row["email"] for row in self.table(api, "&group_id=Agencies")] == ["ann@people.example"]
        assert len(self.table(api, "&limit=1")) == 1
        assert self.table(api, "&search=nobody") == []

    def test_what_went_out_comes_in_again(self, api, acme, leads, rival, rival_api):
        content = api("get", "/leads/export?as=csv").content

        shown = taken_in(rival_api, rival, content)

        assert (shown["created"], shown["rejected"]) == (2, 0)
        columns = ("first_name", "last_name", "persona", "source", "lead_score")
        ours = {lead.email: [getattr(lead, name) for name in columns] for lead in Lead.objects.filter(workspace=acme)}
        theirs = {
            lead.email: [getattr(lead, name) for name in columns] for lead in Lead.objects.filter(workspace=rival)
        }
        assert theirs == ours
        assert Lead.objects.get(workspace=rival, email="ann@people.example").groups.get().name == "Agencies"

    def test_values_of_deleted_variables_are_gone(self, api, leads):
        api.data("delete", "/variables/facts", status=204)

        assert "facts" not in self.table(api)[0]
        assert not VariableValue.objects.filter(variable__name="facts").exists()
