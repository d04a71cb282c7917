"""Mailboxes that sign in by a person's consent: one renewal for all workers, and trouble that stays its own."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from campaigns.runner import tick
from outbound.clock import real_now
from sending import oauth
from sending.mailboxes import check_connection, retry_connections
from sending.models import Mailbox, MailboxGrant, Message
from sending.postoffice import dispatch
from sending.providers.imap import ImapSession, ImapTrouble
from tests import make
from tests.servers.imap import ImapServer
from tests.servers.scripted_smtp import OK, ScriptedSmtp
from tests.vendors.oauth import BUSY, CLIENT_ID, CLIENT_SECRET, HTML, Fault, OAuthServer

XOAUTH2 = ("AUTH PLAIN XOAUTH2", "8BITMIME")


@pytest.fixture(params=["google", "microsoft"])
def vendor(request, settings):
    with OAuthServer(request.param) as server:
        set_up(settings, server)
        yield server


@pytest.fixture
def google(settings):
    with OAuthServer("google") as server:
        set_up(settings, server)
        yield server


def set_up(settings, server: OAuthServer) -> None:
    settings.PUBLIC_URL = "https://outbound.test"
    for name, value in (("CLIENT_ID", CLIENT_ID), ("CLIENT_SECRET", CLIENT_SECRET), ("BASE_URL", server.url)):
        setattr(settings, f"{server.vendor.upper()}_OAUTH_{name}", value)


def connected(live, vendor: OAuthServer, smtp=None, imap=None, *, email="hi@you.example", lives=3600, age=600):
    """A mailbox whose consent was given `age` seconds ago, and whose access token lives so many seconds more."""
    box = make.mailbox(
        live, email=email, sign_in=vendor.vendor, username=email, smtp_security="none", imap_security="none",
        smtp_host="127.0.0.1" if smtp else "", smtp_port=smtp.port if smtp else 587,
        imap_host="127.0.0.1" if imap else "", imap_port=imap.port if imap else 993,
        connection_status="active", connection_detail="",
    )  # fmt: skip
    access, refresh = vendor.consent()
    MailboxGrant.objects.create(
        workspace=live, mailbox=box, vendor=vendor.vendor, access_token=access, refresh_token=refresh,
        refreshed_at=real_now() - timedelta(seconds=age), expires_at=real_now() + timedelta(seconds=lives),
    )  # fmt: skip
    return box


def queue(live, count: int = 1, **run) -> None:
    for _ in range(count):
        make.lead(live)
    make.run(live, **run)
    tick()


def states() -> dict[str, int]:
    rows = list(Message.objects.filter(direction="out").values_list("state", flat=True))
    return {state: rows.count(state) for state in set(rows)}


def quarter_of_an_hour_passes() -> None:
    back = timedelta(minutes=16)
    Mailbox.objects.update(retry_connection_at=F("retry_connection_at") - back)
    MailboxGrant.objects.update(retry_at=F("retry_at") - back, refreshed_at=F("refreshed_at") - back)
    Message.objects.filter(state="queued").update(send_at=real_now() - timedelta(seconds=1))


class TestSigningIn:
    def test_mail_leaves_and_is_read_with_a_token(self, live, vendor):
        with (
            ScriptedSmtp(features=XOAUTH2, tokens=vendor.tokens) as smtp,
            ImapServer(tokens=vendor.tokens) as imap,
        ):
            box = connected(live, vendor, smtp, imap)
            assert check_connection(box)[0]
            queue(live, 3)
            assert dispatch() == 3
        assert states() == {"sent": 3}
        assert vendor.refreshes == 0
        assert {user for user, _ in smtp.credentials} == {"hi@you.example"}

    @pytest.mark.parametrize("sasl_ir", [True, False])
    def test_imap_takes_the_token_with_and_without_an_initial_response(self, live, google, sasl_ir):
        with ImapServer(tokens=google.tokens, sasl_ir=sasl_ir) as imap:
            box = connected(live, google, imap=imap)
            session = ImapSession(box)
            session.connect()
            assert session.folders()
            session.close()

    def test_a_refusal_is_answered_with_an_empty_line_as_documented(self, live, google):
        with ScriptedSmtp(features=XOAUTH2, tokens=()) as smtp, ImapServer(tokens=()) as imap:
            box = connected(live, google, smtp, imap, age=1)
            assert check_connection(box)[0] is False
            assert "" in smtp.commands
            with pytest.raises(ImapTrouble) as trouble:
                ImapSession(box).connect()
        assert trouble.value.code == "auth_failed"

    def test_a_server_without_xoauth2_is_told_apart(self, live, google):
        with ScriptedSmtp(features=("AUTH PLAIN",)) as smtp:
            connected(live, google, smtp)
            queue(live)
            dispatch()
        assert smtp.credentials == []
        assert "XOAUTH2" in Mailbox.objects.get().connection_detail


class TestRenewal:
    def test_a_token_is_renewed_before_it_ends(self, live, vendor):
        box = connected(live, vendor, lives=200)
        old = box.grant.access_token
        assert oauth.token_for(box) != old
        assert vendor.refreshes == 1
        assert oauth.token_for(box) in vendor.tokens
        assert vendor.refreshes == 1

    def test_a_new_refresh_token_replaces_the_old_one(self, live, settings):
        with OAuthServer("microsoft", strict=True) as server:
            set_up(settings, server)
            box = connected(live, server, lives=0)
            for _ in range(3):
                assert oauth.token_for(box) in server.tokens
                MailboxGrant.objects.update(expires_at=real_now())
        assert server.refreshes == 3

    def test_it_ends_in_the_middle_of_a_run_and_every_mail_leaves_once(self, live, vendor):
        with ScriptedSmtp({"mail": [OK, "530 5.7.0 Authentication Required", OK]}, features=XOAUTH2,
                          tokens=vendor.tokens) as smtp:  # fmt: skip
            connected(live, vendor, smtp)
            queue(live, 3)
            assert dispatch() == 3
        assert states() == {"sent": 3}
        assert len(smtp.bodies) == 3
        assert vendor.refreshes == 1

    def test_a_token_that_the_server_takes_no_more_is_renewed_once_and_the_mail_leaves(self, live, vendor):
        with ScriptedSmtp(features=XOAUTH2, tokens=vendor.tokens) as smtp:
            connected(live, vendor, smtp)
            vendor.end_access()
            queue(live, 2)
            assert dispatch() == 2
        assert states() == {"sent": 2}
        assert vendor.refreshes == 1
        assert len(smtp.credentials) == 2

    def test_reading_renews_it_too(self, live, vendor):
        with ImapServer(tokens=vendor.tokens) as imap:
            box = connected(live, vendor, imap=imap)
            vendor.end_access()
            session = ImapSession(box)
            session.connect()
            session.close()
        assert vendor.refreshes == 1

    def test_a_refused_dot_is_not_sent_again_with_a_new_token(self, live, google):
        with ScriptedSmtp({"dot": "535 5.7.8 Not any more"}, features=XOAUTH2, tokens=google.tokens) as smtp:
            connected(live, google, smtp)
            queue(live)
            dispatch()
        assert smtp.verbs().count("DATA") == 1
        assert google.refreshes == 0
        assert states() == {"queued": 1}

    @pytest.mark.django_db(transaction=True)
    def test_many_workers_renew_it_once(self, live, settings):
        with OAuthServer("google", faults=[Fault(seconds=0.5)]) as server:
            set_up(settings, server)
            box = connected(live, server, lives=0)
            start = threading.Barrier(8)

            def work(_):
                try:
                    start.wait()
                    return oauth.token_for(box)
                finally:
                    connection.close()

            with ThreadPoolExecutor(8) as pool:
                tokens = set(pool.map(work, range(8)))
        assert server.refreshes == 1
        assert len(tokens) == 1

    def test_what_a_dead_worker_held_is_free_after_its_lease(self, live, google):
        box = connected(live, google, lives=0)
        MailboxGrant.objects.update(lease="0" * 32, lease_until=real_now() - timedelta(minutes=2))
        assert oauth.token_for(box) in google.tokens


class TestTrouble:
    def test_a_withdrawn_consent_stops_its_mailbox_alone(self, live, google, caplog):
        caplog.set_level(logging.DEBUG)
        with ScriptedSmtp(features=XOAUTH2, tokens=google.tokens) as smtp, ScriptedSmtp() as plain:
            gone = connected(live, google, smtp, lives=0)
            google.revoke()
            make.mailbox(live, email="other@you.example", smtp_host="127.0.0.1", smtp_port=plain.port,
                         smtp_security="none")  # fmt: skip
            queue(live, 4)
            make.lead(live)
            queue(live, sender_email="other@you.example", include_active_elsewhere=True)
            for _ in range(5):
                dispatch()
                retry_connections()
            gone.refresh_from_db()
            assert gone.connection_status == "auth_failed"
            assert gone.connection_detail.startswith("Google no longer lets us in")
            assert "Connect it again" in gone.connection_detail
            assert google.refreshes == 1
            assert smtp.connections == 0
            assert plain.bodies
            assert not any(secret in caplog.text for secret in [*google.given, CLIENT_SECRET])

    def test_it_is_tried_once_in_a_quarter_of_an_hour_by_all_doors_together(self, live, google):
        with ScriptedSmtp(features=XOAUTH2) as smtp, ImapServer(tokens=()) as imap:
            box = connected(live, google, smtp, imap, lives=0)
            google.revoke()
            for hour in range(3):
                for _ in range(4):
                    box.refresh_from_db()
                    check_connection(box)
                    retry_connections()
                    with pytest.raises(ImapTrouble):
                        ImapSession(box).connect()
                assert google.refreshes == hour + 1
                quarter_of_an_hour_passes()
        assert smtp.connections == 0

    def test_a_new_consent_lifts_it_at_once(self, live, google):
        with ScriptedSmtp(features=XOAUTH2, tokens=google.tokens) as smtp:
            box = connected(live, google, smtp, lives=0)
            google.revoke()
            queue(live)
            dispatch()
            assert states() == {"queued": 1}
            access, refresh = google.consent()
            vendor = oauth.VENDORS["google"]
            oauth._keep_consent(box, vendor, oauth.Tokens(access, refresh, 3600), "ann", real_now())
            box.refresh_from_db()
            assert check_connection(box)[0]
            Message.objects.update(send_at=real_now() - timedelta(seconds=1))
            dispatch()
        assert states() == {"sent": 1}

    @pytest.mark.parametrize("fault", [BUSY, HTML, Fault(500, b"oops"), Fault(429, b"{}"), Fault(200, b"[]"),
                                       Fault(200, b'{"access_token": "a\\nb"}')])  # fmt: skip
    def test_a_vendor_in_trouble_is_asked_again_later_and_the_present_token_serves(self, live, google, fault):
        with ScriptedSmtp(features=XOAUTH2, tokens=google.tokens) as smtp:
            connected(live, google, smtp, lives=200)
            google.faults = [fault]
            queue(live, 2)
            assert dispatch() == 2
        assert states() == {"sent": 2}
        assert google.refreshes == 0
        assert MailboxGrant.objects.get().retry_at > real_now()

    def test_without_a_present_token_the_mail_waits_and_nobody_storms(self, live, google):
        with ScriptedSmtp(features=XOAUTH2, tokens=google.tokens) as smtp:
            connected(live, google, smtp, lives=0)
            google.faults = [BUSY] * 10
            queue(live, 5)
            for _ in range(4):
                dispatch()
            assert len(google.faults) == 9
            assert Mailbox.objects.get().connection_status == "active"
            google.faults = []
            quarter_of_an_hour_passes()
            dispatch()
        assert states() == {"sent": 5}

    def test_an_unknown_client_is_the_operators_to_mend(self, live, google, settings):
        settings.GOOGLE_OAUTH_CLIENT_SECRET = "wrong"
        box = connected(live, google, lives=0)
        with pytest.raises(oauth.NoToken, match="GOOGLE_OAUTH_CLIENT_ID") as none:
            oauth.token_for(box)
        assert none.value.code == "auth_failed"

    def test_a_server_that_repeats_what_it_was_told_puts_no_secret_on_the_record(self, live, google, caplog):
        caplog.set_level(logging.DEBUG)
        box = connected(live, google, age=1)
        token = str(box.grant.access_token)
        with ScriptedSmtp({"auth": f"535 5.7.8 Not {token}"}, features=XOAUTH2) as smtp:
            Mailbox.objects.update(smtp_host="127.0.0.1", smtp_port=smtp.port)
            queue(live)
            dispatch()
        said = Mailbox.objects.get().connection_detail
        assert said and token not in said + caplog.text + Message.objects.get().state_reason
