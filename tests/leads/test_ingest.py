"""What others post to us: verified on the raw bytes, answered at once, worked off once."""

import hashlib
import hmac
import itertools
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from standardwebhooks.webhooks import Webhook

from apikeys.billing import read_billing
from apikeys.inbound import (
    MAX_BODY_BYTES,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    billing_connection,
    by_secret_or_signature,
    by_standard_webhook,
    create_connection,
    forget_old_messages,
)
from apikeys.models import Event, IngestConnection, IngestedMessage, Workspace
from apikeys.webhook_signing import TOLERANCE_SECONDS
from leads.clay import lead_of, read_clay
from leads.models import Lead
from outbound.clock import real_now
from tests import make

ROW = {"E-mail": "Jo@Acme.example", "firstName": "Jo", "company": "Acme", "Job Title": "CTO", "Lead Score": 80}


@pytest.fixture
def clay(acme) -> IngestConnection:
    return create_connection(workspace=acme, source="clay", now=make.NOW)


@pytest.fixture
def billing(db) -> IngestConnection:
    return billing_connection()[0]


def post(connection, body, *, source: str = "", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    path = f"/api/ingest/{source or connection.source}/{connection.pk}"
    return Client(enforce_csrf_checks=True).post(path, raw, content_type="application/json", **named)


def post_row(connection, row=ROW):
    return post(connection, row, x_outbound_secret=connection.secret)


def hex_of(connection, body: bytes) -> str:
    return hmac.new(connection.secret.encode(), body, hashlib.sha256).hexdigest()


def signed(connection, body: bytes, *, message_id: str = "msg_1", at=None) -> dict[str, str]:
    at = at or real_now()
    return {
        "webhook_id": message_id,
        "webhook_timestamp": str(int(at.timestamp())),
        "webhook_signature": Webhook(connection.secret).sign(message_id, at, body.decode()),
    }


def flipped(text: str, bits=(0,)):
    """Every text that differs from `text` in one bit of one byte and can stand in a header."""
    for index, letter in enumerate(text):
        for bit in bits:
            other = chr(ord(letter) ^ (1 << bit))
            if other.isprintable() and not (other == " " and index in (0, len(text) - 1)):
                yield text[:index] + other + text[index + 1 :]


class TestClay:
    def test_a_row_becomes_a_lead(self, clay, acme):
        answer = post_row(clay)
        assert (answer.status_code, answer.json()) == (202, {"success": True, "data": {"accepted": True}})
        assert Lead.objects.count() == 0
        assert read_clay() == 1
        lead = Lead.objects.get()
        assert (lead.workspace, lead.email) == (acme, "jo@acme.example")
        assert (lead.first_name, lead.company_name) == ("Jo", "Acme")
        assert (lead.title, lead.persona, lead.lead_score, lead.source) == ("CTO", "CTO", 80, "clay")

    @pytest.mark.parametrize("name", ["email", "Email", "EMAIL", "E-mail", "e-Mail", "work email", "Work Email"])
    def test_names_of_the_address(self, name):
        assert lead_of({name: "jo@acme.example"})[0]["email"] == "jo@acme.example"

    @pytest.mark.parametrize("name", ["persona", "Persona", "job title", "Job Title", "jobTitle", "title", "role"])
    def test_names_of_the_persona(self, name):
        assert lead_of({"email": "jo@acme.example", name: "CTO"})[0]["persona"] == "CTO"

    def test_a_persona_of_its_own_wins_over_the_title(self):
        lead = lead_of({"email": "jo@acme.example", "title": "CTO", "persona": "technical"})[0]
        assert (lead["persona"], lead["title"]) == ("technical", "CTO")

    @pytest.mark.parametrize("name", ["lead score", "Lead Score", "leadScore", "score", "SCORE"])
    @pytest.mark.parametrize("value", [70, "70", 70.0])
    def test_names_of_the_score(self, name, value):
        assert lead_of({"email": "jo@acme.example", name: value})[0]["lead_score"] == 70

    @pytest.mark.parametrize("name", ["campaignId", "campaign_id", "Campaign ID"])
    def test_the_campaign_is_kept_with_the_message(self, clay, name):
        post_row(clay, {**ROW, name: "camp-1"})
        read_clay()
        lead = Lead.objects.get()
        assert IngestedMessage.objects.get().outcome["campaigns"] == {"camp-1": [str(lead.id)]}
        assert lead.custom == {}

    def test_other_columns_become_custom_facts(self):
        lead = lead_of({"email": "jo@acme.example", "Team size": 40, "Tags": ["a"], "Empty": None, "Remote": True})[0]
        assert lead["custom"] == {"team_size": "40", "tags": '["a"]', "remote": "true"}

    def test_a_known_lead_is_updated_and_nothing_is_wiped(self, clay, acme):
        make.lead(acme, "jo@acme.example", first_name="Joanna", city="Berlin")
        post_row(clay, {"email": "jo@acme.example", "firstName": "", "company": "Acme"})
        read_clay()
        lead = Lead.objects.get()
        assert (lead.first_name, lead.city, lead.company_name) == ("Joanna", "Berlin", "Acme")

    def test_a_list_is_taken_and_a_wrong_row_harms_no_other(self, clay, api):
        post_row(clay, [ROW, {"email": "nonsense"}, {"firstName": "Ann"}])
        read_clay()
        assert Lead.objects.count() == 1
        [message] = api.data("get", f"/ingest-connections/{clay.pk}/messages")
        assert message["state"] == "done"
        assert (message["outcome"]["created"], message["outcome"]["rejected"]) == (1, 2)
        assert [problem["email"] for problem in message["outcome"]["problems"]] == ["nonsense", None]

    def test_who_is_new_stands_in_the_log(self, clay):
        post_row(clay)
        read_clay()
        event = Event.objects.get(kind="lead.created")
        assert event.lead_id == Lead.objects.get().id

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'"x"', b"[1]", b"\xff", b'{"a": NaN}', b"[" * 10_000])
    def test_what_is_no_row_fails_with_a_reason_and_does_not_stop_the_next(self, clay, body):
        assert post(clay, body, x_outbound_secret=clay.secret).status_code == 202
        post_row(clay)
        assert read_clay() == 2
        failed, done = IngestedMessage.objects.order_by("id")
        assert (failed.state, done.state) == ("failed", "done")
        assert failed.outcome["reason"]
        assert read_clay() == 0


