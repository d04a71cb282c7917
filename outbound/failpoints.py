"""Faults at named moments, for the fault bench: the process dies, stops, waits or fails exactly there.

Off unless the process is started with FAILPOINTS set; no request, tool or row reaches them. While off, a point costs
the look at an empty dict.

    FAILPOINTS="dot.before=kill"                              the first time it comes there
    FAILPOINTS="T3.committed=delay:6@3, reap.parked=raise"    the third time; and another
    FAILPOINTS="T3.committed=delay:0.03@*"                    every time
"""

import logging
import os
import signal
import time
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)

POINTS = {
    "T0.planned": "touches and messages are written, their transaction is open",
    "T0.done": "the plan is committed",
    "T1.claiming": "rows are marked as ours, the transaction is open",
    "T1.claimed": "the claim is committed",
    "render.stored": "the bytes that every attempt sends are in the database",
    "net.prepared": "the server has everything but the dot",
    "T3.locked": "lane, address, lead and mailbox are locked, no guard was asked",
    "T3.reserved": "every guard passed and every slot is taken, the transaction is open",
    "T3.committing": "the message is marked as committed, the transaction is open",
    "T3.committed": "the commit is in the database, the clock was not looked at",
    "dot.before": "the clock allowed the dot",
    "dot.sent": "the dot is on its way, its answer was not read",
    "dot.answered": "the answer is known to us alone",
    "T5.settling": "the outcome is written, its transaction is open",
    "T5.settled": "the outcome is committed",
    "reap.freeing": "expired claims are given back, the transaction is open",
    "reap.parking": "a commit without an answer is parked, the transaction is open",
    "reap.done": "the reaper has committed all it did",
    "reconcile.writing": "the evidence is written down, its transaction is open",
}


class Injected(Exception):
    """What the action `raise` raises."""


@dataclass
class Fault:
    action: str  # kill, stop, raise or delay
    seconds: float
    left: int  # so many times it is still passed
    always: bool = False


_armed: dict[str, Fault] = {}


def hit(point: str) -> None:
    """The protocol is at this moment."""
    if _armed:
        _strike(point)


def arm(text: str) -> None:
    """Make these faults the ones that happen; blank for none. Raises ImproperlyConfigured for what it does not know."""
    _armed.clear()
    for part in filter(None, map(str.strip, text.split(","))):
        point, fault = _read(part)
        _armed[point] = fault
    if _armed:
        logger.warning("Failpoints are armed, this process will fail on purpose: %s", text)


def _read(part: str) -> tuple[str, Fault]:
    point, _, what = part.partition("=")
    what, _, turn = what.partition("@")
    action, _, seconds = what.partition(":")
    if point not in POINTS or action not in ACTIONS:
        raise ImproperlyConfigured(f"FAILPOINTS: {part!r} is no point of outbound/failpoints.py, =, an action.")
    try:
        return point, Fault(action, float(seconds or 0), int(turn.strip("*") or 1), always=turn == "*")
    except ValueError:
        raise ImproperlyConfigured(f"FAILPOINTS needs a number after : and @, not {part!r}.") from None


def _strike(point: str) -> None:
    fault = _armed.get(point)
    if fault is None:
        return
    fault.left -= 1
    if fault.left == 0 or fault.always:
        ACTIONS[fault.action](point, fault)


def _raise(point: str, fault: Fault) -> None:
    raise Injected(point)


ACTIONS = {
    "kill": lambda point, fault: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda point, fault: os.kill(os.getpid(), signal.SIGSTOP),
    "delay": lambda point, fault: time.sleep(fault.seconds),
    "raise": _raise,
}
