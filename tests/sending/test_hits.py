"""The image and the links of a tracked mail: where they lead, who is counted, and what is never believed."""

import re
import threading
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from apikeys.models import Event
from apikeys.services import now_for, turn_clock
from campaigns.runner import tick
from outbound.ids import uuid7
from sending import reconcile
from sending.hits import judge_hits
from sending.letters import parcel_for
from sending.models import Hit, Lane, Mailbox, Message
from sending.postoffice import dispatch
from sending.tracking import click_token, open_token, unsubscribe_token
from tests import make
from tests.pure.test_scanners import CHROME, GMAIL
from tests.servers.scripted_smtp import Drop, ScriptedSmtp

BODY = (
    '<p>Hi, see <a href="https://one.example/?a=1&amp;b=2">one</a>, <a href="https://two.example/">two</a>, '
    '<a href="https://three.example/">three</a> or <a href="mailto:jo@you.example">write</a></p>'
)
LINKS = ["https://one.example/?a=1&b=2", "https://two.example/", "https://three.example/"]


@pytest.fixture
def sent(acme):
    """sent(): the mail of a tracked run, delivered an hour ago by its workspace's clock."""

    def send(*, opens=True, clicks=True, hours=1) -> Message:
        make.lead(acme)
        make.run(acme, steps=[make.step(body=BODY)], track_opens=opens, track_clicks=clicks)
        tick()
        dispatch()
        message = Message.objects.select_related("body").get(direction="out")
        assert message.state == "sent"
        passes(message, hours=hours)
        return message

    return send


def passes(message: Message, **duration) -> None:
    turn_clock(workspace=message.workspace, by=timedelta(**duration))
    message.workspace.refresh_from_db()


def ask(path: str, *, agent: str = CHROME, method: str = "get", **headers):
    return getattr(Client(), method)(path, headers={"User-Agent": agent, **headers})


def opened(message: Message, **how):
    return ask(f"/o/{open_token(message.pk)}.gif", **how)


def clicked(message: Message, link: int = 0, **how):
    return ask(f"/c/{click_token(message.pk, link)}", **how)


def judged(message: Message) -> list[tuple]:
    passes(message, seconds=30)
    judge_hits()
    return sorted(Hit.objects.values_list("kind", "link", "machine", "count"))


def told() -> list[str]:
    return list(
        Event.objects.filter(kind__startswith="email.").exclude(kind="email.sent").values_list("kind", flat=True)
    )


class TestTheMail:
    def test_it_holds_the_image_and_its_links_and_still_the_way_out(self, sent):
        message = sent()
        html = bytes(message.body.raw).decode().replace("=\r\n", "").replace("=3D", "=")

        assert message.body.links == LINKS
        hrefs = re.findall(r'href="([^"]*)"', html)
        assert [href for href in hrefs if "/c/" in href] == [
            f"http://localhost:8000/c/{click_token(message.pk, link)}" for link in range(3)
        ]
        assert f"http://localhost:8000/u/{unsubscribe_token(message.pk)}" in hrefs
        assert "mailto:jo@you.example" in hrefs
        assert f'src="http://localhost:8000/o/{open_token(message.pk)}.gif"' in html
        assert "/c/" not in html.partition("text/html")[0], "the text part stays as it was written"

    def test_what_was_composed_is_kept_as_it_was(self, sent):
        assert LINKS[1] in sent().body.html

    @pytest.mark.parametrize(("opens", "clicks"), [(True, False), (False, True)])
    def test_each_switch_does_its_own(self, sent, opens, clicks):
        raw = bytes(sent(opens=opens, clicks=clicks).body.raw)
        assert (b"/o/" in raw, b"/c/" in raw) == (opens, clicks)

    def test_a_domain_of_ones_own_is_used(self, acme, sent):
        acme.tracking_url = "https://go.you.example"
        acme.save(update_fields=["tracking_url"])
        assert b"https://go.you.example/o/" in bytes(sent().body.raw)

    def test_a_live_mail_is_not_tracked_over_plain_http(self, db):
        live = make.workspace("Live", livemode=True, public_url="http://you.example")
        make.lead(live)
        make.mailbox(live)
        make.run(live)
        Lane.objects.update(track_opens=True, track_clicks=True)
        tick()
        raw = parcel_for(Message.objects.select_related("body", "lane", "workspace", "mailbox", "thread").get()).raw
        assert b"/o/" not in raw and b"/c/" not in raw


