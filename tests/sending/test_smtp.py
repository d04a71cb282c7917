"""The SMTP transport against servers on real sockets: each row of the failure matrix that a transport can show."""

import logging
import socket
import time
from dataclasses import dataclass, replace

import pytest

from sending.providers import NotAccepted, Parcel, SendResult, transport_for
from sending.providers.smtp import CHECK_FAILED
from sending.providers.smtp_replies import hint, queue_id, result_of
from sending.providers.smtp_wire import on_the_wire, tls_context
from tests.servers.certs import make_certificates
from tests.servers.scripted_smtp import OK, Drip, Drop, Endless, Hang, ScriptedSmtp
from tests.servers.smtp import CountingSmtp

BEFORE_THE_DOT = ["connect", "ehlo", "auth", "mail", "rcpt", "data"]
RAW = b"Message-ID: <one@acme.test>\r\nSubject: Hello\r\nX-Step: 1\r\n\r\nHello.\r\n.hidden\r\n"


@dataclass(frozen=True)
class Box:
    """What the transport needs of a mailbox."""

    smtp_port: int
    email: str = "ann@acme.test"
    smtp_host: str = "127.0.0.1"
    smtp_security: str = "none"
    username: str = ""
    password: str = ""


PARCEL = Parcel("0190", "<one@acme.test>", "ann@acme.test", "bob@example.test", RAW)


