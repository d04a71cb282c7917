import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sending.bounces import classify
from sending.inbound import read_mail
from sending.opt_out import is_opt_out
from sending.reply_text import own_words, reply_text
from sending.return_dates import away_until

CORPORA = Path(__file__).parent.parent / "corpora"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
HEADERS = (
    "From", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Date", "Return-Path", "Auto-Submitted",
    "Content-Type", "Content-Transfer-Encoding", "X-Failed-Recipients", "Precedence",
)  # fmt: skip
SAMPLES = sorted(path.read_bytes() for path in CORPORA.glob("*/*.eml"))


def read(raw: bytes | str, **options):
    return read_mail(raw.encode() if isinstance(raw, str) else raw, received_at=NOW, **options)


def real(name: str) -> bytes:
    (path,) = CORPORA.glob(f"*/{name}.eml")
    return path.read_bytes()


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
        mail = read(real(name))
        assert mail.kind == kind
        assert (mail.bounce and mail.bounce.hardness, mail.bounce and mail.bounce.status) == (hardness, status)

    def test_a_bounce_names_who_failed_and_our_mail(self):
        mail = read(real("chatwoot_bounced_gmail_2025_empty_dsn_part"))
        assert mail.bounce.recipient == "alex.jones@fictionalcorp.com"
        assert mail.references[0].endswith("/messages/27855337@gmail.com>")

    def test_an_away_note_gives_the_day_of_return(self):
        assert read_mail(real("rfc3834-01"), received_at=datetime(2026, 4, 28, tzinfo=UTC)).away_until == datetime(
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

    def test_answers_between_quoted_lines_are_shown_with_what_they_answer(self):
        quoted = "> Price?\n\n100 euro\n\n> When?\n\nNow"
        assert reply_text(f"On Mon, Nov 2, 2026 Me wrote:\n{quoted}\n\n> Regards") == quoted

    def test_an_answer_below_the_whole_quote_is_shown_alone(self):
        assert reply_text("On Mon, Nov 2, 2026 Me wrote:\n> Price?\n> Me\n\n100 euro") == "100 euro"

    def test_a_forwarded_mail_is_shown_and_holds_no_words_of_the_sender(self):
        forward = "---------- Forwarded message ---------\nFrom: X <x@x.example>\nDate: Mon\nTo: Ann\n\nUnsubscribe me"
        assert reply_text(forward) == "Unsubscribe me"
        assert own_words(forward) == ""

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
            ("Risposta automatica: Ciao", ""),
            ("Automatisch antwoord: Hallo", ""),
            ("Automatiskt svar: Hej", ""),
            ("Automatyczna odpowiedź: Witam", ""),
            ("Автоматический ответ: Привет", ""),
            ("自動応答: こんにちは", ""),
            ("自动回复: 你好", ""),
            ("Re: Hello", "X-Auto-Response-Suppress: All\nPrecedence: bulk\n"),
            ("Re: Hello", "Return-Path: <>\n"),
        ],
    )
    def test_a_machine_s_answer_is_no_reply(self, subject, headers):
        assert read(letter("I am away.", subject=subject, headers=headers)).kind == "auto_reply"

    def test_a_person_answering_an_automatic_reply_is_a_person(self):
        assert (
            read(letter("Still interested", subject="Re: Automatic reply: Hello", headers="Auto-Submitted: no\n")).kind
            == "reply"
        )

    def test_what_exchange_puts_on_every_mail_does_not_make_it_automatic(self):
        headers = "X-Auto-Response-Suppress: DR, OOF, AutoReply\nX-MS-Exchange-Generated: no\n"
        assert read(letter("Sounds good", headers=headers)).kind == "reply"

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
            ("Sarò assente fino al 3 dicembre 2026", (2026, 12, 3)),
            ("Torno lunedì", (2026, 11, 23)),
            ("Estarei ausente até 3 de dezembro", (2026, 12, 3)),
            ("Ik ben tot en met 3 december afwezig", (2026, 12, 3)),
            ("Jag är tillbaka den 3 december", (2026, 12, 3)),
            ("Jeg er tilbage torsdag d. 3. december", (2026, 12, 3)),
            ("Olen lomalla 3.12.2026 asti", (2026, 12, 3)),
            ("Wracam 3 grudnia", (2026, 12, 3)),
            ("Vrátím se 3. prosince", (2026, 12, 3)),
            ("2026. december 3-ig szabadságon vagyok", (2026, 12, 3)),
            ("Вернусь 3 декабря", (2026, 12, 3)),
            ("12月3日まで不在にしております", (2026, 12, 3)),
            ("我将于2026年12月3日回来", (2026, 12, 3)),
            ("12월 3일까지 부재중입니다", (2026, 12, 3)),
            ("Gone from 11/23/2026, I will not return until 12/03/2026.", (2026, 12, 3)),
            ("away Nov 23 - Dec 3", (2026, 12, 3)),
            ("bis einschließlich 03.12.2026. Ab 04.12. bin ich wieder da", (2026, 12, 4)),
        ],
    )
    def test_the_return_date_is_read(self, text, day):
        assert away_until(text, received_at=NOW) == datetime(*day, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        [
            "Our office is open Monday to Friday",
            "Please write to sales@x.example. Version 2026.11.30",
            "I am away.",
            "Back on 30 February 2026",
            "until 2019-01-01",
            "Call +49 30 12 12 26",
            "until 9999-99-99",
            "",
        ],
    )
    def test_no_date_is_none(self, text):
        assert away_until(text, received_at=NOW) is None


class TestHardness:
    @pytest.mark.parametrize(
        ("status", "words", "hardness"),
        [
            ("5.1.1", "", "hard"),
            ("5.0.0", "550 unknown local-part in domain", "hard"),
            ("5.5.0", "550 invalid recipient", "hard"),
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

    @pytest.mark.parametrize("status", ["", "5.0.0", "5.2.1", "5.7.1"])
    def test_an_unknown_user_counts_as_the_answer_to_the_address_not_to_the_mail(self, status):
        said = "550 <ann@lead.example>... User unknown"
        assert classify(status, said, stage="recipient") == "hard"
        assert classify(status, said, stage="data") != "hard"
        assert classify(status, said) != "hard"

    def test_several_recipients_have_a_verdict_each(self):
        said = "ann@lead.example: 550 5.1.1 User unknown\nbob@lead.example: 552 5.2.2 Mailbox full\n"
        mail = read(f"From: MAILER-DAEMON@mx.example\nTo: me@ours.example\nSubject: Undelivered Mail\n\n{said}")
        assert mail.bounce_of("bob@lead.example").hardness == "soft"
        assert mail.bounce_of("Ann@lead.example").hardness == "hard"
        assert mail.bounce_of("else@lead.example").hardness == "hard"


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

    def test_naughty_strings_in_every_header(self):
        naughty = json.loads((CORPORA / "blns" / "blns.json").read_text())
        for words in naughty:
            value = words.replace("\n", " ").replace("\r", " ")
            headers = "".join(f"{name}: {value}\n" for name in HEADERS)
            mail = read(f"{headers}\n{words}".encode("utf-8", "surrogatepass"))
            (mail.subject + mail.text + mail.message_id + mail.reply_text).encode()

    def test_an_encoded_word_that_is_no_base64_is_shown_as_it_is(self):
        assert read(b"From: bob@example.test\nSubject: =?UTF-8?B?AAAAA?= Mail failure\n\nHi\n").subject.endswith(
            "Mail failure"
        )

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
