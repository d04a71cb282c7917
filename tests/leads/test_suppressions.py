"""Who must not be written to: added, found, exported, lifted with a reason; an erased address stays erased."""

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import Event
from leads.models import Lead, Suppression
from leads.services import delete_lead, is_suppressed, suppress
from tests import make
from tests.base import Api


def status_of(lead: Lead) -> str:
    lead.refresh_from_db()
    return lead.status


def no_more(acme, value: str, kind: str = "manual", reason: str = ""):
    return suppress(workspace=acme, value=value, kind=kind, reason=reason, now=make.NOW)


@pytest.fixture
def erased(acme) -> Suppression:
    """The opt-out of somebody whose lead was deleted, and whose address their server repeated."""
    lead = make.lead(acme, "ann@acme.example")
    row = no_more(acme, lead.email, "bounced", "550 5.1.1 <Ann@acme.example> unknown user")
    delete_lead(lead=lead)
    return row


class TestAdding:
    def test_an_address_in_any_spelling_is_refused_from_now_on(self, api, acme):
        lead = make.lead(acme, "ann@xn--mller-kva.example")

        shown = api.data("post", "/suppressions", {"value": " Ann@MÜLLER.example", "reason": "A customer."})

        assert (shown["value"], shown["kind"], shown["reason"]) == (lead.email, "manual", "A customer.")
        assert status_of(lead) == "blocked"

    def test_a_domain_covers_everybody_there(self, api, acme):
        there, elsewhere = make.lead(acme, "a@rival.example"), make.lead(acme, "a@other.example")
        api.data("post", "/suppressions", {"value": "@Rival.example"})
        assert (status_of(there), status_of(elsewhere)) == ("blocked", "held")

    def test_twice_is_once(self, api):
        first = api.data("post", "/suppressions", {"value": "a@b.example", "reason": "One"})
        assert api.data("post", "/suppressions", {"value": "A@b.example", "reason": "Two"}) == first

    @pytest.mark.parametrize("value", ["acme.example", "@", "a@", "@a b", "", "x@y@z.example"])
    def test_what_is_neither_is_a_400_that_names_it(self, api, value):
        answer = api("post", "/suppressions", {"value": value})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["value"])


class TestFinding:
    def test_by_kind_and_by_part_of_the_value(self, api, acme):
        no_more(acme, "ann@acme.example", "bounced")
        no_more(acme, "@acme.example")
        assert [row["value"] for row in api.data("get", "/suppressions?search=ACME")] == [
            "@acme.example", "ann@acme.example",
        ]  # fmt: skip
        assert [row["kind"] for row in api.data("get", "/suppressions?search=acme&kind=bounced")] == ["bounced"]

    def test_the_pages_by_cursor_hold_every_row_once(self, api, acme):
        for number in range(7):
            no_more(acme, f"p{number}@acme.example")
        seen, after = [], ""
        while after is not None:
            body = api("get", f"/suppressions?limit=3&after={after}" if after else "/suppressions?limit=3").json()
            seen += [row["value"] for row in body["data"]]
            after = body["meta"]["next_cursor"]
        assert seen == [f"p{number}@acme.example" for number in reversed(range(7))]

    def test_an_erased_address_is_shown_as_erased_and_found_by_who_knows_it(self, api, erased):
        assert api.data("get", "/suppressions?search=acme") == []
        [shown] = api.data("get", "/suppressions?search=Ann@acme.example")
        assert (shown["value"], shown["erased"], shown["kind"]) == (None, True, "bounced")

    def test_nothing_of_an_erased_address_is_left_in_the_reason(self, api, erased):
        shown = api.data("get", f"/suppressions/{erased.pk}")
        assert shown["reason"] == "550 5.1.1 <(erased)> unknown user"
        assert "ann@" not in json.dumps(list(Suppression.objects.values()), default=str).lower()