class TestClicks:
    def test_a_click_leads_to_where_the_link_led(self, sent):
        message = sent()
        for link, address in enumerate(LINKS):
            answer = clicked(message, link)
            assert (answer.status_code, answer["Location"]) == (302, address)
            assert answer["Referrer-Policy"] == "no-referrer"
            assert "no-store" in answer["Cache-Control"] and not answer.cookies

    @pytest.mark.parametrize(
        "more",
        [
            "?url=https://evil.example", "?next=//evil.example", "?u=https%3A%2F%2Fevil.example",
            "?redirect=javascript:1",
            "?to=https://one.example@evil.example", "?url=%0d%0aLocation:%20https://evil.example",
            "?a=1#https://evil.example",
        ],
    )  # fmt: skip
    def test_nothing_in_the_request_has_a_say(self, sent, more):
        message = sent()
        headers = {
            "X-Forwarded-Host": "evil.example",
            "X-Original-URL": "https://evil.example",
            "Referer": "https://evil.example",
        }
        answer = ask(f"/c/{click_token(message.pk, 1)}{more}", **headers)
        assert (answer.status_code, answer["Location"]) == (302, LINKS[1])

    @pytest.mark.parametrize(
        "tail",
        [
            "https://evil.example", "//evil.example", "/evil.example", "%2F%2Fevil.example", "..%2f..%2fadmin",
            "%00", "%0d%0aLocation: https://evil.example", "a" * 40, "é" * 40, "a" * 5_000,
        ],
    )  # fmt: skip
    def test_what_is_no_token_leads_nowhere(self, sent, tail):
        sent()
        answer = ask(f"/c/{tail}")
        assert answer.status_code == 404 and "Location" not in answer

    def test_no_flipped_character_leads_anywhere(self, sent):
        message = sent()
        for token, path in ((click_token(message.pk, 0), "/c/{}"), (open_token(message.pk), "/o/{}.gif")):
            for at, letter in enumerate(token):
                flipped = token[:at] + ("A" if letter != "A" else "B") + token[at + 1 :]
                answer = ask(path.format(flipped))
                assert answer.status_code == 404 and "Location" not in answer
        assert not Hit.objects.exists()

    def test_a_link_the_mail_does_not_have_leads_nowhere(self, sent):
        message = sent()
        assert clicked(message, 3).status_code == clicked(message, 255).status_code == 404

    def test_a_mail_that_is_gone_leads_nowhere(self, db):
        assert ask(f"/c/{click_token(uuid7(), 0)}").status_code == 404
        assert ask(f"/o/{open_token(uuid7())}.gif").status_code == 404

    def test_a_token_of_one_purpose_is_none_of_another(self, sent):
        message = sent()
        paths = [f"/c/{open_token(message.pk)}", f"/o/{click_token(message.pk, 0)}.gif", f"/u/{open_token(message.pk)}"]
        assert [ask(path).status_code for path in paths] == [404, 404, 404]

    @pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
    def test_only_get_and_head_are_answered(self, sent, method):
        message = sent()
        assert clicked(message, method=method).status_code == opened(message, method=method).status_code == 405
        assert not Hit.objects.exists()


