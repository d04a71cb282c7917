"""Opens and clicks from the switch to the report, over HTTP and SMTP; and nothing of it while the switches are off."""

import json
import re
from datetime import timedelta
from email import message_from_bytes
from urllib.parse import urlsplit

import pytest
import requests
from django.db.models import F

from apikeys import webhooks
from apikeys.webhook_delivery import deliver_due
from campaigns.runner import tick
from sending.hits import judge_hits
from sending.letters import _letter
from sending.mime import letter_bytes
from sending.models import Hit, Message
from sending.postoffice import dispatch
from tests import make
from tests.base import Api
from tests.pure.test_scanners import CHROME
from tests.servers.receiver import LOOPBACK, Receiver
from tests.servers.smtp import CountingSmtp

STEP = make.step(body='<p>Hi {{first_name}}, <a href="https://offer.example/?for={{first_name}}">look</a></p>')
OFF = dict.fromkeys(["mails_opened", "mails_clicked", "mails_opened_by_machines", "mails_clicked_by_machines"], None)


@pytest.fixture
def live(db, settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK
    return make.workspace("Live", livemode=True, public_url="https://outbound.example")


def draft(api, workspace, **switches) -> str:
    body = {"name": "April", "steps": [STEP], "lead_ids": [str(make.lead(workspace).pk)], "schedule": make.ALL_HOURS}
    return api.data("post", "/campaigns", {**body, **switches}, status=201)["id"]


def html_of(raw: bytes) -> str:
    part = next(part for part in message_from_bytes(raw).walk() if part.get_content_type() == "text/html")
    return part.get_payload(decode=True).decode()


@pytest.mark.django_db(transaction=True)
def test_from_the_switch_to_the_report(live, live_server):
    api = Api(make.key(live))
    api.data("patch", "/account", {"tracking_url": "https://go.you.example"})
    with CountingSmtp() as smtp, Receiver() as hooks:
        make.mailbox(live, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none")
        webhooks.create_endpoint(workspace=live, url=hooks.url, kinds=["email.opened", "email.clicked"], now=make.NOW)
        campaign = draft(api, live, track_opens=True, track_clicks=True)
        api.data("post", f"/campaigns/{campaign}/launch")
        tick()
        dispatch()
        html = html_of(smtp.messages[0].raw)
        Message.objects.update(settled_at=F("settled_at") - timedelta(hours=1))  # it lies in the inbox for an hour

        image = re.search(r'src="(https://go\.you\.example/o/[^"]+\.gif)"', html)[1]
        link = re.search(r'href="(https://go\.you\.example/c/[^"]+)"', html)[1]
        assert 'href="https://outbound.example/u/' in html
        person = {"User-Agent": CHROME}
        seen = requests.get(live_server.url + urlsplit(image).path, headers=person, timeout=30)
        gone_on = requests.get(live_server.url + urlsplit(link).path, headers=person, timeout=30, allow_redirects=False)
        requests.head(live_server.url + urlsplit(link).path, headers=person, timeout=30)
        assert (seen.status_code, seen.headers["Content-Type"]) == (200, "image/gif")
        assert gone_on.headers["Location"] == "https://offer.example/?for=Jo"
        assert not seen.cookies and not gone_on.cookies

        Hit.objects.update(first_at=F("first_at") - timedelta(minutes=1))
        judge_hits()
        deliver_due()
        told = [json.loads(got.body) for got in hooks.got]

    report = api.data("get", f"/campaigns/{campaign}/report")
    assert {name: report[name] for name in OFF} == {
        "mails_opened": 1, "mails_clicked": 1, "mails_opened_by_machines": 0, "mails_clicked_by_machines": 1,
    }  # fmt: skip
    assert sorted(each["type"] for each in told) == ["email.clicked", "email.opened"]
    assert {each["data"]["campaign_id"] for each in told} == {campaign}
    lead = api.data("get", "/leads")[0]
    assert (lead["emails_opened"], lead["emails_clicked"]) == (1, 1)
    domain = api.data("get", "/domains")[0]
    assert (domain["total_opens"], domain["total_clicks"]) == (1, 1)


class TestOff:
    def test_a_mail_holds_what_it_held_without_any_of_this(self, api, acme):
        make.mailbox(acme)
        campaign = draft(api, acme)
        api.data("post", f"/campaigns/{campaign}/launch")
        tick()
        dispatch()
        message = Message.objects.select_related("body", "lane", "mailbox", "thread", "workspace").get()

        assert bytes(message.body.raw) == letter_bytes(_letter(message, message.body.html))
        assert 'href="https://offer.example/?for=Jo"' in message.body.html
        assert "/o/" not in message.body.html and "/c/" not in message.body.html
        assert message.body.links == []

    def test_it_is_off_unless_it_is_asked_for(self, api, acme):
        shown = api.data("get", f"/campaigns/{draft(api, acme)}")
        assert (shown["track_opens"], shown["track_clicks"]) == (False, False)

    def test_the_report_says_nothing_rather_than_nought(self, api, acme):
        report = api.data("get", f"/campaigns/{draft(api, acme)}/report")
        assert {name: report[name] for name in OFF} == OFF

    def test_mail_by_hand_is_never_tracked(self, api, acme):
        thread = make.thread(make.mailbox(acme), make.lead(acme))
        make.reply(thread)
        text = 'See <a href="https://offer.example">this</a>'
        api.data("post", "/replies", {"thread_id": str(thread.pk), "body_html": text})
        dispatch()
        raw = bytes(Message.objects.select_related("body").get(direction="out").body.raw)
        assert b"https://offer.example" in raw and b"/o/" not in raw


class TestOn:
    def test_each_is_switched_by_itself_and_only_while_nothing_leaves(self, api, acme):
        make.mailbox(acme)
        campaign = draft(api, acme, track_opens=True)
        shown = api.data("patch", f"/campaigns/{campaign}", {"track_clicks": True, "track_opens": False})
        assert (shown["track_opens"], shown["track_clicks"]) == (False, True)
        api.data("post", f"/campaigns/{campaign}/launch")
        assert api("patch", f"/campaigns/{campaign}", {"track_opens": True}).status_code == 400
        report = api.data("get", f"/campaigns/{campaign}/report")
        assert (report["mails_clicked"], report["mails_opened"]) == (0, None)

    def test_a_run_can_be_tracked(self, api, acme):
        make.mailbox(acme)
        make.lead(acme)
        sequence = make.sequence(acme)
        api.data(
            "post", "/runs", {"sequence_id": str(sequence.pk), "track_opens": True, "schedule": make.ALL_HOURS},
            status=201,
        )  # fmt: skip
        tick()
        dispatch()
        assert b"/o/" in bytes(Message.objects.select_related("body").get().body.raw)

    def test_a_live_launch_wants_https(self, live):
        live.public_url = "http://outbound.example"
        live.save(update_fields=["public_url"])
        api = Api(make.key(live))
        make.mailbox(live)
        campaign = draft(api, live, track_opens=True)
        answer = api("post", f"/campaigns/{campaign}/launch")
        assert answer.status_code == 400 and "tracking_url" in answer.json()["error"]
        api.data("patch", "/account", {"tracking_url": "https://go.you.example/"})
        api.data("post", f"/campaigns/{campaign}/launch")


class TestTheDomain:
    @pytest.mark.parametrize(
        "address",
        [
            "http://go.you.example", "https://me@go.you.example", "https://go.you.example/?a=1", "https://x.test/#y",
            "javascript:alert(1)", "go.you.example", "https://" + "a" * 250 + ".example", "https://go.you.example/a b",
        ],
    )  # fmt: skip
    def test_it_is_looked_at_before_it_is_kept(self, live, address):
        answer = Api(make.key(live))("patch", "/account", {"tracking_url": address})
        assert answer.status_code == 400 and "tracking_url" in answer.json()["details"]

    def test_it_must_lead_to_a_server_that_answers_to_it(self, live, settings):
        settings.ALLOWED_HOSTS = ["outbound.example", "testserver"]
        api = Api(make.key(live))
        answer = api("patch", "/account", {"tracking_url": "https://go.you.example"})
        assert "ALLOWED_HOSTS" in answer.json()["details"]["tracking_url"][0]
        settings.ALLOWED_HOSTS = [".you.example", "testserver"]
        shown = api.data("patch", "/account", {"tracking_url": "https://go.you.example/"})
        assert shown["tracking_url"] == "https://go.you.example"

    def test_blank_is_the_public_url_again(self, live):
        api = Api(make.key(live))
        api.data("patch", "/account", {"tracking_url": "https://go.you.example"})
        assert api.data("patch", "/account", {"tracking_url": ""})["tracking_url"] is None