@pytest.fixture(autouse=True)
def near_and_quick(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.SMTP_STEP_TIMEOUT_SECONDS = 0.6
    settings.SMTP_DOT_TIMEOUT_SECONDS = 0.6


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def trusted(certificates, monkeypatch):
    """OpenSSL's own variable names the authority, as an operator with a private one would."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    tls_context.cache_clear()
    yield certificates
    tls_context.cache_clear()


def box_for(server, **changes) -> Box:
    return Box(smtp_port=server.port, **changes)


def send(server, parcel=PARCEL, **changes) -> SendResult:
    with transport_for("smtp").open(box_for(server, **changes)) as session:
        return session.prepare(parcel).commit()


def refusal(server, parcel=PARCEL, **changes) -> SendResult:
    with transport_for("smtp").open(box_for(server, **changes)) as session, pytest.raises(NotAccepted) as caught:
        session.prepare(parcel)
    return caught.value.result


def numbered(number: int) -> Parcel:
    return replace(PARCEL, message_id=str(number), raw=RAW.replace(b"<one@", b"<%d@" % number))


class TestOrdinaryMail:
    def test_it_arrives_as_it_was_rendered(self):
        with CountingSmtp() as server:
            result = send(server)
        assert (result.outcome, result.provider_id, result.code) == ("sent", "Q000001", "2.0.0")
        assert "queued as Q000001" in result.detail
        assert server.messages[0].raw == RAW
        assert server.messages[0].rcpt_to == ["bob@example.test"]

    def test_nothing_is_accepted_before_the_dot(self):
        with CountingSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            handoff = session.prepare(PARCEL)
            assert server.messages == []
            assert handoff.commit().outcome == "sent"
            assert len(server.messages) == 1

    def test_the_server_is_told_the_mailbox_domain(self):
        with ScriptedSmtp() as server:
            send(server)
        assert server.commands[0] == "ehlo acme.test"
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]

    def test_many_messages_share_one_connection(self):
        with CountingSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            outcomes = {session.prepare(numbered(n)).commit().outcome for n in range(20)}
            assert outcomes == {"sent"}
            assert server.connections == 1
            assert set(server.counts().values()) == {1}
            assert len(server.messages) == 20

    def test_rset_stands_between_messages(self):
        with ScriptedSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            for _ in range(2):
                session.prepare(PARCEL).commit()
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]

    def test_a_refused_recipient_does_not_cost_the_connection(self):
        with CountingSmtp(unknown=["gone@example.test"]) as server:
            with transport_for("smtp").open(box_for(server)) as session:
                with pytest.raises(NotAccepted):
                    session.prepare(replace(PARCEL, rcpt_to="gone@example.test"))
                assert session.prepare(PARCEL).commit().outcome == "sent"
        assert server.connections == 1

    def test_a_connection_that_died_while_waiting_is_made_again(self):
        with ScriptedSmtp({"rset": Drop()}) as server, transport_for("smtp").open(box_for(server)) as session:
            for _ in range(3):
                assert session.prepare(PARCEL).commit().outcome == "sent"
        assert (server.connections, len(server.bodies)) == (3, 3)

    def test_a_bigger_body_than_one_chunk_arrives_whole(self):
        raw = RAW + b"0123456789abcdef\r\n" * 20_000
        with CountingSmtp() as server:
            assert send(server, replace(PARCEL, raw=raw)).outcome == "sent"
        assert server.messages[0].raw == raw


class TestAbort:
    def test_an_aborted_message_never_arrives_and_the_session_goes_on(self):
        with CountingSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            session.prepare(numbered(1)).abort()
            assert session.prepare(numbered(2)).commit().outcome == "sent"
        assert list(server.counts()) == ["<2@acme.test>"]
        assert server.connections == 2

    def test_leaving_the_session_aborts_the_message_at_hand(self):
        with ScriptedSmtp() as server:
            with transport_for("smtp").open(box_for(server)) as session:
                session.prepare(PARCEL)
        assert server.bodies == []
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA"]

    def test_a_message_is_settled_once(self):
        with CountingSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            handoff = session.prepare(PARCEL)
            handoff.commit()
            with pytest.raises(RuntimeError):
                handoff.commit()
            with pytest.raises(RuntimeError):
                handoff.abort()
        assert len(server.messages) == 1

    def test_the_next_message_waits_for_the_one_at_hand(self):
        with CountingSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            session.prepare(PARCEL)
            with pytest.raises(RuntimeError):
                session.prepare(PARCEL)


class TestWhatTheServerSays:
    """F14 and F15."""

    @pytest.mark.parametrize("stage", BEFORE_THE_DOT)
    @pytest.mark.parametrize("reply", ["421 4.3.2 Closing", "450 4.2.1 Busy", "451 4.3.0 Error", "452 4.3.1 Full"])
    def test_4xx_before_the_dot_is_try_later(self, stage, reply):
        with ScriptedSmtp({stage: reply}, features=("AUTH PLAIN",)) as server:
            result = refusal(server, username="ann", password="pw")
        assert (result.outcome, result.code) == ("try_later", reply.split()[1])
        assert server.bodies == []

    @pytest.mark.parametrize("reply", ["421 4.3.2 Closing", "450 4.2.1 Busy", "451 Error", "452 4.3.1 Full"])
    def test_4xx_after_the_dot_is_try_later(self, reply):
        with ScriptedSmtp({"dot": reply}) as server:
            assert send(server).outcome == "try_later"

    @pytest.mark.parametrize("reply", ["550 5.1.1 No such user", "554 5.6.0 Bad content", "552 5.2.2 Mailbox full"])
    def test_5xx_after_the_dot_is_refused(self, reply):
        with ScriptedSmtp({"dot": reply}) as server:
            result = send(server)
        assert (result.outcome, result.code) == ("refused", reply.split()[1])
        assert reply in result.detail

    @pytest.mark.parametrize(
        ("reply", "code", "blame"),
        [
            ("550 5.1.1 No such user", "5.1.1", "recipient"),
            ("550 no such user", "550", "recipient"),
            ("552 5.2.2 Mailbox full", "5.2.2", "recipient"),
            ("550 5.7.1 Blocked by policy", "5.7.1", "sender"),
            ("550-5.7.26 This mail has been\r\n550 5.7.26 blocked", "5.7.26", "sender"),
            ("550 5.1.8 Bad sender", "5.1.8", "sender"),
        ],
    )
    def test_5xx_at_rcpt_is_refused_and_says_whose_fault_it_is(self, reply, code, blame):
        with ScriptedSmtp({"rcpt": reply}) as server:
            result = refusal(server)
        assert (result.outcome, result.code, result.blame) == ("refused", code, blame)

    def test_5xx_at_mail_is_the_senders_fault(self):
        with ScriptedSmtp({"mail": "553 5.1.7 Bad sender address"}) as server:
            result = refusal(server)
        assert (result.outcome, result.blame) == ("refused", "sender")

    def test_5xx_on_the_way_to_the_door_is_no_messages_last_word(self):
        with ScriptedSmtp({"connect": "554 5.7.1 No service for you"}) as server:
            result = refusal(server)
        assert (result.outcome, result.blame) == ("try_later", "connection")

    def test_being_asked_to_sign_in_is_about_the_connection(self):
        with ScriptedSmtp({"mail": "530 5.7.0 Authentication required"}) as server:
            result = refusal(server)
        assert (result.outcome, result.code, result.blame) == ("try_later", "auth_failed", "connection")

    def test_a_hint_in_seconds_is_handed_on(self):
        with ScriptedSmtp({"rcpt": "450 4.7.1 Greylisted, please retry in 300 seconds"}) as server:
            result = refusal(server)
        assert (result.outcome, result.retry_after, result.blame) == ("try_later", 300, "")

    def test_a_message_too_big_for_the_server_is_refused_before_it_is_sent(self):
        with ScriptedSmtp(features=("SIZE 50",)) as server:
            result = refusal(server)
        assert (result.outcome, result.code) == ("refused", "5.3.4")

    def test_8_bit_text_goes_only_where_it_is_taken(self):
        parcel = replace(PARCEL, raw=RAW + "Grüße\r\n".encode())
        with ScriptedSmtp(features=("SIZE 9000",)) as server:
            assert refusal(server, parcel).code == "5.6.3"
        with ScriptedSmtp() as server:
            assert send(server, parcel).outcome == "sent"
            assert any(line.endswith("BODY=8BITMIME") for line in server.commands)


class TestLostConnections:
    """F2: whatever happens before the dot, nothing was accepted; F4 and F5: after it, only an answer tells."""

    @pytest.mark.parametrize("stage", [*BEFORE_THE_DOT, "body"])
    @pytest.mark.parametrize("action", [Drop(), Hang()], ids=["drop", "hang"])
    def test_before_the_dot_it_is_try_later(self, stage, action):
        parcel = replace(PARCEL, raw=RAW + b"x" * 70 + b"\r\n" + b"0123456789abcdef\r\n" * 600_000)
        with ScriptedSmtp({stage: action}, features=("AUTH PLAIN",)) as server:
            result = refusal(server, parcel, username="ann", password="pw")
        assert (result.outcome, result.blame) == ("try_later", "connection")
        assert server.bodies == []

    @pytest.mark.parametrize("accept", [True, False])
    @pytest.mark.parametrize("kind", [Drop, Hang])
    def test_after_the_dot_it_is_unknown(self, kind, accept):
        with ScriptedSmtp({"dot": kind(accept=accept)}) as server:
            assert send(server).outcome == "unknown"
        assert len(server.bodies) == accept

    def test_after_an_unknown_the_session_goes_on_over_a_new_connection(self):
        with ScriptedSmtp({"dot": [Drop(accept=True), OK]}) as server:
            with transport_for("smtp").open(box_for(server)) as session:
                assert session.prepare(numbered(1)).commit().outcome == "unknown"
                assert session.prepare(numbered(2)).commit().outcome == "sent"
        assert server.connections == 2

    def test_a_server_that_left_before_the_dot_accepted_nothing(self):
        with ScriptedSmtp({"body": Drop()}) as server, transport_for("smtp").open(box_for(server)) as session:
            handoff = session.prepare(PARCEL)
            wait_until(lambda: server.starts)
            wait_until(lambda: not session.wire.is_quiet())
            assert handoff.commit().outcome == "try_later"

    def test_an_answer_before_the_dot_is_not_taken_for_the_answer_to_it(self):
        with ScriptedSmtp({"data": "354 Go on\r\n250 2.0.0 OK queued as TOOSOON"}) as server:
            with transport_for("smtp").open(box_for(server)) as session:
                result = session.prepare(PARCEL).commit()
        assert result.outcome == "try_later"
        assert server.bodies == []

    def test_what_the_server_said_in_mid_body_is_kept(self):
        with ScriptedSmtp({"body": "552 5.3.4 Too big"}) as server:
            with transport_for("smtp").open(box_for(server)) as session:
                handoff = session.prepare(PARCEL)
                wait_until(lambda: server.starts)
                wait_until(lambda: not session.wire.is_quiet())
                result = handoff.commit()
        assert result.outcome in ("refused", "try_later")
        assert server.bodies == []

    def test_a_closed_port_is_remembered_for_the_batch(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with transport_for("smtp").open(Box(smtp_port=port)) as session:
            for number in range(3):
                with pytest.raises(NotAccepted) as caught:
                    session.prepare(numbered(number))
                assert (caught.value.result.outcome, caught.value.result.blame) == ("try_later", "connection")

    @pytest.mark.parametrize("stage", ["connect", "ehlo", "auth"])
    def test_trouble_with_the_connection_makes_one_attempt_for_the_batch(self, stage):
        with ScriptedSmtp({stage: Drop()}, features=("AUTH PLAIN",)) as server:
            with transport_for("smtp").open(box_for(server, username="ann", password="pw")) as session:
                for number in range(5):
                    with pytest.raises(NotAccepted):
                        session.prepare(numbered(number))
        assert server.connections == 1


class TestRudeServers:
    """F17 and F19."""

    @pytest.mark.parametrize("stage", [*BEFORE_THE_DOT, "starttls"])
    @pytest.mark.parametrize("action", [Endless(lines=True), Endless(lines=False)], ids=["lines", "one-line"])
    def test_an_endless_answer_is_cut_off(self, stage, action, trusted):
        tls = trusted.context if stage == "starttls" else None
        with ScriptedSmtp({stage: action}, features=("AUTH PLAIN",), tls=tls) as server:
            security = "starttls" if tls else "none"
            result = refusal(server, username="ann", password="pw", smtp_security=security)
        assert (result.outcome, result.code) == ("try_later", "bad_answer")

    @pytest.mark.parametrize("stage", BEFORE_THE_DOT)
    def test_a_dripping_answer_does_not_hold_the_worker(self, stage):
        drip = Drip("250 " + "slow " * 200, seconds=0.05)
        with ScriptedSmtp({stage: drip}, features=("AUTH PLAIN",)) as server:
            result = refusal(server, username="ann", password="pw")
        assert (result.outcome, result.code) == ("try_later", "timeout")

    def test_a_dripping_answer_to_the_dot_ends_as_unknown(self):
        with ScriptedSmtp({"dot": Drip("250 " + "slow " * 200, seconds=0.05)}) as server:
            assert send(server).outcome == "unknown"

    def test_an_endless_answer_to_the_dot_ends_as_unknown(self):
        with ScriptedSmtp({"dot": Endless()}) as server:
            assert send(server).outcome == "unknown"

    def test_all_steps_before_the_dot_share_one_deadline(self, settings):
        """Each step stays under its own limit (0.6 s); together they pass the whole (0.8 s)."""
        codes = {"mail": 250, "rcpt": 250, "data": 354}
        script = {stage: Drip(f"{code} ok", seconds=0.05) for stage, code in codes.items()}
        with ScriptedSmtp(script) as server:
            result = refusal(server)
        assert (result.outcome, result.code) == ("try_later", "timeout")
        assert server.verbs()[1] == "MAIL"

    def test_the_whole_is_never_more_than_80_seconds(self, settings):
        settings.SMTP_STEP_TIMEOUT_SECONDS = 3600
        with CountingSmtp() as server, transport_for("smtp").open(box_for(server)) as session:
            session.prepare(PARCEL)
            assert session.finish - time.monotonic() <= 80

    @pytest.mark.parametrize("reply", ["250 2.0.0 OK", "220 Hello"])
    def test_without_a_354_no_body_is_sent(self, reply):
        with ScriptedSmtp({"data": reply}) as server:
            result = refusal(server)
        assert result.outcome == "try_later"
        assert server.starts == []

    @pytest.mark.parametrize("reply", ["HTTP/1.1 400 Bad Request", "250", "999 what", "\xff\xfe", ""])
    def test_a_greeting_that_is_not_smtp_is_no_greeting(self, reply):
        with ScriptedSmtp({"connect": reply or "\r\n"}) as server:
            assert refusal(server).outcome == "try_later"

    def test_an_8_bit_multi_line_answer_is_read_and_made_readable(self):
        with ScriptedSmtp({"rcpt": "550-5.1.1 Unbekannter\x07 Empfänger\r\n550 5.1.1 \u202eGrüße"}) as server:
            result = refusal(server)
        assert result.code == "5.1.1"
        assert result.detail == "RCPT: 550 5.1.1 Unbekannter Empfänger 5.1.1 Grüße"

    def test_a_strange_code_after_the_dot_is_unknown(self):
        with ScriptedSmtp({"dot": "354 Go on"}) as server:
            assert send(server).outcome == "unknown"


class TestEncryption:
    """F17 and F18."""

    @pytest.mark.parametrize("first", [True, False], ids=["tls", "starttls"])
    def test_mail_and_password_go_encrypted(self, first, trusted):
        with ScriptedSmtp(features=("AUTH PLAIN",), tls=trusted.context, tls_first=first) as server:
            security = "tls" if first else "starttls"
            result = send(server, smtp_host="localhost", smtp_security=security, username="ann", password="pw")
        assert result.outcome == "sent"
        assert server.credentials == [("ann", "pw")]

    def test_many_encrypted_messages_share_one_connection(self, trusted):
        with ScriptedSmtp(tls=trusted.context) as server:
            with transport_for("smtp").open(box_for(server, smtp_security="starttls")) as session:
                assert [session.prepare(numbered(n)).commit().outcome for n in range(3)] == ["sent"] * 3
        assert server.connections == 1

    def test_a_stripped_starttls_sends_nothing_in_clear(self):
        with ScriptedSmtp(features=("AUTH PLAIN",)) as server:
            result = refusal(server, smtp_security="starttls", username="ann", password="pw")
        assert (result.outcome, result.code, result.blame) == ("try_later", "tls_required", "connection")
        assert server.verbs() == ["EHLO"]

    def test_a_refused_starttls_sends_nothing_in_clear(self, trusted):
        with ScriptedSmtp({"starttls": "454 4.7.0 TLS not available"}, tls=trusted.context) as server:
            result = refusal(server, smtp_security="starttls", username="ann", password="pw")
        assert (result.outcome, result.blame) == ("try_later", "connection")
        assert set(server.verbs()) == {"EHLO", "STARTTLS"}

    def test_words_smuggled_in_before_encryption_end_the_connection(self, trusted):
        script = {"starttls": "220 Go ahead\r\n250 AUTH PLAIN injected"}
        with ScriptedSmtp(script, tls=trusted.context) as server:
            result = refusal(server, smtp_security="starttls", username="ann", password="pw")
        assert result.outcome == "try_later"
        assert server.credentials == []

    def test_an_unknown_authority_is_said(self, certificates):
        tls_context.cache_clear()
        with ScriptedSmtp(tls=certificates.context) as server:
            result = refusal(server, smtp_security="starttls", username="ann", password="pw")
        assert (result.outcome, result.code, result.blame) == ("try_later", "certificate_invalid", "connection")
        assert "certificate is not valid" in result.detail
        assert server.credentials == []

    @pytest.mark.parametrize("wrong", [{"days": -1}, {"names": ("mail.other.test",)}], ids=["expired", "other-name"])
    def test_an_expired_or_foreign_certificate_is_said(self, wrong, tmp_path, monkeypatch):
        bad = make_certificates(tmp_path, **wrong)
        monkeypatch.setenv("SSL_CERT_FILE", str(bad.authority))
        tls_context.cache_clear()
        with ScriptedSmtp(tls=bad.context, tls_first=True) as server:
            result = refusal(server, smtp_security="tls")
        tls_context.cache_clear()
        assert result.code == "certificate_invalid"

    def test_a_server_that_speaks_no_tls_is_said(self):
        with ScriptedSmtp() as server:
            result = refusal(server, smtp_security="tls")
        assert (result.outcome, result.code, result.blame) == ("try_later", "tls_failed", "connection")

    def test_mail_in_clear_leaves_the_private_networks_never(self, monkeypatch):
        """The name resolves to a public address; no connection is tried."""
        answer = [(socket.AF_INET, 1, 6, "", ("93.184.215.14", 25))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
        with transport_for("smtp").open(Box(smtp_port=25, smtp_host="mail.example")) as session:
            with pytest.raises(NotAccepted) as caught:
                session.prepare(PARCEL)
        assert (caught.value.result.outcome, caught.value.result.code) == ("try_later", "tls_required")

    def test_a_private_host_is_not_connected_to(self, settings):
        settings.OUTBOUND_PRIVATE_NETWORKS = []
        with ScriptedSmtp() as server:
            result = refusal(server)
        assert (result.outcome, result.code) == ("try_later", "address_refused")
        assert server.connections == 0


class TestSignIn:
    @pytest.mark.parametrize("method", ["PLAIN", "LOGIN", "CRAM-MD5 LOGIN PLAIN"])
    def test_it_signs_in_with_any_letters(self, method):
        with ScriptedSmtp(features=(f"AUTH {method}",)) as server:
            assert send(server, username="ann@acme.test", password="Straße✓").outcome == "sent"
        assert server.credentials == [("ann@acme.test", "Straße✓")]

    def test_a_wrong_password_is_tried_once_for_the_batch(self):
        with ScriptedSmtp({"auth": "535 5.7.8 Not accepted"}, features=("AUTH PLAIN LOGIN",)) as server:
            with transport_for("smtp").open(box_for(server, username="ann", password="no")) as session:
                for number in range(5):
                    with pytest.raises(NotAccepted) as caught:
                        session.prepare(numbered(number))
        result = caught.value.result
        assert (result.outcome, result.code, result.blame) == ("try_later", "auth_failed", "connection")
        assert len(server.credentials) == 1

    def test_a_server_without_a_way_to_sign_in_is_said(self):
        with ScriptedSmtp() as server:
            result = refusal(server, username="ann", password="pw")
        assert (result.outcome, result.code) == ("try_later", "auth_failed")


class TestSmuggling:
    """S14: whatever the body holds, it arrives as one message."""

    @pytest.mark.parametrize(
        "ending", [b"\n.\n", b"\r.\r", b"\r\n.\r\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r"]
    )
    def test_an_end_of_data_in_the_text_ends_nothing(self, ending):
        smuggled = b"MAIL FROM:<evil@test>\r\nRCPT TO:<victim@test>\r\nDATA\r\nSubject: two\r\n\r\nboo\r\n"
        with CountingSmtp() as server:
            assert send(server, replace(PARCEL, raw=RAW + b"text" + ending + smuggled)).outcome == "sent"
        assert len(server.messages) == 1
        assert smuggled in server.messages[0].raw

    @pytest.mark.parametrize("raw", [b"", b".", b"..", b"\n", b"\r", b".\r\n.", b"a\r\r\nb", b"a\n\rb", b"no end"])
    def test_the_wire_carries_crlf_only_and_doubled_dots(self, raw):
        body = on_the_wire(raw)
        assert body.endswith(b"\r\n")
        assert body.replace(b"\r\n", b"").count(b"\r") + body.replace(b"\r\n", b"").count(b"\n") == 0
        assert not any(line.startswith(b".") and not line.startswith(b"..") for line in body.split(b"\r\n"))

    @pytest.mark.parametrize(
        "address",
        [
            "a@b.test>\r\nRCPT TO:<c@d.test",
            "a b@c.test",
            "<a@b.test>",
            "ä@b.test",
            "",
            "a@b.test\x00",
            "no-at",
            "a" * 65 + "@b.test",
        ],
    )
    def test_an_address_that_is_none_never_reaches_the_server(self, address):
        with ScriptedSmtp() as server:
            assert refusal(server, replace(PARCEL, rcpt_to=address)).blame == "recipient"
            assert refusal(server, replace(PARCEL, mail_from=address)).blame == "sender"
        assert server.connections == 0


class TestCheck:
    def test_it_says_that_the_settings_work(self):
        with ScriptedSmtp(features=("AUTH PLAIN",)) as server:
            works, sentence = transport_for("smtp").check(box_for(server, username="ann", password="pw"))
        assert works and sentence
        assert "MAIL" not in server.verbs()

    def test_it_gives_one_answer_to_open_closed_refused_and_forbidden(self, caplog, settings):
        """S12: the form is no port scanner; the log has the cause."""
        caplog.set_level(logging.INFO)
        with socket.create_server(("127.0.0.1", 0)) as free:
            closed = free.getsockname()[1]
        with (
            ScriptedSmtp({"connect": "HTTP/1.1 200 OK"}) as other,
            ScriptedSmtp({"connect": Hang()}) as silent,
            ScriptedSmtp({"auth": "535 no"}, features=("AUTH PLAIN",)) as wrong,
        ):
            boxes = [Box(port, username="ann", password="pw") for port in (closed, other.port, silent.port, wrong.port)]
            boxes.append(Box(22, smtp_host="10.0.0.1"))
            answers = {transport_for("smtp").check(box) for box in boxes}
        assert answers == {(False, CHECK_FAILED)}
        assert "bad_answer" in caplog.text and "address_refused" in caplog.text


class TestReading:
    """The pure parts."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("4.7.1 Greylisted, retry in 300 seconds", 300),
            ("try again in 5 minutes", 300),
            ("Please wait at least 60 secs", 60),
            ("Greylisted for 2 hours", 7200),
            ("retry after 30s", 30),
            ("come back in 999999 hours", 72 * 3600),
            ("4.2.1 Busy", None),
            ("too many for 10 messages", None),
        ],
    )
    def test_it_finds_the_servers_hint(self, text, seconds):
        assert hint(text) == seconds

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("2.0.0 Ok: queued as 4XyZ12abc", "4XyZ12abc"),
            ("OK id=1rXXXX-000abc-XX", "1rXXXX-000abc-XX"),
            ("2.6.0 <a@b> [InternalId=12345678, Hostname=x] Queued mail for delivery", "12345678"),
            ("2.0.0 OK  1700000000 abc123-20020a05 - gsmtp", "abc123-20020a05"),
            ("2.0.0 3A1B2C4D5E Message accepted for delivery", "3A1B2C4D5E"),
            ("Ok 0100018f-aaaa-bbbb-cccc-000000", "0100018f-aaaa-bbbb-cccc-000000"),
            ("OK", ""),
        ],
    )
    def test_it_finds_the_queue_id(self, text, found):
        assert queue_id(text) == found

    def test_policy_blocks_are_the_senders_fault_and_greylisting_is_nobodys(self):
        assert result_of("rcpt", 451, "4.7.650 Too many").blame == "sender"
        assert result_of("rcpt", 451, "4.7.1 Greylisting in action").blame == ""

    def test_before_the_point_of_no_return_nothing_is_sent_or_unknown(self):
        for outcome in ("sent", "unknown"):
            with pytest.raises(ValueError):
                NotAccepted(SendResult(outcome))


def wait_until(condition, *, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("It did not happen.")
        time.sleep(0.005)
