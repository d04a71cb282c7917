"""Connecting a mailbox at a vendor: over REST, with its rules confirmed and its key never seen again."""

import json
import logging

import pytest
from django.db import connection

from apikeys.models import IngestConnection
from sending.models import Mailbox
from tests import make
from tests.base import Api
from tests.vendors.resend import KEY, SECRET, SENDING_KEY

CANARY = SENDING_KEY


@pytest.fixture
def live_api(live):
    return Api(make.key(live, name="Ops key"))


def asked_for(**changes) -> dict:
    return {
        "email": "Hi@You.example", "provider": "resend", "api_key": KEY, "confirm_policy": True, **changes,
    }  # fmt: skip


def refused(api: Api, method: str, path: str, body: dict) -> dict:
    answer = api(method, path, body)
    assert answer.status_code == 400, answer.content
    return answer.json()


def test_resend_sends_once_its_policy_is_confirmed(live_api, vendor):
    row = live_api.data("post", "/mailboxes", asked_for(webhook_secret=SECRET), status=201)
    assert (row["source_platform"], row["policy_confirmed_by"]) == ("resend", "Ops key")
    assert (
        row["policy_confirmed_at"] and row["events_path"] == f"/api/ingest/resend/{IngestConnection.objects.get().pk}"
    )
    box = Mailbox.objects.get()
    assert (box.provider, box.password, box.events_at.secret) == ("resend", KEY, SECRET)
    assert live_api.data("get", "/senders")[0]["provider"] == "resend"


@pytest.mark.parametrize("word", [False, None])
def test_until_then_it_is_400_with_the_policy_and_nobody_is_asked(live_api, vendor, word):
    given = {name: value for name, value in asked_for(confirm_policy=word).items() if value is not None}
    answer = refused(live_api, "post", "/mailboxes", given)
    assert "forbids unsolicited bulk mail" in json.dumps(answer)
    assert vendor.requests == [] and not Mailbox.objects.exists()


def test_a_domain_that_is_not_verified_may_not_send(live_api, vendor):
    answer = refused(live_api, "post", "/mailboxes", asked_for(email="hi@new.example"))
    assert "new.example is not verified there. Verified: you.example." in json.dumps(answer)
    assert not Mailbox.objects.exists() and not IngestConnection.objects.exists()


def test_a_wrong_key_is_not_stored(live_api, vendor):
    refused(live_api, "post", "/mailboxes", asked_for(api_key="re_wrong"))
    assert not Mailbox.objects.exists()


def test_mailboxes_of_one_account_share_the_address_of_its_events(live_api, vendor):
    rows = [live_api.data("post", "/mailboxes", asked_for(email=f"{name}@you.example"), status=201) for name in "ab"]
    assert rows[0]["events_path"] == rows[1]["events_path"]


@pytest.mark.parametrize("field", ["smtp_host", "password", "preset"])
def test_what_is_of_smtp_is_refused_by_name(live_api, vendor, field):
    value = {"smtp_host": "smtp.you.example", "password": "x", "preset": "google"}[field]
    answer = refused(live_api, "post", "/mailboxes", asked_for(**{field: value}))
    assert field in json.dumps(answer)


@pytest.mark.parametrize("field", ["api_key", "webhook_secret", "confirm_policy"])
def test_and_what_is_of_a_vendor_without_one(live_api, vendor, field):
    given = {"email": "a@you.example", "smtp_host": "smtp.you.example", field: asked_for(webhook_secret=SECRET)[field]}
    assert field in json.dumps(refused(live_api, "post", "/mailboxes", given))


def test_its_key_is_changed_once_the_new_one_works(live_api, vendor):
    row = live_api.data("post", "/mailboxes", asked_for(), status=201)
    refused(live_api, "patch", f"/mailboxes/{row['id']}", {"api_key": "re_wrong"})
    live_api.data("patch", f"/mailboxes/{row['id']}", {"api_key": SENDING_KEY, "webhook_secret": SECRET})
    box = Mailbox.objects.get()
    assert (box.password, box.events_at.secret) == (SENDING_KEY, SECRET)


def test_a_test_workspace_calls_no_vendor(api, acme, vendor):
    row = api.data("post", "/mailboxes", {"email": "hi@you.example", "provider": "resend", "api_key": KEY}, status=201)
    assert row["source_platform"] == "sequencer" and vendor.requests == []
    assert Mailbox.objects.get(workspace=acme).provider == "sandbox"


def test_the_key_is_seen_nowhere(live_api, vendor, caplog):
    caplog.set_level(logging.DEBUG)
    row = live_api.data("post", "/mailboxes", asked_for(api_key=CANARY, webhook_secret=SECRET), status=201)
    path = f"/mailboxes/{row['id']}"
    answers = [live_api.data("get", path), live_api.data("get", "/mailboxes"), live_api.data("get", "/senders")]
    answers += [live_api.data("post", f"{path}/test", {})]
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM sending_mailbox")
        kept = cursor.fetchall()
        cursor.execute("SELECT secret FROM apikeys_ingestconnection")
        kept += cursor.fetchall()
    seen = json.dumps(answers) + str(kept) + caplog.text + repr(Mailbox.objects.get())
    assert CANARY not in seen and SECRET not in seen
