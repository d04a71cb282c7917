import email
import email.policy
import socket
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import getaddresses
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from sending.mime import Letter, ascii_address, letter_bytes, message_id_for, to_crlf

WHEN = datetime(2026, 3, 4, 9, 5, 6, tzinfo=UTC)
CONTROLS = [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800]]


def letter(**fields):
    given = {
        "from_email": "ana@acme.test",
        "to_email": "lead@example.test",
        "subject": "Hello",
        "text": "Hi there",
        "html": "<p>Hi there</p>",
        "message_id": "<abc@acme.test>",
        "date": WHEN,
    }
    return Letter(**(given | fields))


def parsed(**fields):
    return email.message_from_bytes(letter_bytes(letter(**fields)), policy=email.policy.default)


def head(**fields):
    return letter_bytes(letter(**fields)).partition(b"\r\n\r\n")[0].decode("ascii")


def bodies(message):
    return [part.get_payload(decode=True).decode().rstrip("\r\n") for part in message.iter_parts()]


def decoded(value):
    return str(make_header(decode_header(value.replace("\r\n", ""))))


def check_wire(raw):
    raw.decode("ascii")
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\x00" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\r\n.\r\n" not in raw


class TestShape:
    def test_the_whole_letter_is_these_bytes(self):
        lines = letter_bytes(letter(from_name="Ana B", to_name="Lee")).decode().split("\r\n")
        assert lines[:8] == [
            "From: Ana B <ana@acme.test>",
            "To: Lee <lead@example.test>",
            "Subject: Hello",
            "Date: Wed, 04 Mar 2026 09:05:06 +0000",
            "Message-ID: <abc@acme.test>",
            "MIME-Version: 1.0",
            "Content-Type: multipart/alternative;",
            ' boundary="=_' + lines[7][13:],
        ]
        assert lines[8] == "" and lines[-1] == "" and lines[-2].endswith("--")

    def test_every_header_appears_once_and_no_other(self):
        message = parsed(
            reply_to="r@acme.test",
            in_reply_to="<a@x>",
            references=("<a@x>",),
            list_unsubscribe_url="https://out.test/u/T",
            list_unsubscribe_mailto="stop@acme.test",
        )
        assert message.keys() == [
            *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
            *("List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Content-Type"),
        ]

    def test_text_comes_before_html(self):
        message = parsed(text="Hi ñ", html="<p>Hi ñ</p>")
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert bodies(message) == ["Hi ñ", "<p>Hi ñ</p>"]

    def test_without_html_it_is_text_only(self):
        message = parsed(html="")
        assert message.get_content_type() == "text/plain"
        assert message.get_content().split() == ["Hi", "there"]

    def test_the_same_letter_gives_the_same_bytes(self):
        assert letter_bytes(letter()) == letter_bytes(letter())

    def test_nothing_is_wrong_with_it_by_the_standard_library(self):
        message = parsed(subject="é" * 200, from_name='Zoë, "the" boss', text="x" * 5000, references=("<a@x>",) * 30)
        assert [message.defects, *(part.defects for part in message.walk())] == [[], [], [], []]
        assert all(not value.defects for value in message.values())

    def test_blank_text_and_blank_subject_are_refused(self):
        for fields in ({"text": " \n"}, {"subject": " "}):
            with pytest.raises(ValueError, match="blank"):
                letter_bytes(letter(**fields))

    def test_a_date_without_zone_is_refused(self):
        with pytest.raises(ValueError, match="timezone"):
            letter_bytes(letter(date=datetime(2026, 1, 1)))