class TestBulk:
    def test_each_row_has_its_own_fate(self, api, acme):
        no_more(acme, "known@b.example")
        lead = make.lead(acme, "new@b.example")
        rows = [
            {"value": "New@b.example", "kind": "unsubscribed"}, {"value": "known@b.example"}, {"value": "no"},
            {"value": "@whole.example", "reason": "A rival"}, {"value": "@whole.example"}, 5, {"adress": "a@b.c"},
        ]  # fmt: skip

        answer = api.data("post", "/suppressions/bulk", {"suppressions": rows}, status=200)

        assert [row["status"] for row in answer["results"]] == [
            "created", "duplicate", "rejected", "created", "duplicate", "rejected", "rejected",
        ]  # fmt: skip
        assert [answer[name] for name in ("total", "created", "duplicates", "rejected")] == [7, 2, 2, 3]
        assert answer["results"][3]["id"] == answer["results"][4]["id"]
        assert "value" in answer["results"][2]["reason"] and "adress" in answer["results"][6]["reason"]
        assert status_of(lead) == "blocked"
        assert Event.objects.get(kind="lead.unsubscribed").lead_id == lead.pk

    def test_5000_rows_take_a_handful_of_statements_and_5001_are_refused(self, api, acme):
        lead = make.lead(acme, "p17@b17.example")
        rows = [{"value": f"p{number}@b{number}.example"} for number in range(5001)]
        with CaptureQueriesContext(connection) as statements:
            answer = api.data("post", "/suppressions/bulk", {"suppressions": rows[:5000]})
        assert (answer["created"], status_of(lead)) == (5000, "blocked")
        assert len(statements) <= 12, [query["sql"][:80] for query in statements]
        assert api("post", "/suppressions/bulk", {"suppressions": rows}).status_code == 400


class TestExport:
    def test_csv_is_defused_and_comes_back_by_import(self, api, acme):
        no_more(acme, "@acme.example", reason="=1+1")
        text = api("get", "/suppressions/export?as=csv").content.decode()
        [row] = csv.DictReader(io.StringIO(text))
        assert (row["value"], row["reason"]) == ("'@acme.example", "'=1+1")
        answer = api.data("post", "/suppressions/bulk", {"suppressions": [{"value": row["value"]}]})
        assert (answer["duplicates"], answer["results"][0]["value"]) == (1, "@acme.example")

    def test_json_has_the_fields_of_the_list(self, api, erased):
        assert api.data("get", "/suppressions/export") == api.data("get", "/suppressions")


class TestLifting:
    def test_needs_a_reason_and_records_it(self, api, acme):
        lead = make.lead(acme, "ann@acme.example")
        row = no_more(acme, lead.email, "unsubscribed")
        assert api("delete", f"/suppressions/{row.pk}").status_code == 400
        assert api("delete", f"/suppressions/{row.pk}?reason=").status_code == 400

        assert api("delete", f"/suppressions/{row.pk}?reason=She+asked+back+in.").status_code == 204

        event = Event.objects.get(kind="suppression.removed")
        assert event.summary == "ann@acme.example may be written to again: She asked back in."
        assert (event.data["suppressed_as"], event.data["reason"]) == ("unsubscribed", "She asked back in.")
        assert (status_of(lead), is_suppressed(acme, lead.email)) == ("held", None)

    def test_another_suppression_keeps_the_lead_blocked(self, api, acme):
        lead = make.lead(acme, "ann@acme.example")
        domain, _ = no_more(acme, "@acme.example"), no_more(acme, lead.email, "complained")
        other = make.lead(acme, "bo@acme.example")

        assert api("delete", f"/suppressions/{domain.pk}?reason=Mended").status_code == 204

        assert (status_of(lead), status_of(other)) == ("blocked", "held")

    def test_of_an_erased_address_frees_who_came_back_and_names_nobody(self, api, acme, erased):
        back, other = make.lead(acme, "ann@acme.example"), make.lead(acme, "bo@acme.example")
        no_more(acme, other.email)

        assert api("delete", f"/suppressions/{erased.pk}?reason=Mended").status_code == 204

        assert (status_of(back), status_of(other)) == ("held", "blocked")
        assert Event.objects.get(kind="suppression.removed").summary.startswith("An erased address may be")

    def test_with_the_right_to_read_only_nothing_is_changed(self, acme, erased):
        reader = Api(make.key(acme, scopes=["suppressions:read"]))
        assert reader("get", "/suppressions").status_code == 200
        assert reader("delete", f"/suppressions/{erased.pk}?reason=x").status_code == 403
        assert reader("post", "/suppressions", {"value": "a@b.example"}).status_code == 403