class TestWhoIsCounted:
    def test_a_person_is_told_once_and_counted_each_time(self, sent):
        message = sent()
        for _ in range(3):
            assert opened(message)["Content-Type"] == "image/gif"
        assert judged(message) == [("open", 0, False, 3)]
        opened(message)
        clicked(message, 1)

        assert judged(message) == [("click", 1, False, 1), ("open", 0, False, 4)]
        assert told() == ["email.opened", "email.clicked"]
        message.lead.refresh_from_db()
        assert (message.lead.emails_opened, message.lead.emails_clicked) == (1, 1)
        assert Event.objects.get(kind="email.clicked").data["url"] == LINKS[1]

    def test_google_asks_for_its_readers(self, sent):
        message = sent()
        opened(message, agent=GMAIL)
        assert judged(message) == [("open", 0, False, 1)]

    def test_a_second_link_is_news_and_no_second_mail(self, sent):
        message = sent()
        clicked(message, 0)
        judged(message)
        clicked(message, 1)
        judged(message)
        message.lead.refresh_from_db()
        assert told() == ["email.clicked", "email.clicked"]
        assert message.lead.emails_clicked == 1

    @pytest.mark.parametrize(
        "how", [{"agent": "Mozilla/5.0"}, {"agent": ""}, {"method": "head"}, {"Sec-Purpose": "prefetch"}]
    )
    def test_machines_are_counted_apart_and_never_told(self, sent, how):
        message = sent()
        opened(message, **how)
        clicked(message, **how)
        assert judged(message) == [("click", 0, True, 1), ("open", 0, True, 1)]
        message.lead.refresh_from_db()
        assert told() == [] and (message.lead.emails_opened, message.lead.emails_clicked) == (0, 0)

    def test_who_asks_within_seconds_of_the_delivery_is_a_machine(self, sent):
        message = sent(hours=0)
        opened(message)
        clicked(message)
        assert judged(message) == [("click", 0, True, 1), ("open", 0, True, 1)]

    def test_who_tries_every_link_is_a_machine_and_a_reader_after_it_a_person(self, sent):
        message = sent()
        for link in range(3):
            clicked(message, link)
        assert judged(message) == [("click", link, True, 1) for link in range(3)]
        passes(message, hours=1)
        clicked(message, 1)
        assert ("click", 1, False, 1) in judged(message)
        assert told() == ["email.clicked"]

    def test_a_fresh_one_waits_for_its_verdict(self, sent):
        message = sent()
        clicked(message)
        judge_hits()
        assert list(Hit.objects.values_list("machine", flat=True)) == [None]

    def test_a_thousand_requests_are_a_handful_of_rows(self, sent):
        message = sent()
        for round_ in range(30):
            for link in range(3):
                clicked(message, link, agent=CHROME if round_ % 2 else "curl/8")
                opened(message, agent=CHROME if round_ % 2 else "curl/8")
        assert Hit.objects.count() == 8
        judged(message)
        assert Hit.objects.count() <= 8
        assert sum(Hit.objects.values_list("count", flat=True)) == 180

    def test_beyond_the_limit_of_an_address_all_are_answered_and_none_counted(self, sent, monkeypatch):
        monkeypatch.setattr("sending.public_views.COUNTED_PER_MINUTE", 5)
        message = sent()
        cache.clear()
        answers = [clicked(message) for _ in range(9)]
        assert {answer["Location"] for answer in answers} == {LINKS[0]}
        assert Hit.objects.get().count == 5

    def test_a_mail_that_never_left_counts_nothing(self, sent):
        message = sent()
        Message.objects.update(departed_at=None)
        opened(message)
        assert not Hit.objects.exists()

    def test_a_lead_that_is_gone_is_no_error(self, sent):
        message = sent()
        message.lead.delete()
        opened(message)
        assert judged(message) == [("open", 0, False, 1)]


@pytest.mark.django_db(transaction=True)
def test_requests_and_judges_at_once_lose_and_double_nothing(sent):
    message = sent()

    def many(work):
        def run():
            try:
                for _ in range(10):
                    work()
            finally:
                connection.close()

        return threading.Thread(target=run)

    threads = [many(lambda: opened(message)) for _ in range(4)] + [many(judge_hits) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert judged(message) == [("open", 0, False, 40)]
    assert told() == ["email.opened"]


@pytest.fixture
def parked(live, settings) -> Message:
    """A tracked mail of a live workspace that its server took, and never said so."""
    settings.SMTP_STEP_TIMEOUT_SECONDS = settings.SMTP_DOT_TIMEOUT_SECONDS = 2
    make.lead(live)
    with ScriptedSmtp({"dot": Drop(accept=True)}) as server:
        make.mailbox(live, smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
        make.run(live, steps=[make.step(body=BODY)], track_opens=True, track_clicks=True)
        tick()
        dispatch()
    message = Message.objects.get()
    assert message.state == "unknown"
    return message


class TestParked:
    """Evidence (3): what was asked for has arrived, whoever asked."""

    @pytest.mark.parametrize("agent", [CHROME, "curl/8"])
    @pytest.mark.parametrize("asks", [opened, clicked])
    def test_an_open_or_a_click_settles_a_parked_mail(self, parked, asks, agent):
        asks(parked, agent=agent)
        assert reconcile.reconcile_by_answers() == 1
        parked.refresh_from_db()
        assert (parked.state, parked.state_reason) == ("sent", reconcile.OPENED)
        assert Mailbox.objects.get().total_sent_count == 1

    def test_what_was_asked_for_before_the_last_try_proves_nothing(self, parked):
        opened(parked)
        Message.objects.update(departed_at=now_for(parked.workspace) + timedelta(minutes=1))
        assert reconcile.reconcile_by_answers() == 0
        parked.refresh_from_db()
        assert parked.state == "unknown"