class TestHeaders:
    @pytest.mark.parametrize(
        "subject",
        ["Hello", "Grüße", "=?utf-8?B?eA==?=", "日本語" * 60, "x" * 3000, "word " * 300 + "end", "😀" * 100],
    )
    def test_a_subject_arrives_as_it_was(self, subject):
        assert decoded(email.message_from_bytes(letter_bytes(letter(subject=subject)))["Subject"]) == subject
        check_wire(letter_bytes(letter(subject=subject)))

    @pytest.mark.parametrize(
        "name",
        ["Ana", "Ana B. Cé", 'Dr. "X" \\ Y', "a@b.test, c@d.test", "x" * 300, "=?x?=", "日本" * 50, "<e@x.test>"],
    )
    def test_names_arrive_as_they_were_and_add_no_address(self, name):
        message = email.message_from_bytes(letter_bytes(letter(from_name=name, to_name=name)))
        for header, address in (("From", "ana@acme.test"), ("To", "lead@example.test")):
            found = getaddresses(message.get_all(header))
            assert [(decoded(display), address) for display, address in found] == [(name, address)]

    @pytest.mark.parametrize(
        "field",
        ["subject", "from_name", "to_name", "from_email", "to_email", "reply_to", "message_id", "in_reply_to"]
        + ["list_unsubscribe_url", "list_unsubscribe_mailto"],
    )
    @pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"{ord(control):04x}")
    def test_control_characters_are_refused(self, field, control):
        valid = {"message_id": "<a@x>", "in_reply_to": "<a@x>", "list_unsubscribe_url": "https://x.test/"}
        value = valid.get(field, "ab@acme.test")
        for poisoned in (value[:3] + control + "Bcc: x@y.test" + value[3:], value + control, control + value):
            with pytest.raises(ValueError):
                letter_bytes(letter(**{field: poisoned}))

    def test_control_characters_in_references_are_refused(self):
        with pytest.raises(ValueError, match="control"):
            letter_bytes(letter(references=("<a@x>", "<b@x>\r\nBcc: y")))

    def test_a_follow_up_names_what_it_follows(self):
        message = parsed(in_reply_to="<b@x>", references=("<a@x>", "<b@x>"))
        assert (message["In-Reply-To"], message["References"]) == ("<b@x>", "<a@x> <b@x>")

    def test_malformed_foreign_ids_are_left_out(self):
        message = parsed(in_reply_to="<b c@x>", references=("<a@x>", "b@x", "<é@x>", ""))
        assert (message["In-Reply-To"], message["References"]) == (None, "<a@x>")

    def test_long_references_keep_the_first_and_the_latest(self):
        ids = tuple(f"<{n}{'x' * 60}@x>" for n in range(50))
        kept = parsed(references=ids)["References"].split()
        assert kept == [ids[0], *ids[-19:]]

    def test_one_click_unsubscribe(self):
        message = parsed(list_unsubscribe_url="https://out.test/u/TOKEN", list_unsubscribe_mailto="stop@acme.test")
        assert message["List-Unsubscribe"] == "<https://out.test/u/TOKEN>, <mailto:stop@acme.test>"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_without_a_url_there_is_no_one_click(self):
        message = parsed(list_unsubscribe_mailto="mailto:stop@acme.test?subject=T")
        assert message["List-Unsubscribe"] == "<mailto:stop@acme.test?subject=T>"
        assert message["List-Unsubscribe-Post"] is None

    @pytest.mark.parametrize(
        "url", ["javascript:x", "https://x.test/>, <https://evil.test", "https://x.test/a b", "https://é.test"]
    )
    def test_a_link_that_breaks_the_header_is_refused(self, url):
        with pytest.raises(ValueError):
            letter_bytes(letter(list_unsubscribe_url=url))

    def test_lines_are_short(self):
        lines = head(
            subject="Grüße " * 40,
            from_name="Ä" * 80,
            to_name="word " * 12,
            references=tuple(f"<{n}{'x' * 40}@acme.test>" for n in range(9)),
            list_unsubscribe_url="https://out.test/u/" + "T" * 30,
            list_unsubscribe_mailto="stop@acme.test",
        ).split("\r\n")
        assert max(map(len, lines)) <= 78


class TestAddresses:
    def test_an_international_domain_becomes_punycode(self):
        assert parsed(to_email="lead@BÜCHER.example")["To"] == "lead@xn--bcher-kva.example"

    @pytest.mark.parametrize(
        "address",
        ["", "@", "a@", "@b.test", "a b@c.test", "a@b c.test", "a@b..test", "a@-b.test", "a@b.test.", ".a@b.test"]
        + ["a..b@c.test", "<a@b.test>", '"a b"@c.test', "é@b.test", "a@b@c.test", "a,b@c.test", "a@[127.0.0.1]"]
        + ["a@b.test>\r\nRCPT TO:<x@y.test", "a@\u2028b.test", "((((@b.test", "a@é\u200b .test"]
        + ["a" * 65 + "@b.test", "a@" + "b" * 64 + ".test", "a@" + "b." * 130 + "test"],
    )
    def test_what_smtp_cannot_carry_is_refused(self, address):
        with pytest.raises(ValueError):
            ascii_address(address)

    @pytest.mark.parametrize("address", ["a+b@c.test", "o'n@c.test", "a@localhost", "A.b@c-d.test", "a@xn--bcher.test"])
    def test_ordinary_ones_pass(self, address):
        assert ascii_address(address) == address


