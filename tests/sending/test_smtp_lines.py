"""The SMTP transport over lines that break, lose and crawl at any byte: what it says of a mail is never wrong."""

import pytest

from sending.providers import NotAccepted, SendResult, transport_for
from tests.ops.processes import wait_until
from tests.sending.test_smtp import PARCEL, Box
from tests.servers.proxy import Line, Proxy
from tests.servers.scripted_smtp import ScriptedSmtp

DIRECTIONS = ["up", "down"]


@pytest.fixture(autouse=True)
def near_and_quick(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.SMTP_STEP_TIMEOUT_SECONDS = settings.SMTP_DOT_TIMEOUT_SECONDS = 0.6


def send(port: int) -> SendResult:
    with transport_for("smtp").open(Box(port)) as session:
        try:
            return session.prepare(PARCEL).commit()
        except NotAccepted as refused:
            return refused.result


def said_and_true(line: dict[str, Line]) -> tuple[str, int]:
    """What the transport says after a send over this line, and how many mails the server has."""
    with ScriptedSmtp() as server:
        with Proxy(server.port, **line) as proxy:
            said = send(proxy.port).outcome
        wait_until(lambda: server.open == 0, why="the server to see the end")
        return said, len(server.bodies)


def bytes_of_a_send() -> dict[str, int]:
    with ScriptedSmtp() as server, Proxy(server.port) as proxy:
        assert send(proxy.port).outcome == "sent"
        return dict(proxy.passed)


def cut_at(step: int, start: int = 0) -> None:
    seen = set()
    for direction, total in bytes_of_a_send().items():
        for place in range(start, total + 1, step):
            said, accepted = said_and_true({direction: Line(cut_after=place)})
            assert (said, accepted) in TRUE, (direction, place, said, accepted)
            seen.add(said)
    assert seen == {"try_later", "unknown", "sent"}


TRUE = {("try_later", 0), ("unknown", 0), ("unknown", 1), ("sent", 1)}


def test_a_line_cut_at_many_bytes():
    cut_at(7)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1, 7))
def test_a_line_cut_at_every_other_byte(start):
    cut_at(7, start)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.8])
def test_a_line_that_swallows_the_rest(direction, share):
    place = int(bytes_of_a_send()[direction] * share)
    assert said_and_true({direction: Line(lose_after=place)}) in TRUE - {("sent", 1)}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_line_of_one_byte_at_a_time_does_not_hold_the_worker(direction):
    """F19: each byte comes well within any step's time; all of them together would take twenty times as long."""
    said, accepted = said_and_true({direction: Line(pace=0.05)})
    assert (said, accepted) in {("try_later", 0), ("unknown", 0), ("unknown", 1)}


def test_a_slow_line_is_no_broken_one():
    assert said_and_true({"up": Line(delay=0.02), "down": Line(delay=0.02)}) == ("sent", 1)