class TestTwice:
    def test_the_same_body_acts_once(self, clay):
        for _ in range(3):
            assert post_row(clay).status_code == 202
        assert read_clay() == 1
        Lead.objects.update(first_name="Changed")
        post_row(clay)
        assert read_clay() == 0
        assert Lead.objects.get().first_name == "Changed"
        assert Event.objects.filter(kind="lead.created").count() == 1

    def test_the_same_body_at_another_address_is_another_message(self, clay, rival):
        other = create_connection(workspace=rival, source="clay", now=make.NOW)
        post_row(clay)
        post_row(other)
        assert read_clay() == 2
        assert {lead.workspace for lead in Lead.objects.all()} == {clay.workspace, rival}

    def test_what_a_dead_worker_held_is_worked_off_when_its_lease_is_over(self, clay):
        post_row(clay)
        IngestedMessage.objects.update(state="working", lease_until=real_now().replace(year=2999))
        assert read_clay() == 0
        IngestedMessage.objects.update(lease_until=make.NOW)
        assert read_clay() == 1
        assert Lead.objects.count() == 1

    def test_the_body_is_gone_once_it_is_worked_off_and_the_message_after_30_days(self, clay):
        post_row(clay)
        read_clay()
        message = IngestedMessage.objects.get()
        assert message.body is None
        assert forget_old_messages(now=make.NOW.replace(year=make.NOW.year + 1)) == 1


class TestClaysProof:
    BODY = json.dumps(ROW).encode()

    @pytest.mark.parametrize("prefix", ["", "sha256="])
    def test_a_signature_of_the_raw_body_is_good(self, clay, prefix):
        assert post(clay, self.BODY, x_outbound_signature=prefix + hex_of(clay, self.BODY)).status_code == 202

    @pytest.mark.parametrize("prefix", ["", "sha256="])
    def test_every_flipped_byte_of_the_signature_is_401(self, clay, prefix):
        good = prefix + hex_of(clay, self.BODY)
        answers = {post(clay, self.BODY, x_outbound_signature=bad).status_code for bad in flipped(good)}
        assert answers == {401}

    def test_every_flipped_byte_of_the_body_is_401(self, clay):
        good = hex_of(clay, self.BODY)
        for index in range(len(self.BODY)):
            body = bytearray(self.BODY)
            body[index] ^= 1
            assert post(clay, bytes(body), x_outbound_signature=good).status_code == 401

    def test_every_flipped_byte_of_the_secret_is_401(self, clay):
        assert {post(clay, ROW, x_outbound_secret=bad).status_code for bad in flipped(clay.secret)} == {401}

    def test_a_wrong_signature_is_not_saved_by_the_right_secret(self, clay):
        answer = post(clay, ROW, x_outbound_secret=clay.secret, x_outbound_signature="0" * 64)
        assert answer.status_code == 401

    def test_every_refusal_is_the_same(self, clay, rival):
        other = create_connection(workspace=rival, source="clay", now=make.NOW)
        answers = [
            post(clay, ROW),
            post(clay, ROW, x_outbound_secret=""),
            post(clay, ROW, x_outbound_secret=other.secret),
            post(clay, ROW, x_outbound_secret="é" * 40),
            post(clay, ROW, source="billing", x_outbound_secret=clay.secret),
            post(IngestConnection(source="clay"), ROW, x_outbound_secret=clay.secret),
        ]
        assert {answer.status_code for answer in answers} == {401}
        assert len({(answer.json()["code"], answer.json()["error"]) for answer in answers}) == 1
        assert IngestedMessage.objects.count() == 0


