"""The benchmarks run and say what they measured. How fast anything was is no test's business."""

import os

import psycopg
import pytest

from benchmarks import __main__ as command
from benchmarks import classify, places, send, tick
from benchmarks.claims import Claim, Figure, Rounds, rounds
from benchmarks.racing import Run


def test_a_claim_says_whether_it_holds():
    assert Claim("send", 2.5, 2, at_least=True).line().endswith("ok")
    assert Claim("send", 1.5, 2, at_least=True).line().endswith("MISS")
    assert Claim("tick", 1.2, 1.3, at_least=False).line().endswith("ok")
    assert Claim("tick", 1.4, 1.3, at_least=False).line().endswith("MISS")


def test_a_ratio_is_the_median_of_what_each_round_says():
    fast, slow = [Run(100, wall, 0.1) for wall in (1, 4, 1)], [Run(100, wall, 0.1) for wall in (2, 8, 9)]
    assert Rounds({"fast": fast, "slow": slow}).ratio("fast", "slow") == 2


def test_every_side_has_a_turn_in_every_round_and_another_begins():
    order = []
    sides = {name: lambda name=name: order.append(name) or Run(1, 1, 1) for name in "abc"}
    rounds(sides, count=3)
    assert "".join(order) == "abcbcacab"


@pytest.fixture
def server():
    try:
        psycopg.connect(places.SERVER, connect_timeout=3).close()
    except psycopg.Error as error:
        pytest.skip(f"PostgreSQL does not answer: {error}")
    if os.environ.get("TEST_ON") != "servers":
        pytest.skip("once is enough: where the servers are")


@pytest.mark.slow
@pytest.mark.usefixtures("server")
class TestOnPostgreSQL:
    """Each side checks its own work: mails that arrived, steps that were planned."""

    def test_sending(self):
        claims = send.measure(False, mails=6, count=1)
        assert [claim.line().rpartition(" ")[2] in ("ok", "MISS") for claim in claims] == [True] * 4

    def test_ticking(self):
        (claim,) = tick.measure(False, due=20, few=100, many={200: 1.3}, count=2)
        assert claim.measured > 0


def test_the_command_prints_a_line_a_claim_and_says_when_one_misses(capsys, monkeypatch):
    missing = Claim("send", 1.5, 2, at_least=True, note="slow")
    monkeypatch.setattr(command, "ALL", {"send": lambda full: [missing], "tick": lambda full: [Figure("tick", "7 ms")]})
    assert command.main(["tick"]) == 0
    assert command.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "tick: 7 ms · ok", "send: 1.50 × (≥ 2) · slow · MISS", "tick: 7 ms · ok"
    ]  # fmt: skip


def test_reading_what_came_in_is_measured_without_a_database():
    (figure,) = classify.measure(False, times=1, count=1)
    assert figure.line().endswith("ok")
