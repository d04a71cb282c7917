from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sending.bounces import classify
from sending.inbound import read_mail
from sending.opt_out import is_opt_out
from sending.reply_text import own_words
from sending.return_dates import away_until

MAIL = Path(__file__).parent.parent / "data" / "mail"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SAMPLES = sorted(path.read_bytes() for path in MAIL.glob("*.eml"))


def read(raw: bytes | str, **options):
    return read_mail(raw.encode() if isinstance(raw, str) else raw, received_at=NOW, **options)


def letter(text: str, *, subject="Re: Hello", headers="") -> str:
    return (
        f"From: Ann <ann@lead.example>\nTo: me@ours.example\nSubject: {subject}\nMessage-ID: <a1@lead.example>\n"
        f"In-Reply-To: <ours2@ours.example>\nReferences: <ours1@ours.example> <ours2@ours.example>\n{headers}\n{text}"
    )


class TestRealMail:
    @pytest.mark.parametrize(
        ("name", "kind", "hardness", "status"),
        [
            ("lhost-courier-01", "bounce", "hard", "5.1.1"),
            ("lhost-exim-02", "bounce", "hard", "5.1.1"),
            ("lhost-exchange2007-02", "bounce", "soft", "5.2.2"),
            ("lhost-sendmail-34", "bounce", "blocked", "5.7.0"),
            ("rhost-google-02", "bounce", "hard", "5.1.1"),  # its boundary is broken
            ("chatwoot_bounced_gmail_2025_empty_dsn_part", "bounce", "hard", "5.1.1"),
            ("chatwoot_bounced_with_no_from_truncated", "bounce", "hard", "5.7.1"),
            ("rhost-gsuite-06", "delayed", "soft", "4.4.1"),
            ("arf-02", "complaint", None, None),
            ("rfc3834-01", "auto_reply", None, None),
            ("gitlab_auto_reply_x-autoreply", "auto_reply", None, None),
        ],
    )
    def test_it_is_told_apart(self, name, kind, hardness, status):
        mail = read((MAIL / f"{name}.eml").read_bytes())
        assert mail.kind == kind
        assert (mail.bounce and mail.bounce.hardness, mail.bounce and mail.bounce.status) == (hardness, status)

    def test_a_bounce_names_who_failed_and_our_mail(self):
        mail = read((MAIL / "chatwoot_bounced_gmail_2025_empty_dsn_part.eml").read_bytes())
        assert mail.bounce.recipient == "alex.jones@fictionalcorp.com"
        assert mail.references[0].endswith("/messages/27855337@gmail.com>")

    def test_an_away_note_gives_the_day_of_return(self):
        raw = (MAIL / "rfc3834-01.eml").read_bytes()
        assert read_mail(raw, received_at=datetime(2026, 4, 28, tzinfo=UTC)).away_until == datetime(
            2026, 5, 5, tzinfo=UTC
        )


class TestReplies:
    def test_a_person_s_answer_keeps_only_their_words(self):
        mail = read(
            letter(
                "Sounds good!\n\nOn Mon, Nov 2, 2026 at 9:01 AM Me <me@ours.example>\nwrote:\n\n> Hello\n> Unsubscribe"
            )
        )
        assert (mail.kind, mail.reply_text) == ("reply", "Sounds good!")
        assert mail.references == ("<ours2@ours.example>", "<ours1@ours.example>")
        assert (mail.from_email, mail.to_email) == ("ann@lead.example", "me@ours.example")

    @pytest.mark.parametrize(
        "quote",
        [
            "Am Mo., 2. Nov. 2026 um 09:01 Uhr schrieb Me <me@ours.example>:\n\n> Hallo",
            "Le lun. 2 nov. 2026 à 09:01, Me <me@ours.example> a écrit :\n\n> Bonjour",
            "El lun, 2 nov 2026 a las 9:01, Me (<me@ours.example>) escribió:\n\n> Hola",
            "-----Original Message-----\nFrom: Me\nSent: Monday\nTo: Ann\nSubject: Hello\n\nHello",
            "____________________\nVon: Me <me@ours.example>\nGesendet: heute\nAn: Ann\nBetreff: Hallo\n\nHi",
            "De : Me <me@ours.example>\nEnvoyé : lundi\nÀ : Ann\nObjet : Bonjour\n\nBonjour",
            '23 mar 2026 21:25 "Me" <me@ours.example> napisał(a):\n\n> Hej',
            "-- \nAnn\nCEO",
            "Sent from my iPhone",
        ],
    )
    def test_the_quote_is_left_out_in_every_common_form(self, quote):
        assert own_words(f"First line.\n\nSecond line.\n\n{quote}") == "First line.\n\nSecond line."

    def test_answers_between_quoted_lines_are_kept(self):
        assert own_words("On Mon, Nov 2, 2026 Me wrote:\n> Price?\n\n100 euro\n\n> When?\n\nNow") == "100 euro\n\nNow"

    def test_a_line_right_above_the_quote_is_not_swallowed(self):
        assert own_words("Thanks, Joe\nOn Tue, 2011-03-01 at 18:02 +0530, Some One wrote:\n> Hello") == "Thanks, Joe"

    def test_a_mail_in_html_only_has_text(self):
        mail = read(
            letter("<p>Yes, <b>call</b> me</p><blockquote>old</blockquote>", headers="Content-Type: text/html\n")
        )
        assert mail.reply_text == "Yes, call me"

    def test_a_mail_without_an_id_always_gets_the_same_one(self):
        raw = "From: a@b.example\nSubject: x\n\nhi"
        assert read(raw).message_id == read(raw).message_id
        assert read(raw).message_id.endswith("@missing>")

    def test_texts_hold_nothing_a_database_refuses(self):
        mail = read(letter("a\x00b \ufffe", subject="=?utf-8?q?x=00y?="))
        assert "\x00" not in mail.text + mail.subject


