from datetime import UTC, datetime, timedelta

import pytest

from sending.inbound import read_mail
from sending.reactions import react, reaction_for

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ORIGINAL = "\r\n".join(
    [
        "From: =?utf-8?q?Zo=C3=AB?= <zoe@ours.example>",
        "To: {to}",
        "Subject: =?utf-8?q?Caf=C3=A9?= idea",
        "Date: Sun, 22 Nov 2026 09:00:00 +0000",
        "Message-ID: <abc@ours.example>",
        "References: <first@ours.example>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        "Hi Ann,",
        "a café?",
        "",
        "Unsubscribe: https://ours.example/u/x",
        "",
    ]
)
EXPECTED = {
    "reply": "reply",
    "ooo": "auto_reply",
    "bounce": "bounce",
    "soft": "bounce",
    "complaint": "complaint",
    "unsubscribe": "unsubscribe",
}
LIMITS = {
    "ok": (0, 0),
    "timeout": (0, 0),
    "bounce": (1, 600),
    "soft": (1, 600),
    "ooo": (60, 180),
    "reply": (1200, 21600),
    "unsubscribe": (600, 7200),
    "complaint": (3600, 10800),
}


def back(kind, seed="s"):
    original = ORIGINAL.format(to=f"{kind}+ann@sandbox.test").encode()
    return react(kind, original, at=AT, seed=seed)


@pytest.mark.parametrize("kind", LIMITS)
def test_a_magic_recipient_has_its_reaction_within_its_time(kind):
    least, most = LIMITS[kind]
    for seed in map(str, range(30)):
        reaction = reaction_for(f"{kind.upper()}+1@Sandbox.test", seed=seed)
        assert reaction.kind == kind
        assert timedelta(seconds=least) <= reaction.delay <= timedelta(seconds=most)


def test_the_delay_follows_from_the_seed_alone():
    assert reaction_for("reply+a@sandbox.test", seed="x") == reaction_for("reply+b@sandbox.test", seed="x")
    assert len({reaction_for("reply+a@sandbox.test", seed=str(n)).delay for n in range(20)}) > 10


@pytest.mark.parametrize(
    "address",
    [
        "ann@sandbox.test",
        "bounce@sandbox.test",
        "bounce+a@example.com",
        "bounce+a@sandbox.test.evil.example",
        "xreply+a@sandbox.test",
        "",
        "bounce+a@b@sandbox.test",
    ],
)
def test_every_other_address_just_receives(address):
    assert reaction_for(address, seed="x") is None


@pytest.mark.parametrize("kind", EXPECTED)
def test_what_comes_back_reads_as_its_kind_and_names_our_mail(kind):
    mail = read_mail(back(kind), received_at=AT)
    assert mail.kind == EXPECTED[kind]
    assert "<abc@ours.example>" in mail.references
    assert mail.to_email == "zoe@ours.example"


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_reply_s_wording_reads_as_its_kind(kind):
    assert {read_mail(back(kind, str(n)), received_at=AT).kind for n in range(20)} == {EXPECTED[kind]}


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_same_seed_gives_the_same_bytes(kind):
    assert back(kind) == back(kind)
    assert back(kind) != back(kind, "another")
    assert b"\n" not in back(kind).replace(b"\r\n", b"")


@pytest.mark.parametrize(("kind", "hardness", "status"), [("bounce", "hard", "5.1.1"), ("soft", "soft", "5.2.2")])
def test_bounces_carry_their_verdict(kind, hardness, status):
    bounce = read_mail(back(kind), received_at=AT).bounce
    assert (bounce.hardness, bounce.status, bounce.recipient) == (hardness, status, f"{kind}+ann@sandbox.test")


def test_a_reply_quotes_our_mail_and_keeps_its_own_words_apart():
    mail = read_mail(back("reply"), received_at=AT)
    assert "> a café?" in mail.text
    assert "café" not in mail.reply_text and mail.reply_text
    assert (mail.subject, mail.in_reply_to) == ("Re: Café idea", "<abc@ours.example>")
    assert mail.from_email == "reply+ann@sandbox.test"


def test_an_away_note_says_when_they_are_back():
    assert read_mail(back("ooo"), received_at=AT).away_until == datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["ok", "timeout"])
def test_nothing_comes_back_where_nothing_can(kind):
    with pytest.raises(ValueError, match="Nothing comes back"):
        back(kind)
