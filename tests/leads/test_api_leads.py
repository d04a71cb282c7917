"""POST, GET, PATCH and DELETE of leads: what an upsert means, how many statements it takes, how lists are walked."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import Group, GroupMember, Lead, VariableValue
from leads.services import suppress
from leads.suppression import is_suppressed
from tests import make

JO = {
    "email": "jo@people.example",
    "first_name": "Jo",
    "company_name": "Acme",
    "lead_score": 70,
    "custom": {"team_size": 5, "plan": "pro"},
    "groups": ["Agencies"],
}


def rows(count: int, start: int = 0) -> list[dict]:
    return [
        {
            "email": f"person{n}@people{n % 700}.example",
            "first_name": f"Person {n}",
            "company_name": f"Company {n % 700}",
            "custom": {"number": n},
            "groups": ["Everyone", f"Part {n % 3}"],
        }
        for n in range(start, start + count)
    ]


class TestOne:
    def test_it_is_added_with_its_defaults(self, api):
        lead = api.data("post", "/leads", {"email": " Jo@People.Example "}, status=200)

        assert lead["email"] == "jo@people.example"
        assert (lead["persona"], lead["source"], lead["lead_score"]) == ("general", "api", 50)
        assert (lead["status"], lead["health"], lead["validation_status"]) == ("held", "green", None)
        assert lead["first_name"] is None
        assert (lead["groups"], lead["variables"], lead["custom"]) == ([], [], {})

    def test_given_fields_overwrite_absent_ones_stay_null_clears(self, api):
        first = api.data("post", "/leads", JO)
        second = api.data(
            "post",
            "/leads",
            {"email": "JO@people.example", "company_name": "New", "first_name": None, "custom": {"plan": None}},
        )

        assert second["id"] == first["id"]
        assert second["company_name"] == "New"
        assert second["first_name"] is None
        assert second["lead_score"] == 70
        assert second["custom"] == {"team_size": 5}
        assert [group["name"] for group in second["groups"]] == ["Agencies"]

    def test_a_patch_means_the_same(self, api):
        lead = api.data("post", "/leads", JO)
        changed = api.data(
            "patch", f"/leads/{lead['id']}", {"title": "CEO", "first_name": None, "custom": {"plan": None, "new": True}}
        )

        assert (changed["title"], changed["first_name"], changed["company_name"]) == ("CEO", None, "Acme")
        assert changed["custom"] == {"team_size": 5, "new": True}

    def test_null_in_a_new_leads_custom_is_no_field(self, api):
        assert api.data("post", "/leads", {"email": "a@b.example", "custom": {"x": None, "y": 1}})["custom"] == {"y": 1}
        assert api.data("post", "/leads", [{"email": "c@d.example", "custom": {"x": None}}])["created"] == 1
        assert Lead.objects.get(email="c@d.example").custom == {}

    def test_company_is_another_word_for_company_name(self, api):
        assert api.data("post", "/leads", {"email": "a@b.example", "company": "Acme"})["company_name"] == "Acme"

    def test_every_wrong_field_is_named(self, api):
        answer = api(
            "post",
            "/leads",
            {"email": "x", "lead_score": 101, "colour": "red", "timezone": "Mars", "custom": {"A b": 1}},
        )

        assert answer.status_code == 400
        assert set(answer.json()["details"]) == {"email", "lead_score", "colour", "timezone", "custom"}

    @pytest.mark.parametrize("too_long", ["x" + " " * 500, "x" + "\x01" * 500, " " * 501])
    def test_text_is_measured_as_it_comes_not_as_it_is_stored(self, api, too_long):
        lead = api.data("post", "/leads", JO)

        answer = api("patch", f"/leads/{lead['id']}", {"website": too_long})

        assert (answer.status_code, list(answer.json()["details"])) == (400, ["website"])

    def test_a_patch_to_an_address_that_another_lead_has_is_400(self, api, acme):
        one, other = make.lead(acme, "one@people.example"), make.lead(acme, "other@people.example")

        answer = api("patch", f"/leads/{one.id}", {"email": "OTHER@people.example"})

        assert answer.status_code == 400
        assert list(answer.json()["details"]) == ["email"]
        assert Lead.objects.get(pk=other.id).email == "other@people.example"

    def test_a_field_of_ones_own_may_not_hide_a_variable(self, api, acme):
        make.variable(acme, "opening_line")
        lead = make.lead(acme)

        for answer in (
            api("post", "/leads", {"email": "a@b.example", "custom": {"opening_line": "x"}}),
            api("patch", f"/leads/{lead.id}", {"custom": {"opening_line": "x"}}),
        ):
            assert answer.status_code == 400
            assert list(answer.json()["details"]) == ["custom"]
        mixed = api.data(
            "post", "/leads", [{"email": "a@b.example"}, {"email": "c@d.example", "custom": {"opening_line": "x"}}]
        )
        assert [result["status"] for result in mixed["results"]] == ["created", "rejected"]

    def test_times_are_utc_with_milliseconds_and_z(self, api):
        lead = api.data("post", "/leads", JO)

        assert lead["created_at"][10] == "T"
        assert lead["created_at"][-5] == "."
        assert lead["created_at"].endswith("Z")
        assert lead["last_activity_at"] is None

    def test_deleting_takes_its_values_and_memberships_with_it(self, api, acme):
        lead = make.lead(acme)
        make.group(acme, members=[lead])
        variable = make.variable(acme)
        VariableValue.objects.create(workspace=acme, variable=variable, lead=lead)

        api.data("delete", f"/leads/{lead.id}", status=204)

        assert api("get", f"/leads/{lead.id}").status_code == 404
        assert not VariableValue.objects.exists()
        assert not GroupMember.objects.exists()
        assert api.data("get", "/groups")[0]["leads_count"] == 0


class TestAnArray:
    def test_each_row_has_its_result_in_order(self, api, acme):
        make.lead(acme, "known@people.example")
        report = api.data(
            "post",
            "/leads",
            [
                {"email": "new@people.example", "first_name": "First"},
                {"email": "KNOWN@people.example", "title": "CEO"},
                {"email": "New@People.example", "first_name": "Second"},
                {"email": "nonsense"},
                {"email": "other@people.example", "zzz": 1},
                "no object",
                {},
            ],
        )

        assert [result["status"] for result in report["results"]] == [
            "created",
            "updated",
            "duplicate",
            *["rejected"] * 4,
        ]
        assert {
            name: report[name] for name in ("total", "created", "updated", "duplicates", "rejected", "suppressed")
        } == {
            "total": 7,
            "created": 1,
            "updated": 1,
            "duplicates": 1,
            "rejected": 4,
            "suppressed": 0,
        }
        assert Lead.objects.get(email="new@people.example").first_name == "First"
        assert all(set(result) == {"email", "id", "status", "reason"} for result in report["results"])
        assert "zzz" in report["results"][4]["reason"]

    def test_unknown_groups_are_created_and_known_ones_found_without_case(self, api, acme):
        make.group(acme, "Agencies")
        api.data(
            "post",
            "/leads",
            [{"email": "a@b.example", "groups": ["AGENCIES", "Fresh"]}, {"email": "c@d.example", "groups": ["fresh"]}],
        )

        shown = {group["name"]: group["leads_count"] for group in api.data("get", "/groups")}
        assert shown == {"Agencies": 1, "Fresh": 2}

    @pytest.mark.parametrize("name", ["\u212a", "İstanbul", "ΟΔΟΣ", "Straße", "ÉTÉ", "ǅ"])
    def test_a_name_that_python_and_the_database_fold_differently_is_no_500(self, api, acme, name):
        for other in {
            name.lower(),
            name.upper(),
            name.casefold(),
            name.translate({0x212A: "k", 0x130: "i", 0x3A3: "σ"}),
        }:
            api("post", "/groups", {"name": other})

        assert api("post", "/leads", [{"email": "a@b.example", "groups": [name]}]).status_code == 200
        assert Group.objects.filter(leads__email="a@b.example").count() == 1
        assert api("post", "/groups", {"name": name}).status_code in (201, 409)

    def test_an_empty_array_and_one_without_a_good_row_are_400(self, api):
        assert api("post", "/leads", []).status_code == 400
        answer = api("post", "/leads", [{"email": "x"}, {"email": "y"}])
        assert answer.status_code == 400
        assert set(answer.json()["details"]) == {"0", "1"}

    def test_5001_are_400_and_nothing_goes_in(self, api):
        answer = api("post", "/leads", [{"email": f"p{n}@people.example"} for n in range(5001)])

        assert answer.status_code == 400
        assert "5000" in answer.json()["error"]
        assert list(answer.json()["details"]) == ["body"]
        assert not Lead.objects.exists()

    def test_5000_new_ones_with_groups_take_a_handful_of_statements(self, api):
        with CaptureQueriesContext(connection) as first:
            report = api.data("post", "/leads", rows(5000))
        with CaptureQueriesContext(connection) as second:
            again = api.data("post", "/leads", rows(5000))

        assert (report["created"], again["updated"]) == (5000, 5000)
        assert Lead.objects.count() == 5000
        assert GroupMember.objects.count() == 10_000
        assert len(statements(first)) == STATEMENTS_NEW, "\n".join(statements(first))
        assert len(statements(second)) == STATEMENTS_KNOWN, "\n".join(statements(second))
        assert Lead.objects.get(email="person4999@people99.example").custom == {"number": 4999}

    def test_as_many_statements_for_fifty(self, api):
        with CaptureQueriesContext(connection) as few:
            api.data("post", "/leads", rows(50))

        assert len(statements(few)) == STATEMENTS_NEW


# The key, its last use, names of variables, known leads, suppressions, the leads, their events, groups (look, make,
# look), members.
STATEMENTS_NEW = 11
# No new groups to make and to look up, nothing to write of the key: its last use is noted once a minute.
STATEMENTS_KNOWN = 7


def statements(context) -> list[str]:
    """What was asked of the database, without the marks of transactions."""
    marks = ("SAVEPOINT", "RELEASE", "BEGIN", "ROLLBACK")
    return [query["sql"][:160] for query in context if not query["sql"].startswith(marks)]


class TestSuppressed:
    def test_a_suppressed_address_comes_in_blocked(self, api, acme):
        suppress(workspace=acme, value="no@people.example", kind="unsubscribed", now=make.NOW)
        suppress(workspace=acme, value="@never.example", kind="manual", now=make.NOW)

        report = api.data(
            "post",
            "/leads",
            [{"email": "NO@people.example"}, {"email": "x@never.example"}, {"email": "ok@people.example"}],
        )

        assert report["suppressed"] == 2
        assert [result["status"] for result in report["results"]] == ["created"] * 3
        assert "must not be written to" in report["results"][0]["reason"]
        assert sorted(Lead.objects.values_list("status", flat=True)) == ["blocked", "blocked", "held"]
        assert api.data("post", "/leads", {"email": "y@never.example"})["health"] == "red"

    def test_a_lead_that_is_there_becomes_blocked(self, acme):
        lead = make.lead(acme, "jo@people.example")

        suppress(workspace=acme, value="JO@people.example ", kind="complained", now=make.NOW)

        lead.refresh_from_db()
        assert lead.status == "blocked"

    def test_it_survives_deletion_and_another_import_without_keeping_the_address(self, api, acme):
        lead = make.lead(acme, "jo@people.example")
        row = suppress(workspace=acme, value="jo@people.example", kind="unsubscribed", now=make.NOW)

        api.data("delete", f"/leads/{lead.id}", status=204)

        row.refresh_from_db()
        assert row.value == ""
        assert "jo@people" not in row.digest
        assert is_suppressed(acme, "jo@people.example")
        assert api.data("post", "/leads", {"email": "jo@people.example"})["status"] == "blocked"

    def test_changing_the_address_does_not_help(self, api, acme):
        suppress(workspace=acme, value="no@people.example", kind="unsubscribed", now=make.NOW)
        lead = make.lead(acme, "yes@people.example")

        assert api.data("patch", f"/leads/{lead.id}", {"email": "no@people.example"})["status"] == "blocked"

    def test_it_is_the_workspaces_own(self, acme, rival, rival_api):
        suppress(workspace=acme, value="jo@people.example", kind="unsubscribed", now=make.NOW)

        assert rival_api.data("post", "/leads", {"email": "jo@people.example"})["status"] == "held"

    def test_twice_is_once(self, acme):
        for _ in range(2):
            row = suppress(workspace=acme, value="jo@people.example", kind="unsubscribed", now=make.NOW)

        assert type(row).objects.count() == 1


class TestLists:
    @pytest.fixture(autouse=True)
    def _seven(self, api):
        api.data(
            "post",
            "/leads",
            [
                {"email": f"p{n}@people.example", "first_name": name, "company_name": f"Company {n}"}
                for n, name in enumerate(["Ann", "Bo", "50%_off", "a\\b", "Zoë", "O'Neil", "Jo"])
            ],
        )

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("ann", 1),
            ("PEOPLE.example", 7),
            ("p3@", 1),
            ("company 4", 1),
            ("%", 1),
            ("_", 1),
            ("\\", 1),
            ("'", 1),
            ("zoë", 1),
            ("nobody", 0),
            ("", 7),
            ("  ", 7),
            ("%%%", 0),
        ],
    )
    def test_search_looks_at_address_names_and_company(self, api, text, found):
        answer = api.client.get("/api/v1/leads", {"search": text})

        assert answer.json()["meta"]["total"] == found == len(answer.json()["data"])

    def test_pages(self, api):
        answer = api("get", "/leads?limit=3&page=3").json()

        assert len(answer["data"]) == 1
        assert answer["meta"] == {"total": 7, "page": 3, "limit": 3, "totalPages": 3, "next_cursor": None}

    def test_a_page_past_the_end_is_empty(self, api):
        answer = api("get", "/leads?limit=3&page=4000")

        assert answer.status_code == 200
        assert answer.json()["data"] == []
        assert answer.json()["meta"]["total"] == 7

    def test_the_cursor_walks_every_row_once(self, api):
        seen, cursor, rounds = [], "", 0
        while cursor is not None:
            answer = api("get", "/leads?limit=2" + (f"&after={cursor}" if cursor else "")).json()
            seen += [lead["email"] for lead in answer["data"]]
            cursor, rounds = answer["meta"]["next_cursor"], rounds + 1
            if rounds == 2:
                api.data("post", "/leads", {"email": "late@people.example"})

        assert len(seen) == len(set(seen)) == 7
        assert rounds == 4

    def test_pages_and_cursor_give_the_same_order(self, api):
        first = api("get", "/leads?limit=4").json()
        numbered = api("get", "/leads?limit=4&page=2").json()["data"]

        assert numbered == api("get", f"/leads?limit=4&after={first['meta']['next_cursor']}").json()["data"]

    def test_a_group_and_a_status_narrow_it(self, api, acme):
        lead = Lead.objects.get(email="p0@people.example")
        group = make.group(acme, members=[lead])
        Lead.objects.filter(pk=lead.pk).update(status="paused")

        assert [row["email"] for row in api.data("get", f"/leads?group_id={group.id}")] == [lead.email]
        assert [row["email"] for row in api.data("get", f"/leads?group_id={group.name}")] == [lead.email]
        assert [row["email"] for row in api.data("get", "/leads?status=paused")] == [lead.email]
        assert api.data("get", f"/leads?group_id={group.id}&status=held") == []

    def test_a_list_takes_as_many_statements_for_a_hundred_as_for_one(self, api):
        with CaptureQueriesContext(connection) as context:
            api.data("get", "/leads?limit=100")

        assert len(statements(context)) <= 4


class TestGroups:
    def test_the_whole_life_of_one(self, api, acme):
        lead = make.lead(acme)
        group = api.data("post", "/groups", {"name": "London", "color": "emerald"}, status=201)
        assert set(group) == {"id", "name", "color", "description", "leads_count", "created_at"}
        assert group["description"] is None

        added = api.data("post", f"/groups/{group['id']}", {"lead_ids": [str(lead.id), str(lead.id)]}, status=200)
        assert (added["added"], added["leads_count"]) == (1, 1)
        assert api.data("post", f"/groups/{group['id']}", {"lead_ids": [str(lead.id)]})["added"] == 0
        changed = api.data("patch", f"/groups/{group['id']}", {"name": "Paris", "color": "rose", "description": "x"})
        assert (changed["name"], changed["color"], changed["description"], changed["leads_count"]) == (
            "Paris",
            "rose",
            "x",
            1,
        )
        assert api.data("post", f"/groups/{group['id']}/remove", {"lead_ids": [str(lead.id)]})["removed"] == 1
        assert api.data("delete", f"/groups/{group['id']}", status=204) is None
        assert api("get", f"/groups/{group['id']}").status_code == 404
        assert Lead.objects.count() == 1

    def test_a_name_is_taken_without_case(self, api):
        api.data("post", "/groups", {"name": "London"})
        other = api.data("post", "/groups", {"name": "Paris"})

        assert api("post", "/groups", {"name": "LONDON "}).status_code == 409
        assert api("patch", f"/groups/{other['id']}", {"name": "london"}).status_code == 409
        assert api("patch", f"/groups/{other['id']}", {"name": "PARIS"}).status_code == 200

    def test_the_same_name_in_another_workspace_is_free(self, api, rival_api):
        api.data("post", "/groups", {"name": "London"}, status=201)
        rival_api.data("post", "/groups", {"name": "London"}, status=201)