class TestOptOut:
    @pytest.mark.parametrize(
        "words",
        [
            "Please remove me from your list.",
            "unsubscribe",
            "STOP",
            "Hi,\n\nplease take me off your list.\n\nThanks, Ann",
            "Bitte streichen Sie mich aus dem Verteiler",
            "Abmelden!",
            "Merci de ne plus me contacter",
            "Je souhaite me désabonner",
            "Por favor, denme de baja",
            "No me contacten más",
            "Don't email me again.",
        ],
    )
    def test_a_plain_request_is_one(self, words):
        assert is_opt_out(words)
        assert read(letter(words)).kind == "unsubscribe"

    @pytest.mark.parametrize(
        "words",
        [
            "",
            "Can you remove me?",
            "Please don't remove me from the list",
            "Stop by our office on Monday",
            "Do not contact me before Thursday, but then call.",
            "Interesting, our unsubscribe rate is high too",
            "We would like to opt out of our present contract first, which takes until June, so let us talk again then",
        ],
    )
    def test_anything_else_is_left_for_a_person(self, words):
        assert not is_opt_out(words)

    def test_our_own_footer_in_the_quote_is_not_their_request(self):
        assert read(letter("Nice!\n\nOn Mon, Nov 2, 2026 Me wrote:\n> Unsubscribe here")).kind == "reply"

    def test_a_mail_to_the_unsubscribe_address_is_one(self):
        assert read("From: a@b.example\nTo: unsubscribe+tok@ours.example\nSubject: x\n\n").kind == "unsubscribe"
        raw = "From: a@b.example\nTo: out@ours.example\nSubject: x\n\n"
        assert read(raw, unsubscribe_addresses={"out@ours.example"}).kind == "unsubscribe"


class TestAutomaticMail:
    @pytest.mark.parametrize(
        ("subject", "headers"),
        [
            ("Re: Hello", "Auto-Submitted: auto-replied\n"),
            ("Re: Hello", "X-Autoreply: yes\n"),
            ("Re: Hello", "Precedence: auto_reply\n"),
            ("Automatic reply: Hello", ""),
            ("Automatische Antwort: Hallo", ""),
            ("Réponse automatique : Bonjour", ""),
            ("Respuesta automática: Hola", ""),
            ("Out of Office: Hello", ""),
            ("Abwesenheitsnotiz", ""),
        ],
    )
    def test_a_machine_s_answer_is_no_reply(self, subject, headers):
        assert read(letter("I am away.", subject=subject, headers=headers)).kind == "auto_reply"

    def test_a_person_answering_an_automatic_reply_is_a_person(self):
        assert (
            read(letter("Still interested", subject="Re: Automatic reply: Hello", headers="Auto-Submitted: no\n")).kind
            == "reply"
        )

    def test_a_read_receipt_and_a_calendar_answer_need_no_action(self):
        receipt = "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\n"
        receipt += "Auto-Submitted: auto-replied\n"
        assert read(letter("--x\n\nread\n--x--", headers=receipt)).kind == "ignored"
        assert read(letter("BEGIN:VCALENDAR", headers="Content-Type: text/calendar; method=REPLY\n")).kind == "ignored"

    @pytest.mark.parametrize(
        ("text", "day"),
        [
            ("I am back on 3 December.", (2026, 12, 3)),
            ("I'll be back on December 3rd, 2026", (2026, 12, 3)),
            ("away until 2026-12-03", (2026, 12, 3)),
            ("Ich bin bis zum 03.12.2026 nicht im Büro", (2026, 12, 3)),
            ("ab dem 3. Dezember wieder erreichbar", (2026, 12, 3)),
            ("Je suis absent jusqu'au 3 décembre", (2026, 12, 3)),
            ("de retour le 03/12/2026", (2026, 12, 3)),
            ("Estaré fuera hasta el 3 de diciembre", (2026, 12, 3)),
            ("returning January 4", (2027, 1, 4)),
            ("on leave from 30.11. bis 11.12.", (2026, 12, 11)),
            ("I will travel December 10-12.", (2026, 12, 12)),
            ("Back on Monday!", (2026, 11, 23)),
            ("Zurück am Dienstag", (2026, 11, 24)),
        ],
    )
    def test_the_return_date_is_read(self, text, day):
        assert away_until(text, received_at=NOW) == datetime(*day, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        ["I am away.", "Back on 30 February 2026", "until 2019-01-01", "Call +49 30 12 12 26", "until 9999-99-99", ""],
    )
    def test_no_date_is_none(self, text):
        assert away_until(text, received_at=NOW) is None


