"""The demo: it finds its own lies, and says what is the matter when it cannot start."""

import io

import pytest
from django.conf import settings

from outbound.demo.expectations import EXPECTATIONS, broken
from outbound.demo.fortnight import _awaited
from outbound.demo.screen import Screen, wait_for
from outbound.demo.stage import Facts
from outbound.demo.summary import lines
from tests.ops.processes import PATIENCE, environment, running, wait_until
from tests.ops.test_up import _servers


def lead(email, **fields):
    return {"email": email, "health": "green", "title": "CEO", **fields}


def mail(to, position, *, day=0, state="sent", **fields):
    return {
        "direction": "out", "kind": "campaign", "state": state, "to_email": to, "position": position, "thread_id": to,
        "variant": "A" if len(to) % 2 else "B", "settled_at": f"2026-03-{day + 1:02}T10:00:00.000Z", **fields,
    }  # fmt: skip


def small_facts() -> Facts:
    """A run of five people that went as it should."""
    walks = {
        "ok+a@sandbox.test": (0, 3, 7),
        "reply+b@sandbox.test": (0,),
        "ooo+c@sandbox.test": (0, 6, 12),
        "d@e.example": (0, 3, 7),
    }
    mails = [mail(to, n, day=day) for to, days in walks.items() for n, day in enumerate(days, start=1)]
    answer = {
        "direction": "in",
        "kind": "reply",
        "state": "received",
        "to_email": "us",
        "thread_id": "reply+b@sandbox.test",
    }
    return Facts(
        imports=[{"filename": "a.csv", "total": 4, "updated": 0, "duplicates": 0, "rejected": 0, "problems": []}],
        leads={email: lead(email) for email in walks},
        variable={"counts": {"done": 4, "skipped": 0, "failed": 0}},
        run={
            "id": "1", "leads_blocked": 0, "progress": {"unknown": 0},
            "lead_status_breakdown": {"replied": 1, "bounced": 0, "unsubscribed": 0, "completed": 3, "held": 0},
        },
        mails=[answer, *reversed(mails)],
    )  # fmt: skip


def verdict(sentence: str, facts: Facts):
    return next(check for text, check in EXPECTATIONS if sentence in text)(facts)


@pytest.mark.parametrize(
    "sentence", ["ok+", "answered got exactly one", "out of the office", "same mail", "No throw-away", "Everybody else"]
)
def test_an_expectation_holds_when_it_went_well(sentence):
    assert not verdict(sentence, small_facts())


@pytest.mark.parametrize(
    ("sentence", "too_much"),
    [
        ("answered got exactly one", mail("reply+b@sandbox.test", 2, day=3)),
        ("same mail", mail("d@e.example", 3, day=8)),
        ("No throw-away", mail("stranger@elsewhere.example", 1)),
        ("ok+", mail("ok+a@sandbox.test", 4, day=9)),
        ("Every mail out", mail("d@e.example", 4, state="queued")),
    ],
)
def test_one_mail_too_many_breaks_it(sentence, too_much):
    facts = small_facts()
    facts.mails.append(too_much)
    assert verdict(sentence, facts)


def test_a_follow_up_during_an_absence_breaks_it():
    facts = small_facts()
    next(m for m in facts.mails if m["to_email"].startswith("ooo+") and m["position"] == 2)["settled_at"] = (
        "2026-03-04T10:00:00.000Z"
    )
    assert verdict("out of the office", facts)


def test_a_kind_of_recipient_that_is_not_there_at_all_breaks_it():
    assert "nobody" in str(verdict("Addresses that bounced", small_facts()))


def test_each_broken_expectation_is_told_once_with_what_was_seen():
    facts = small_facts()
    facts.imports, facts.group = [], {"leads_count": 3}
    facts.preview, facts.run_again, facts.held = {"text": ""}, {"id": "2"}, {}
    told = broken(facts)
    assert len(told) == len(dict(told)) and all(seen for _, seen in told)


def test_it_waits_for_those_who_always_answer():
    mails = small_facts().mails
    assert {each["to_email"] for each in _awaited(mails)} == {"ooo+c@sandbox.test"}


def test_the_summary_says_how_many_of_each_mail():
    assert dict(lines(small_facts()))["sent"] == "9 mails: 4 × mail 1, 3 × mail 2, 3 × mail 3".replace("9", "10")


class TestScreen:
    def test_without_a_terminal_a_bar_leaves_a_line_for_every_quarter(self):
        out = io.StringIO()
        screen = Screen(out)
        for done in range(101):
            screen.bar("sent", done, 100)
        assert len(out.getvalue().splitlines()) == 5
        assert "\x1b" not in out.getvalue()

    def test_on_a_terminal_a_line_after_a_half_full_bar_begins_anew(self):
        out = io.StringIO()
        out.isatty = lambda: True
        screen = Screen(out)
        screen.bar("sent", 1, 2)
        screen.say("17 wait")
        assert out.getvalue().splitlines()[-1] == "17 wait"

    def test_a_bar_over_nothing_is_full(self):
        out = io.StringIO()
        Screen(out).bar("sent", 0, 0)
        assert "░" not in out.getvalue()


def test_waiting_in_vain_says_for_what():
    with pytest.raises(TimeoutError, match="for the moon"):
        wait_for(lambda: None, why="the moon", every=0, patience=0)


@pytest.mark.django_db(transaction=True)
def test_it_ends_with_a_status_and_the_reason_where_the_product_runs_already(tmp_path):
    env, log, second = (
        environment(tmp_path, LOG_LEVEL="WARNING", **_servers()),
        tmp_path / "up.log",
        tmp_path / "demo.out",
    )
    with running("manage.py", "up", "--port", "0", env=env, log=log):
        wait_until(lambda: (tmp_path / "up.json").exists(), why="up.json", log=log)
        with running("manage.py", "demo", "--exit", env=env, log=second) as demo:
            assert demo.wait(PATIENCE) == 1
    assert "already running" in second.read_text()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not settings.REDIS_URL, reason="`make demo` is how it runs on the embedded default")
def test_everything_holds_on_postgresql_and_redis(tmp_path):
    log = tmp_path / "demo.out"
    with running("manage.py", "demo", "--exit", env=environment(tmp_path, **_servers()), log=log) as demo:
        status = demo.wait(900)
    assert status == 0, log.read_text()
