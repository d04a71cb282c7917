"""The IMAP connection against a server on a real socket: what it says, what it refuses, what cannot hold it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from sending.providers import imap
from sending.providers.imap import CHECK_FAILED, ImapSession, ImapTrouble, Refused
from sending.providers.smtp_wire import tls_context
from tests.servers.certs import make_certificates
from tests.servers.imap import Boast, Cut, Endless, Hang, ImapServer, No, wait_until

RAW = b"From: Ann <ann@lead.example>\r\nMessage-ID: <a1@lead.example>\r\nSubject: Hi\r\n\r\nHello.\r\n"


@dataclass(frozen=True)
class Box:
    imap_port: int
    email: str = "hi@you.example"
    imap_host: str = "127.0.0.1"
    imap_security: str = "none"
    imap_username: str = ""
    imap_password: str = ""
    username: str = ""
    password: str = "secret"


@pytest.fixture(autouse=True)
def near_and_quick(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.IMAP_STEP_TIMEOUT_SECONDS = 0.6


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def trusted(certificates):
    tls_context.cache_clear()
    tls_context().load_verify_locations(certificates.authority)
    yield certificates
    tls_context.cache_clear()


def signed_in(server, **box) -> ImapSession:
    session = ImapSession(Box(server.port, **box))
    session.connect()
    return session


def trouble_of(server, **box) -> str:
    with pytest.raises(ImapTrouble) as caught:
        signed_in(server, **box).folders()
    return caught.value.code


class TestReading:
    def test_a_mail_is_found_and_fetched_byte_for_byte(self):
        moment = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
        with ImapServer() as server:
            server.put("INBOX", b"Subject: old\r\n\r\n", at=datetime(2020, 1, 1, tzinfo=UTC))
            uid = server.put("INBOX", RAW, at=moment)
            session = signed_in(server)
            assert session.examine("INBOX") == 1
            assert (session.after(0), session.after(1), session.after(2)) == ([1, 2], [2], [])
            assert (session.since(moment.date()), session.highest()) == ([uid], uid)
            assert session.find("<a1@lead.example>") == [uid]
            notice = session.notice(uid)
            mail = session.fetch(uid, notice)
            assert session.fetch(9, notice) is None
        assert (notice.message_id, notice.size) == ("<a1@lead.example>", len(RAW))
        assert (mail.raw, mail.arrived_at) == (RAW, moment)

    def test_of_a_mail_beyond_the_limit_only_the_head_is_read(self, monkeypatch):
        monkeypatch.setattr(imap, "MAX_BYTES", 50)
        monkeypatch.setattr(imap, "HEAD_BYTES", 20)
        with ImapServer() as server:
            uid = server.put("INBOX", RAW)
            session = signed_in(server)
            session.examine("INBOX")
            mail = session.fetch(uid, session.notice(uid))
        assert (mail.raw, mail.size) == (RAW[:20], len(RAW))

    def test_folders_with_their_special_use(self):
        with ImapServer(folders=[("INBOX", ()), ("Envoy&AOk-s", ("\\Sent",))]) as server:
            found = {folder.name: folder.flags for folder in signed_in(server).folders()}
        assert found == {"INBOX": frozenset(), "Envoyés": frozenset({"\\sent"})}

    def test_after_a_no_the_connection_still_serves(self):
        with ImapServer() as server:
            session = signed_in(server)
            with pytest.raises(Refused):
                session.examine("Nowhere")
            assert session.examine("INBOX") == 1

    def test_it_is_told_of_new_mail(self):
        with ImapServer() as server:
            session = signed_in(server)
            session.examine("INBOX")
            session.idle()
            server.put("INBOX", RAW)
            wait_until(lambda: readable(session))
            session.wake()
            assert session.after(0) == [1]
            session.close()

    def test_a_copy_is_put_into_sent(self):
        with ImapServer() as server:
            signed_in(server).append("Sent", RAW, at=datetime.now(UTC))
            assert server.holds("Sent", b"a1@lead.example") == 1


def readable(session) -> bool:
    import select

    return bool(select.select([session], [], [], 0)[0]) or session.has_news()


class TestSafety:
    def test_starttls_and_tls_with_a_certificate_that_is_checked(self, trusted):
        for tls_first, security in ((True, "tls"), (False, "starttls")):
            with ImapServer(tls=trusted.context, tls_first=tls_first) as server:
                signed_in(server, imap_security=security).examine("INBOX")

    def test_an_unknown_certificate_is_refused(self, certificates):
        with ImapServer(tls=certificates.context, tls_first=True) as server:
            assert trouble_of(server, imap_security="tls") == "certificate_invalid"
        assert server.sign_ins == 0

    def test_without_starttls_nothing_is_said_in_clear(self):
        with ImapServer() as server:
            assert trouble_of(server, imap_security="starttls") == "tls_required"
        assert server.sign_ins == 0

    def test_a_private_address_is_not_knocked_at(self, settings):
        settings.OUTBOUND_PRIVATE_NETWORKS = []
        with ImapServer() as server:
            assert trouble_of(server) == "address_refused"
        assert server.connections == 0

    def test_a_wrong_password_or_one_that_would_end_the_command(self):
        with ImapServer() as server:
            assert trouble_of(server, password="wrong") == "auth_failed"
            assert trouble_of(server, password="secret\r\nx LOGOUT") == "auth_failed"
        assert server.sign_ins == 1

    def test_its_own_user_name_and_password_win(self):
        with ImapServer(user="other", password="päss") as server:
            signed_in(server, imap_username="other", imap_password="päss")

    @pytest.mark.parametrize(
        ("stage", "action"),
        [(stage, action) for stage in ("GREET", "AUTHENTICATE", "LIST") for action in (Hang(), Cut(3), Endless())],
    )
    def test_nothing_holds_it(self, stage, action):
        with ImapServer(script={stage: action}) as server:
            assert trouble_of(server) in ("timeout", "connection_lost")

    def test_a_literal_without_end_is_not_read(self):
        with ImapServer(script={"FETCH": Boast()}) as server:
            server.put("INBOX", RAW)
            session = signed_in(server)
            session.examine("INBOX")
            with pytest.raises(ImapTrouble) as caught:
                session.notice(1)
        assert caught.value.code == "connection_lost"

    def test_the_check_says_one_sentence_for_every_cause(self, settings):
        with ImapServer() as server, ImapServer(script={"AUTHENTICATE": No()}) as refusing:
            said = {imap.check(Box(refusing.port)), imap.check(Box(server.port, password="wrong"))}
            assert imap.check(Box(server.port))[0]
            settings.OUTBOUND_PRIVATE_NETWORKS = []
            said.add(imap.check(Box(server.port)))
        assert said == {(False, CHECK_FAILED)}