SMUGGLES = ["\n.\n", "\r.\r", "\r\n.\r\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\r\r\n.\r\r\n", "\n..\n"]


class TestBodies:
    @pytest.mark.parametrize(
        "text",
        ["x" * 5000, "é" * 5000, "日本語" * 900, ".", "..\n.", "a\x00b\x0bc", "a \t", "=_" * 50, "a\n.", "😀" * 999],
    )
    def test_any_text_arrives_and_fits_the_wire(self, text):
        check_wire(letter_bytes(letter(text=text, html=text)))
        assert bodies(parsed(text=text, html=text)) == [text.replace("\n", "\r\n")] * 2

    def test_a_body_cannot_contain_the_boundary(self):
        raw = letter_bytes(letter())
        boundary = raw.partition(b'boundary="')[2].partition(b'"')[0].decode()
        text = f"a\n--{boundary}--\n--{boundary}\nb"
        assert bodies(parsed(text=text, html=text)) == [text.replace("\n", "\r\n")] * 2

    def test_mostly_foreign_text_is_base64(self):
        parts = list(parsed(text="日本語" * 99, html="<p>hello</p>").iter_parts())
        assert [part["Content-Transfer-Encoding"] for part in parts] == ["base64", "quoted-printable"]

    @given(st.text(max_size=300), st.text(max_size=60))
    def test_any_letter_at_all_fits_the_wire_or_is_refused(self, text, subject):
        try:
            raw = letter_bytes(letter(text=text, html=text, subject=subject, from_name=subject))
        except ValueError:
            return
        check_wire(raw)
        assert len(email.message_from_bytes(raw).get_payload()) == (2 if text.strip() else 1)

    @given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b" "]), max_size=30).map(b"".join))
    def test_line_ends_become_crlf(self, data):
        normal = to_crlf(data)
        assert b"\r" not in normal.replace(b"\r\n", b"") and b"\n" not in normal.replace(b"\r\n", b"")
        assert to_crlf(normal) == normal
        assert normal.replace(b"\r\n", b"") == data.replace(b"\r", b"").replace(b"\n", b"")

    @pytest.mark.parametrize("smuggle", SMUGGLES, ids=ascii)
    def test_no_line_is_a_lone_dot(self, smuggle):
        body = f"one{smuggle}MAIL FROM:<x@evil.test>{smuggle}"
        check_wire(letter_bytes(letter(text=body, html=body)))


class Counting:
    def __init__(self):
        self.received = []

    async def handle_DATA(self, server, session, envelope):
        self.received.append(envelope.content)
        return "250 OK"


def test_smuggling_bodies_arrive_as_one_message_each():
    """S14, on a real server and without the dot-stuffing a client would add."""
    handler = Counting()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            replies = connection.makefile("rb")
            replies.readline()
            for smuggle in SMUGGLES:
                evil = f"a{smuggle}MAIL FROM:<x@evil.test>\r\nRCPT TO:<y@evil.test>\r\nDATA\r\nx\r\n\r\nx{smuggle}"
                raw = letter_bytes(letter(text=evil, html=evil))
                for command in (b"HELO x", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA", raw + b"."):
                    connection.sendall(command + b"\r\n")
                    assert replies.readline()[:1] in b"23"
    finally:
        controller.stop()
    assert len(handler.received) == len(SMUGGLES)


class TestMessageId:
    KEY = b"key"
    ID = UUID("0191e0f0-0000-7000-8000-000000000001")

    def test_it_is_the_same_at_every_attempt(self):
        assert message_id_for(self.KEY, self.ID, "acme.test") == message_id_for(self.KEY, self.ID, "acme.test")

    def test_it_tells_nothing_of_the_id_and_fits_a_header(self):
        message_id = message_id_for(self.KEY, self.ID, "BÜCHER.example")
        assert message_id.endswith("@xn--bcher-kva.example>") and self.ID.hex[:8] not in message_id
        assert parsed(message_id=message_id)["Message-ID"] == message_id

    def test_other_keys_and_messages_give_others(self):
        ids = [message_id_for(key, UUID(int=number), "acme.test") for key in (b"a", b"b") for number in range(50)]
        assert len(set(ids)) == 100