class TestHardness:
    @pytest.mark.parametrize(
        ("status", "words", "hardness"),
        [
            ("5.1.1", "", "hard"),
            ("5.0.0", "550 no such user here", "hard"),
            ("5.7.1", "recipient rejected: user x does not exist", "hard"),
            ("5.2.2", "", "soft"),
            ("4.4.1", "timed out", "soft"),
            ("5.1.1", "552 mailbox full", "soft"),
            ("", "", "soft"),
            ("4.1.1", "user unknown", "soft"),
            ("5.7.1", "", "blocked"),
            ("4.7.1", "greylisted, try again later", "soft"),
            ("4.7.0", "temporarily deferred due to user complaints", "blocked"),
            ("5.0.0", "rejected as spam", "blocked"),
            ("5.1.8", "", "blocked"),
            ("5.0.0", "Sender address rejected: domain not found", "blocked"),
            ("5.0.0", "listed at zen.spamhaus.org", "blocked"),
        ],
    )
    def test_codes_and_words_together_decide(self, status, words, hardness):
        assert classify(status, words) == hardness


class TestPoison:
    @pytest.mark.parametrize(
        "raw",
        [
            b"Subject: x\n\n" + b"a" * 10_000_001,
            b"X: " + b"a" * 70_000 + b"\n\nhi",
            b"X: a\n" * 501 + b"\nhi",
            b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 101,
            b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(30)),
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + b"X: " + b"a" * 70_000 + b"\n\nhi\n--b--",
        ],
    )
    def test_a_mail_beyond_a_limit_is_ignored_with_a_sentence(self, raw):
        mail = read(raw)
        assert mail.kind == "ignored"
        assert mail.problem.endswith(".")

    @pytest.mark.parametrize(
        "header",
        [
            "From: " + "(" * 5_000,
            "Message-ID: <[[[[",
            "From: " + "a@b.example," * 5_000,
            "Subject: " + "=?a?q?" * 9_000,
            "Content-Type: text/plain; charset=" + '"\\' * 9_000,
            "Content-Type: x" + ';a="' * 9_000,
            "Content-Type: text/plain; charset=rot13",
            "References: " + "<" * 60_000,
        ],
    )
    def test_hostile_headers_are_read_all_the_same(self, header):
        assert read(f"{header}\n\nhello").kind in {"reply", "ignored"}

    @given(st.binary(max_size=2_000))
    @settings(max_examples=150, deadline=None)
    def test_no_bytes_raise(self, raw):
        assert read(raw).kind

    @given(st.data())
    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large],
    )
    def test_no_damage_to_real_mail_raises(self, data):
        raw = bytearray(data.draw(st.sampled_from(SAMPLES)))
        for _ in range(data.draw(st.integers(1, 8))):
            start = data.draw(st.integers(0, len(raw) - 1))
            raw[start : start + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=40))
            raw = raw or bytearray(b"\n")
        mail = read(bytes(raw))
        assert "\x00" not in "".join(
            (mail.subject, mail.text, mail.html, mail.reply_text, mail.from_email, mail.message_id)
        )
        (mail.subject + mail.text + mail.html + mail.message_id + "".join(mail.references)).encode()