class TestEveryBit:
    """As above, on the checks themselves: fast enough for all eight bits of every byte."""

    BODY = b'{"type": "x"}'

    @pytest.mark.parametrize("prefix", ["", "sha256="])
    def test_of_a_hexadecimal_signature(self, clay, prefix):
        good = prefix + hex_of(clay, self.BODY)
        assert by_secret_or_signature(clay, {SIGNATURE_HEADER: good}, self.BODY)
        for bad in flipped(good, range(8)):
            assert by_secret_or_signature(clay, {SIGNATURE_HEADER: bad}, self.BODY) is None, bad

    def test_of_a_secret(self, clay):
        for bad in flipped(clay.secret, range(8)):
            assert by_secret_or_signature(clay, {SECRET_HEADER: bad}, self.BODY) is None, bad

    def test_of_signature_id_and_timestamp(self, billing):
        good = {name.replace("_", "-"): value for name, value in signed(billing, self.BODY).items()}
        assert by_standard_webhook(billing, good, self.BODY)
        for name, value in good.items():
            for bad in flipped(value, range(8)):
                assert by_standard_webhook(billing, {**good, name: bad}, self.BODY) is None, (name, bad)

    def test_of_the_body(self, billing):
        good = {name.replace("_", "-"): value for name, value in signed(billing, self.BODY).items()}
        for index, bit in itertools.product(range(len(self.BODY)), range(8)):
            other = bytearray(self.BODY)
            other[index] ^= 1 << bit
            assert by_standard_webhook(billing, good, bytes(other)) is None


class TestTheFrame:
    def test_more_than_1_mb_is_413_and_read_no_further(self, clay):
        body = b'"' + b"x" * MAX_BODY_BYTES + b'"'
        assert post(clay, body, x_outbound_secret=clay.secret).status_code == 413

    def test_exactly_1_mb_is_taken(self, clay):
        body = b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"'
        assert post(clay, body, x_outbound_secret=clay.secret).status_code == 202

    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
    def test_only_post(self, clay, method):
        assert getattr(Client(), method)(f"/api/ingest/clay/{clay.pk}").status_code == 405

    @pytest.mark.parametrize("path", ["clay/nonsense", "clay/%00", "billing/1", "clay/" + "x" * 3000])
    def test_a_strange_id_is_401(self, db, path):
        assert Client().post(f"/api/ingest/{path}", "{}", content_type="application/json").status_code == 401

    def test_an_unknown_source_is_404(self, clay):
        assert post(clay, ROW, source="fax", x_outbound_secret=clay.secret).status_code == 404


class TestConnections:
    def test_one_is_made_listed_used_and_closed(self, api, acme):
        made = api.data("post", "/ingest-connections", {"source": "clay", "name": "Table 1"}, status=201)
        assert made["path"] == f"/api/ingest/clay/{made['id']}"
        headers = {"HTTP_X_OUTBOUND_SECRET": made["secret"]}
        sent = Client().post(made["path"], json.dumps(ROW), content_type="application/json", **headers)
        assert sent.status_code == 202
        [shown] = api.data("get", "/ingest-connections")
        assert "secret" not in shown
        assert shown["last_received_at"]
        api.data("delete", f"/ingest-connections/{made['id']}", status=204)
        again = Client().post(made["path"], json.dumps(ROW), content_type="application/json", **headers)
        assert again.status_code == 401

    def test_nobody_makes_a_billing_address_through_the_api(self, api):
        assert api("post", "/ingest-connections", {"source": "billing"}).status_code == 400

    def test_rival_sees_and_closes_nothing(self, clay, rival_api):
        assert rival_api.data("get", "/ingest-connections") == []
        assert rival_api("delete", f"/ingest-connections/{clay.pk}").status_code == 404
        assert rival_api("get", f"/ingest-connections/{clay.pk}/messages").status_code == 404


