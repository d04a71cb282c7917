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
        now = _settle(stage)
        _show(stage, now)
        if _is_over(stage.facts.run):
            return
        if _awaited(stage.facts.mails, after=now - SLOWEST_ANSWER):
            turn_clock(stage, by=SLOWEST_ANSWER)
        elif stage.facts.run["next_send_at"]:
            turn_clock(stage, by=max(_moment(stage.facts.run["next_send_at"]) - now, timedelta(0)) + MARGIN)
        else:
            turn_clock(stage, by=MARGIN)
    raise TimeoutError("The run did not come to its end.")


def turn_clock(stage: Stage, *, by: timedelta) -> None:
    stage.rest.post("/sandbox/clock", {"advance_seconds": int(by.total_seconds())})


def all_mails(stage: Stage) -> list[dict]:
    return list(stage.rest.every(f"/runs/{stage.facts.run['id']}/messages"))


def _settle(stage: Stage) -> datetime:
    """Wait until everything that is due has happened. Returns the workspace's time then."""

    def look() -> datetime | None:
        run = stage.facts.run = stage.rest.get(f"/runs/{stage.facts.run['id']}")
        now = _moment(stage.rest.get("/sandbox/clock")["now"])
        due = run["next_send_at"] and _moment(run["next_send_at"]) <= now
        if due or run["progress"]["queued"] or run["progress"]["in_flight"]:
            return None
        stage.facts.mails = all_mails(stage)
        return None if _awaited(stage.facts.mails, before=now - SLOWEST_ANSWER) else now

    return wait_for(look, why="what is due to happen")


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


def _show(stage: Stage, now: datetime) -> None:
    leads, sent = stage.facts.run["lead_status_breakdown"], stage.facts.run["progress"]["sent"]
    back = sum(mail["direction"] == "in" for mail in stage.facts.mails)
    ended = [f"{leads[kind]} {kind}" for kind in ("replied", "bounced", "unsubscribed", "completed") if leads[kind]]
    stage.screen.say(f"   {now:%a %d %b %H:%M}   {sent:>3} mails out, {back:>2} back   {', '.join(ended)}".rstrip())


def _sent_at(mail: dict) -> datetime:
    return _moment(mail["settled_at"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
