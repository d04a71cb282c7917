"""Two weeks in half a minute: in a test workspace the clock can be turned, and what was due by then happens."""

from datetime import datetime, timedelta

from outbound.demo.screen import wait_for
from outbound.demo.stage import Stage

MOST_TURNS = 40
# The slowest of the sandbox's recipients takes six hours to answer.
SLOWEST_ANSWER = timedelta(hours=6, minutes=1)
ANSWERING = ("reply+", "bounce+", "soft+", "complaint+", "ooo+", "unsubscribe+")
MARGIN = timedelta(minutes=5)  # the mails of one step left over a few minutes: their follow-ups come due together


def let_time_pass(stage: Stage) -> None:
    """Turn the clock to whatever comes next, until nobody is owed a mail any more."""
    stage.screen.heading("8. Turn the clock   POST /sandbox/clock")
    for _ in range(MOST_TURNS):
        wait_for(lambda: _is_quiet(stage), why="what is due to happen", every=1.0)
        _show(stage)
        if _is_over(stage.facts.run):
            stage.facts.mails = list(stage.rest.every(_path(stage)))  # in every state, for the expectations
            return
        turn_clock(stage, by=_to_what_comes_next(stage))
    raise TimeoutError("The run did not come to its end.")


def turn_clock(stage: Stage, *, by: timedelta) -> None:
    clock = stage.rest.post("/sandbox/clock", {"advance_seconds": int(by.total_seconds())})
    stage.turned_by = timedelta(seconds=clock["turned_by_seconds"])


def read_mails(stage: Stage) -> None:
    """The mails of the run, out and in, newest first; those out again only when there are more."""
    out = [mail for mail in stage.facts.mails if mail["direction"] == "out"]
    if len(out) != _gone(stage.facts.run):
        out = [mail for state in ("sent", "unknown") for mail in stage.rest.every(_path(stage), state=state)]
    stage.facts.mails = [*out, *stage.rest.every(_path(stage), state="received")]


def _path(stage: Stage) -> str:
    return f"/runs/{stage.facts.run['id']}/messages"


def _gone(run: dict) -> int:
    return run["progress"]["sent"] + run["progress"]["unknown"]


def _to_what_comes_next(stage: Stage) -> timedelta:
    next_send_at = stage.facts.run["next_send_at"]
    if _awaited(stage.facts.mails, after=stage.now - SLOWEST_ANSWER) or not next_send_at:
        return SLOWEST_ANSWER
    return max(_moment(next_send_at) - stage.now, timedelta(0)) + MARGIN


def _is_quiet(stage: Stage) -> bool:
    """Everything that is due has happened: no mail waits to leave, and whoever was going to answer by now has."""
    run = stage.facts.run = stage.rest.get(f"/runs/{stage.facts.run['id']}")
    due = run["next_send_at"] and _moment(run["next_send_at"]) <= stage.now
    if due or run["progress"]["queued"] or run["progress"]["in_flight"]:
        return False
    read_mails(stage)
    return not _awaited(stage.facts.mails, before=stage.now - SLOWEST_ANSWER)


def _awaited(mails: list[dict], *, before: datetime | None = None, after: datetime | None = None) -> list[dict]:
    """Mails to people who always answer and have not yet, by the moment they were sent."""
    answered: dict[str, int] = {}
    for mail in mails:
        if mail["direction"] == "in":
            answered[mail["thread_id"]] = answered.get(mail["thread_id"], 0) + 1
    waiting = []
    for mail in reversed(mails):  # oldest first: the first answer is to the first mail
        if mail["state"] == "sent" and mail["to_email"].startswith(ANSWERING):
            if answered.get(mail["thread_id"], 0):
                answered[mail["thread_id"]] -= 1
            elif (before is None or _sent_at(mail) <= before) and (after is None or _sent_at(mail) > after):
                waiting.append(mail)
    return waiting


def _is_over(run: dict) -> bool:
    """Nobody is on the way any more, except those whose mail is parked: for them the run waits for a person."""
    leads = run["lead_status_breakdown"]
    return leads["active"] + leads["held"] <= run["progress"]["unknown"]


def _show(stage: Stage) -> None:
    leads, sent = stage.facts.run["lead_status_breakdown"], stage.facts.run["progress"]["sent"]
    back = sum(mail["direction"] == "in" for mail in stage.facts.mails)
    ended = [f"{leads[kind]} {kind}" for kind in ("replied", "bounced", "unsubscribed", "completed") if leads[kind]]
    stage.screen.say(
        f"   {stage.now:%a %d %b %H:%M}   {sent:>3} mails out, {back:>2} back   {', '.join(ended)}".rstrip()
    )


def _sent_at(mail: dict) -> datetime:
    return _moment(mail["settled_at"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