class TestBilling:
    def body(self, tenant, **facts) -> bytes:
        return json.dumps({"type": "subscription.updated", "data": {"workspace": str(tenant.pk)} | facts}).encode()

    def test_it_sets_tier_and_status(self, billing, acme, rival):
        body = self.body(acme, tier="growth", status="past_due")
        assert post(billing, body, **signed(billing, body)).status_code == 202
        assert read_billing() == 1
        acme.refresh_from_db()
        assert (acme.tier, acme.status) == ("growth", "past_due")
        rival.refresh_from_db()
        assert rival.tier == "self_hosted"

    def test_a_slug_will_do_and_what_is_not_given_stays(self, billing, acme):
        body = json.dumps({"data": {"workspace": acme.slug, "status": "canceled"}}).encode()
        post(billing, body, **signed(billing, body))
        read_billing()
        acme.refresh_from_db()
        assert (acme.tier, acme.status) == ("self_hosted", "canceled")

    @pytest.mark.parametrize(
        "facts",
        [{}, {"tier": "Growth!"}, {"tier": 5}, {"tier": "x" * 21}, {"tier": ""}, {"tier": "x", "workspace": "nobody"}],
    )
    def test_what_makes_no_sense_changes_nothing(self, billing, acme, facts):
        body = self.body(acme, **facts) if facts else b'{"type": "x"}'
        post(billing, body, **signed(billing, body))
        read_billing()
        assert IngestedMessage.objects.get().state == "failed"
        assert Workspace.objects.get(pk=acme.pk).tier == "self_hosted"

    def test_a_replay_has_no_second_effect_even_with_another_timestamp(self, billing, acme):
        body = self.body(acme, tier="growth")
        assert post(billing, body, **signed(billing, body)).status_code == 202
        read_billing()
        Workspace.objects.update(tier="scale")
        later = real_now().replace(microsecond=0)
        assert post(billing, body, **signed(billing, body, at=later)).status_code == 202
        assert read_billing() == 0
        assert Workspace.objects.get(pk=acme.pk).tier == "scale"

    def test_every_flipped_byte_of_signature_id_and_timestamp_is_401(self, billing, acme):
        body = self.body(acme, tier="growth")
        good = signed(billing, body)
        for name, value in good.items():
            for bad in flipped(value):
                assert post(billing, body, **{**good, name: bad}).status_code == 401, (name, bad)
        assert IngestedMessage.objects.count() == 0

    def test_every_flipped_byte_of_the_body_is_401(self, billing, acme):
        body = self.body(acme, tier="growth")
        good = signed(billing, body)
        for index in range(len(body)):
            other = bytearray(body)
            other[index] ^= 1
            assert post(billing, bytes(other), **good).status_code == 401

    @pytest.mark.parametrize(
        ("seconds", "status"), [(-TOLERANCE_SECONDS - 5, 401), (TOLERANCE_SECONDS + 5, 401), (-200, 202)]
    )
    def test_it_may_be_300_seconds_old(self, billing, acme, seconds, status):
        body = self.body(acme, tier="growth")
        at = real_now() + timedelta(seconds=seconds)
        assert post(billing, body, **signed(billing, body, at=at)).status_code == status

    @pytest.mark.parametrize("missing", ["webhook_id", "webhook_timestamp", "webhook_signature"])
    def test_a_missing_header_is_401(self, billing, acme, missing):
        body = self.body(acme, tier="growth")
        headers = {name: value for name, value in signed(billing, body).items() if name != missing}
        assert post(billing, body, **headers).status_code == 401

    def test_one_right_signature_among_others_is_enough(self, billing, acme):
        body = self.body(acme, tier="growth")
        good = signed(billing, body)
        good["webhook_signature"] = "v1a,x " + good["webhook_signature"] + " v1,AAAA"
        assert post(billing, body, **good).status_code == 202

    def test_the_secret_header_is_not_enough(self, billing, acme):
        body = self.body(acme, tier="growth")
        assert post(billing, body, x_outbound_secret=billing.secret).status_code == 401

    def test_the_command_shows_the_address_and_keeps_the_secret(self, db, capsys):
        call_command("connect_billing")
        call_command("connect_billing")
        connection = IngestConnection.objects.get()
        assert capsys.readouterr().out == f"/api/ingest/billing/{connection.pk}\n{connection.secret}\n" * 2
