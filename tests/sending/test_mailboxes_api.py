"""Mailboxes and domains over REST (Superkabe §7.6, §7.7)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outbound.clock import real_now
from sending.models import Domain, ImapFolder, ImapWatch, Mailbox, Message, StateTransition
from sending.postoffice import dispatch
from tests import make
from tests.base import Api
from tests.servers.imap import ImapServer
from tests.servers.smtp import CountingSmtp

SAMPLE = {
    "id": str, "email": str, "status": str, "source_platform": str, "smtp_status": str, "imap_status": str,
    "total_sent_count": int, "hard_bounce_count": int, "warmup_status": str, "warmup_reputation": int,
    "recovery_phase": str | None, "resilience_score": int,
}  # fmt: skip
DOMAIN_SAMPLE = {
    "id": str, "domain": str, "status": str, "source_platform": str, "total_sent_lifetime": int, "total_opens": int,
    "total_clicks": int, "total_replies": int, "aggregated_bounce_rate_trend": float, "warning_count": int,
    "recovery_phase": str | None, "resilience_score": int,
}  # fmt: skip


@pytest.fixture
def near(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.SMTP_STEP_TIMEOUT_SECONDS = 0.6
    settings.IMAP_STEP_TIMEOUT_SECONDS = 0.6


@pytest.fixture
def live_api(db, near):
    return Api(make.key(make.workspace("Live", livemode=True)))


def server_of(server, **changes) -> dict:
    return {
        "email": "Hi@You.example", "smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none",
        **changes,
    }  # fmt: skip


def has_types(row: dict, types: dict) -> bool:
    return all(isinstance(row[name], kind) for name, kind in types.items())


class TestMailboxes:
    def test_every_field_of_the_contract_is_there_sorted_by_address(self, acme, api):
        for name in ("zoe", "ann", "mia"):
            make.mailbox(acme, f"{name}@you.example")

        rows = api.data("get", "/mailboxes")

        assert [row["email"] for row in rows] == ["ann@you.example", "mia@you.example", "zoe@you.example"]
        assert all(has_types(row, SAMPLE) for row in rows)
        assert (rows[0]["status"], rows[0]["recovery_phase"], rows[0]["imap_status"]) == ("active", None, "unknown")
        assert api.data("get", f"/mailboxes/{rows[0]['id']}") == rows[0]

    @pytest.mark.parametrize(
        ("phase", "status", "recovery"),
        [
            ("healthy", "active", None), ("warning", "active", None), ("paused", "paused", "paused"),
            ("quarantine", "quarantine", "quarantine"), ("restricted_send", "restricted", "restricted_send"),
            ("warm_recovery", "healing", "warm_recovery"),
        ],
    )  # fmt: skip
    def test_phases_are_shown_in_the_contracts_words(self, acme, api, phase, status, recovery):
        make.mailbox(acme, phase=phase)

        row = api.data("get", "/mailboxes")[0]

        assert (row["status"], row["recovery_phase"]) == (status, recovery)

    def test_a_longer_list_costs_no_more_statements(self, acme, api):
        def statements(path: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                api.data("get", path)
            return len(captured)

        make.mailbox(acme, "one@one.example")
        statements("/mailboxes")  # the first use of a key is written down
        few = statements("/mailboxes"), statements("/domains")
        for number in range(5):
            make.mailbox(acme, f"x@more{number}.example")

        assert (statements("/mailboxes"), statements("/domains")) == few


class TestConnecting:
    def test_the_connection_is_tried_and_the_password_is_never_shown(self, live_api):
        with CountingSmtp() as server:
            row = live_api.data("post", "/mailboxes", server_of(server, display_name="Hi"), status=201)

        assert (row["email"], row["domain"], row["smtp_status"]) == ("hi@you.example", "you.example", "ok")
        assert (row["daily_limit"], row["send_gap_minutes"]) == (30, 17)
        assert (row["warmup_status"], row["cap_today"]) == ("active", 5)
        assert "password" not in row

    def test_a_connection_that_fails_stores_nothing_and_says_one_sentence_for_every_cause(self, live_api, settings):
        with CountingSmtp() as server:
            closed = server_of(server)
            no_tls = server_of(server, smtp_security="starttls")
            said = [live_api("post", "/mailboxes", no_tls)]
        said.append(live_api("post", "/mailboxes", closed))
        settings.OUTBOUND_PRIVATE_NETWORKS = []
        said.append(live_api("post", "/mailboxes", closed))

        assert {answer.status_code for answer in said} == {400}
        assert len({answer.json()["error"] for answer in said}) == 1
        assert not Mailbox.objects.exists()
        assert not Domain.objects.exists()

    def test_in_a_test_workspace_no_server_is_asked(self, api):
        row = api.data("post", "/mailboxes", {"email": "hi@you.example", "smtp_host": "127.0.0.1"}, status=201)

        assert Mailbox.objects.get(pk=row["id"]).provider == "sandbox"

    def test_a_live_one_needs_a_server(self, live_api):
        answer = live_api("post", "/mailboxes", {"email": "hi@you.example"})

        assert (answer.status_code, list(answer.json()["details"])) == (400, ["smtp_host"])

    def test_an_address_is_connected_once(self, acme, api):
        make.mailbox(acme)

        assert api("post", "/mailboxes", {"email": "HI@you.example"}).status_code == 409

    def test_more_than_the_provider_lets_out_is_refused(self, api):
        body = {"email": "hi@you.example", "smtp_host": "smtp.office365.com", "daily_limit": 301}

        assert api("post", "/mailboxes", body).status_code == 400
        assert api("post", "/mailboxes", {"email": "jo@gmail.com", "daily_limit": 251}).status_code == 400
        assert api("post", "/mailboxes", {"email": "jo@gmail.com", "daily_limit": 250}).status_code == 201

    def test_a_repeated_request_connects_once(self, live_api):
        with CountingSmtp() as server:
            body = server_of(server)
            first = live_api("post", "/mailboxes", body, idempotency_key="k")
        again = live_api("post", "/mailboxes", body, idempotency_key="k")

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["data"] == first.json()["data"]


class TestReading:
    def test_both_servers_are_tried_and_no_password_is_shown(self, live_api):
        with CountingSmtp() as server, ImapServer(password="p") as imap:
            row = live_api.data("post", "/mailboxes", reading(server, imap, imap_password="p"), status=201)
            assert live_api.data("post", f"/mailboxes/{row['id']}/test")["works"] is True

        assert imap.sign_ins == 2
        assert not [name for name in row if "password" in name]
        assert (row["imap_status"], row["imap_lag_seconds"], row["sent_folder_proves"]) == ("unknown", None, False)

    def test_one_sentence_for_every_cause_and_nothing_is_stored(self, live_api):
        with CountingSmtp() as server, ImapServer() as imap:
            wrong = live_api("post", "/mailboxes", reading(server, imap, imap_password="wrong"))
            no_tls = live_api("post", "/mailboxes", reading(server, imap, imap_security="starttls"))
            elsewhere = live_api("post", "/mailboxes", reading(server, imap, imap_host="127.0.0.2", imap_port=1))

        assert {answer.status_code for answer in (wrong, no_tls, elsewhere)} == {400}
        assert len({answer.json()["error"] for answer in (wrong, no_tls, elsewhere)}) == 1
        assert not Mailbox.objects.exists()

    def test_a_preset_names_the_servers_and_what_is_given_wins(self, api):
        row = api.data("post", "/mailboxes", {"email": "a@you.example", "preset": "google", "imap_port": 143})
        mailbox = Mailbox.objects.get(pk=row["id"])

        assert (mailbox.smtp_host, mailbox.imap_host) == ("smtp.gmail.com", "imap.gmail.com")
        assert (mailbox.imap_port, mailbox.imap_security) == (143, "tls")

    def test_in_another_place_the_folders_are_others(self, acme, api):
        mailbox = make.mailbox(acme, imap_host="imap.one.example")
        watch = ImapWatch.objects.create(workspace=acme, mailbox=mailbox, sent_found=3)
        ImapFolder.objects.create(workspace=acme, watch=watch, name="INBOX", uid=7)

        row = api.data("patch", f"/mailboxes/{mailbox.pk}", {"imap_password": "new"})
        assert (row["sent_folder_proves"], ImapFolder.objects.count()) == (True, 1)
        row = api.data("patch", f"/mailboxes/{mailbox.pk}", {"imap_host": "imap.two.example"})
        assert (row["sent_folder_proves"], ImapFolder.objects.count()) == (False, 0)

    @pytest.mark.parametrize(
        ("minutes", "detail", "status"),
        [(1, "", "ok"), (20, "", "degraded"), (1, "No", "degraded"), (20, "No", "failing"), (None, "No", "failing")],
    )
    def test_how_it_goes_is_shown(self, acme, api, minutes, detail, status):
        mailbox = make.mailbox(acme, imap_host="imap.one.example")
        read_at = None if minutes is None else real_now() - timedelta(minutes=minutes)
        ImapWatch.objects.create(workspace=acme, mailbox=mailbox, read_at=read_at, detail=detail)

        row = api.data("get", "/mailboxes")[0]

        assert (row["imap_status"], row["imap_detail"]) == (status, detail)
        assert row["imap_lag_seconds"] is None if minutes is None else row["imap_lag_seconds"] >= 60 * minutes


def reading(smtp, imap, **changes) -> dict:
    given = {"imap_host": "127.0.0.1", "imap_port": imap.port, "imap_security": "none", **changes}
    return server_of(smtp, **given)


class TestChanging:
    def test_limit_gap_and_name(self, acme, api):
        mailbox = make.mailbox(acme)

        row = api.data("patch", f"/mailboxes/{mailbox.pk}", {"daily_limit": 12, "send_gap_minutes": 3, "warmup": True})

        assert (row["daily_limit"], row["send_gap_minutes"], row["warmup_status"]) == (12, 3, "active")
        assert api.data("patch", f"/mailboxes/{mailbox.pk}", {"warmup": False})["warmup_status"] == "off"

    def test_a_new_server_that_does_not_answer_is_not_stored(self, live_api):
        with CountingSmtp() as server:
            row = live_api.data("post", "/mailboxes", server_of(server))
        before = Mailbox.objects.values().get()

        answer = live_api("patch", f"/mailboxes/{row['id']}", {"smtp_port": 1, "password": "new"})

        assert answer.status_code == 400
        assert Mailbox.objects.values().get() == before

    def test_a_test_says_whether_it_works_and_the_list_shows_it(self, live_api):
        with CountingSmtp() as server:
            row = live_api.data("post", "/mailboxes", server_of(server))
            assert live_api.data("post", f"/mailboxes/{row['id']}/test")["works"] is True

        assert live_api.data("post", f"/mailboxes/{row['id']}/test")["works"] is False
        assert live_api.data("get", "/mailboxes")[0]["smtp_status"] == "degraded"

    def test_pause_and_resume_leave_their_transitions(self, acme, api):
        mailbox = make.mailbox(acme)

        assert api.data("post", f"/mailboxes/{mailbox.pk}/pause")["status"] == "paused"
        assert api("post", f"/mailboxes/{mailbox.pk}/pause").status_code == 409
        assert api.data("post", f"/mailboxes/{mailbox.pk}/resume")["status"] == "active"
        assert api("post", f"/mailboxes/{mailbox.pk}/resume").status_code == 409
        moves = StateTransition.objects.order_by("id").values_list("from_phase", "to_phase", "actor")
        assert list(moves) == [("healthy", "paused", "person"), ("paused", "healthy", "person")]


class TestDeleting:
    def test_one_that_never_sent_is_gone(self, acme, api):
        mailbox = make.mailbox(acme)

        assert api("delete", f"/mailboxes/{mailbox.pk}").status_code == 204
        assert not Mailbox.objects.exists()

    def test_not_while_a_campaign_under_way_uses_it(self, acme, api, queue):
        queue()
        mailbox = Mailbox.objects.get()

        assert api("delete", f"/mailboxes/{mailbox.pk}").status_code == 409

    def test_one_that_sent_is_retired_and_can_be_connected_again_with_its_threads(self, acme, api, queue):
        queue()
        dispatch()
        mailbox = Mailbox.objects.get()
        mailbox.campaigns.update(status="archived")

        assert api("delete", f"/mailboxes/{mailbox.pk}").status_code == 204
        assert api.data("get", "/mailboxes") == api.data("get", "/senders") == []
        assert api("post", f"/mailboxes/{mailbox.pk}/resume").status_code == 404
        row = api.data("post", "/mailboxes", {"email": mailbox.email}, status=201)

        assert (row["id"], row["status"]) == (str(mailbox.pk), "active")
        assert Message.objects.get().mailbox_id == mailbox.pk


class TestDomains:
    def test_every_field_of_the_contract_is_there(self, acme, api, queue):
        message = queue(2)[0]
        dispatch()
        Message.objects.filter(pk=message.pk).update(hard_bounced_at=real_now())

        row = api.data("get", "/domains")[0]

        assert has_types(row, DOMAIN_SAMPLE)
        assert (row["domain"], row["total_sent_lifetime"], row["aggregated_bounce_rate_trend"]) == (
            "you.example",
            2,
            50.0,
        )
        assert (row["status"], row["spf"], row["infrastructure_score"]) == ("active", None, None)
        assert api.data("get", f"/domains/{row['id']}") == row


def test_a_page_of_mailboxes_may_be_asked_for(api, acme):
    for name in "cab":
        make.mailbox(acme, f"{name}@you.example")

    answer = api("get", "/mailboxes?limit=2&page=2").json()

    assert [row["email"] for row in answer["data"]] == ["c@you.example"]
    assert answer["meta"] == {"total": 3, "page": 2, "limit": 2, "totalPages": 2, "next_cursor": None}
    assert len(api.data("get", "/mailboxes")) == 3
    assert api("get", "/domains?limit=0").status_code == 400
