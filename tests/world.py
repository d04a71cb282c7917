"""Turning time: run the planner, the post office and the sandbox until nothing is left to do at a moment."""

from datetime import timedelta

from apikeys.models import Workspace
from apikeys.services import turn_clock
from campaigns.runner import tick
from leads.writing import write_due
from sending.postoffice import dispatch


def run_until_idle(*, rounds: int = 50) -> None:
    """Plan, send, let the sandbox react, take note, until a round changes nothing."""
    for _ in range(rounds):
        busy = tick()
        handled = dispatch()
        write_due()
        if not busy and not handled:
            tick()
            return
    raise AssertionError(f"Still busy after {rounds} rounds.")


def pass_time(workspace: Workspace, **duration) -> Workspace:
    """Turn a test workspace's clock and let happen what comes due."""
    workspace = turn_clock(workspace=workspace, by=timedelta(**duration))
    run_until_idle()
    return workspace
