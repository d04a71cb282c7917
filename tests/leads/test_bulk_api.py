"""POST /leads/bulk (Superkabe §7.2): every row has its own fate."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import Event, StoredResponse
from leads.imports import run_import
from leads.models import Lead
from leads.services import suppress
from leads.views import LeadViewSet
from tests import make
from tests.base import Api

SEED_ROW = {"email": "jane.doe@acme.com", "persona": "VP Engineering", "source": "apollo", "lead_score": 85}


def bulk(api, *rows, **headers):
    return api.data("POST", "/leads/bulk", {"leads": list(rows)}, status=200, **headers)


def fates(answer) -> list[tuple]:
    return [(row["email"], row["status"]) for row in answer["results"]]


class TestTheSeed:
    def test_its_answer_has_the_keys_and_words_of_the_seed(self, api, acme):
        there = make.lead(acme, "bob@acme.com")
        answer = bulk(api, SEED_ROW, {"email": "Bob@ACME.com"}, {"email": "carol@new.com"})
        assert {name: answer[name] for name in ("total", "created", "duplicates", "errors")} == {
            "total": 3, "created": 2, "duplicates": 1, "errors": 0,
        }  # fmt: skip
        assert fates(answer) == [
            ("jane.doe@acme.com", "created"), ("bob@acme.com", "duplicate"), ("carol@new.com", "created"),
        ]  # fmt: skip
        assert answer["results"][1]["id"] == str(there.id)

    def test_a_new_lead_is_held_and_was_never_asked(self, api):
        lead_id = bulk(api, SEED_ROW)["results"][0]["id"]
        lead = api.data("GET", f"/leads/{lead_id}")
        assert (lead["status"], lead["validation_status"], lead["validation_score"]) == ("held", None, None)
        assert (lead["persona"], lead["source"], lead["lead_score"]) == ("VP Engineering", "apollo", 85)

    def test_absent_fields_get_the_defaults_of_the_seed(self, api):
        lead = api.data("GET", f"/leads/{bulk(api, {'email': 'a@b.com'})['results'][0]['id']}")
        assert (lead["persona"], lead["source"], lead["lead_score"]) == ("general", "api", 50)

    def test_a_name_company_title_and_own_fields_are_taken(self, api):
        row = {"email": "a@b.com", "first_name": "Jo", "last_name": "Do", "company_name": "B", "title": "CTO",
               "custom": {"plan": "pro"}}  # fmt: skip
        lead = api.data("GET", f"/leads/{bulk(api, row)['results'][0]['id']}")
        assert {name: lead[name] for name in row} == row


class TestEachRow:
    def test_a_known_address_is_skipped_and_stays_as_it_was(self, api, acme):
        there = make.lead(acme, "bob@acme.com", first_name="Bob")
        bulk(api, {"email": "bob@acme.com", "first_name": "Robert"})
        there.refresh_from_db()
        assert there.first_name == "Bob"

    def test_an_address_that_comes_twice_counts_once_and_shows_the_first_ones_id(self, api):
        first, second = bulk(api, {"email": "a@b.com"}, {"email": "A@B.com "})["results"]
        assert (first["status"], second["status"]) == ("created", "duplicate")
        assert first["id"] == second["id"] != None  # noqa: E711

    @pytest.mark.parametrize(
        ("row", "word"),
        [
            ({}, "email"), ({"email": None}, "email"), ({"email": "no"}, "email"), ({"email": 7}, "email"),
            ({"email": "a@b.com", "lead_score": 101}, "lead_score"), ({"email": "a@b.com", "scroe": 1}, "scroe"),
            ("a@b.com", "object"), (None, "object"), ([], "object"),
        ],
    )  # fmt: skip
    def test_a_wrong_row_is_rejected_with_its_reason_and_harms_no_other(self, api, row, word):
        answer = bulk(api, row, {"email": "good@b.com"})
        bad, good = answer["results"]
        assert (bad["status"], bad["id"], good["status"]) == ("rejected", None, "created")
        assert word in bad["reason"]
        assert (answer["created"], answer["errors"]) == (1, 1)

    def test_a_suppressed_address_becomes_a_blocked_lead(self, api, acme):
        suppress(workspace=acme, value="no@b.com", kind="unsubscribed", now=make.NOW)
        result = bulk(api, {"email": "no@b.com"})["results"][0]
        assert result["status"] == "created"
        assert Lead.objects.get(pk=result["id"]).status == "blocked"

    def test_a_row_that_the_database_refuses_is_an_error_and_the_others_go_in(self, api, refuses_carol):
        rows = [{"email": f"p{number}@new.com"} for number in range(20)]
        rows.insert(7, {"email": "carol@new.com"})
        rows.append({"email": "p3@new.com"})
        answer = bulk(api, *rows)
        assert (answer["total"], answer["created"], answer["duplicates"], answer["errors"]) == (22, 20, 1, 1)
        assert answer["results"][7]["status"] == "error"
        assert answer["results"][21]["id"] == answer["results"][3]["id"]
        assert Lead.objects.count() == 20

    def test_another_workspaces_lead_is_no_duplicate(self, api, rival):
        make.lead(rival, "shared@b.com")
        assert fates(bulk(api, {"email": "shared@b.com"})) == [("shared@b.com", "created")]


class TestTheRequest:
    @pytest.mark.parametrize("body", [
        {}, {"leads": []}, {"leads": {}}, {"leads": "x"}, {"leads": None}, [], [SEED_ROW],
    ])  # fmt: skip
    def test_a_body_without_rows_is_a_400(self, api, body):
        assert api("POST", "/leads/bulk", body).status_code == 400

    def test_an_unknown_field_beside_leads_is_a_400(self, api):
        answer = api("POST", "/leads/bulk", {"leads": [SEED_ROW], "group": "x"})
        assert answer.status_code == 400 and "group" in answer.json()["error"]
        assert not Lead.objects.exists()

    def test_5001_rows_are_refused_whole(self, api):
        answer = api("POST", "/leads/bulk", {"leads": [{"email": f"p{n}@b.com"} for n in range(5001)]})
        assert answer.status_code == 400 and "5000" in answer.json()["error"]
        assert not Lead.objects.exists()

    def test_5000_rows_take_a_handful_of_statements(self, api, acme):
        make.lead(acme, "p17@b.com")
        with CaptureQueriesContext(connection) as statements:
            answer = bulk(api, *({"email": f"p{number}@b.com"} for number in range(5000)))
        assert (answer["created"], answer["duplicates"]) == (4999, 1)
        assert len(statements) <= 12, [query["sql"][:80] for query in statements]

    def test_a_repeated_request_with_its_key_answers_the_same_and_adds_nothing(self, api):
        first = bulk(api, SEED_ROW, idempotency_key="k1")
        assert bulk(api, SEED_ROW, idempotency_key="k1") == first
        assert Lead.objects.count() == StoredResponse.objects.count() == 1

    def test_it_needs_leads_write(self, acme):
        answer = Api(make.key(acme, scopes=["leads:read"]))("POST", "/leads/bulk", {"leads": [SEED_ROW]})
        assert (answer.status_code, answer.json()["error"]) == (403, "Missing required scope: leads:write")

    def test_bulk_and_upsert_are_one_importer(self, api):
        """What the one rejects, the other rejects with the same words."""
        row = {"email": "x", "lead_score": -1}
        upserted = api("POST", "/leads", [row, SEED_ROW]).json()["data"]["results"][0]
        assert bulk(api, row)["results"][0]["reason"] == upserted["reason"]
        assert LeadViewSet.scopes["create"] == "leads:write"


class TestEvents:
    def test_every_new_lead_is_told_once_and_a_known_one_is_not(self, api, acme):
        make.lead(acme, "known@b.com")
        Event.objects.all().delete()
        bulk(api, {"email": "known@b.com"}, {"email": "new@b.com", "source": "apollo"}, {"email": "no"})
        event = Event.objects.get()
        assert (event.kind, event.summary, event.data) == (
            "lead.created", "new@b.com was added", {"source": "apollo"},
        )  # fmt: skip
        assert event.lead_id == Lead.objects.get(email="new@b.com").pk

    def test_files_tell_too_and_a_dry_run_does_not(self, api, acme):
        csv = b"email\na@b.com\nb@b.com\n"
        for query, expected in (("?dry_run=true", 0), ("", 2)):
            batch = api.client.post(f"/api/v1/imports{query}", csv, content_type="text/csv").json()["data"]
            run_import(batch["id"], now=make.NOW)
            assert Event.objects.filter(kind="lead.created").count() == expected
