"""The end of the demo, in numbers that a person understands."""

from collections import Counter

from outbound.demo.expectations import sent
from outbound.demo.stage import Facts, Stage

MARGIN = " " * 17


def show_summary(stage: Stage) -> None:
    stage.screen.heading("What happened")
    for name, text in lines(stage.facts):
        stage.screen.say(f"   {name:<13} {text}")


def lines(facts: Facts) -> list[tuple[str, str]]:
    return [*_came_in(facts), *_went_out(facts), *_came_back(facts)]


def _came_in(facts: Facts) -> list[tuple[str, str]]:
    known, written = _sum(facts, "duplicates") + _sum(facts, "updated"), facts.variable["counts"]
    return [
        ("imported", f"{len(facts.leads)} leads out of {_sum(facts, 'total')} rows in {len(facts.imports)} files"),
        ("left out", f"{known} duplicates, {_sum(facts, 'rejected')} rows without a usable address"),
        ("generated", f"{written['done']} opening lines; {written['skipped']} skipped, since the lead has no title"),
    ]


def _went_out(facts: Facts) -> list[tuple[str, str]]:
    held = [f"{number} × {reason}" for reason, number in facts.held.items()]
    return [
        ("blocked", f"{facts.run['leads_blocked']} leads at throw-away addresses: never written to"),
        ("held", f"\n{MARGIN}".join(held)),
        ("sent", f"{len(sent(facts))} mails: {_per_step(facts)}"),
        ("finished", f"{facts.run['lead_status_breakdown']['completed']} leads got all three mails"),
        ("parked", f"{facts.run['progress']['unknown']} mail of which nobody knows whether it arrived: it is not sent\n"
         f"{MARGIN}again by itself, and the run stays open until a person decides"),
    ]  # fmt: skip


def _came_back(facts: Facts) -> list[tuple[str, str]]:
    leads = facts.run["lead_status_breakdown"]
    kinds = Counter(mail["kind"] for mail in facts.mails if mail["direction"] == "in")
    full = kinds["bounce"] - leads["bounced"]
    return [
        ("replied", f"{leads['replied']} people; no further mail to them"),
        ("bounced", f"{leads['bounced']} addresses that do not exist; {full} times a full mailbox, which stops nobody"),
        ("unsubscribed", f"{leads['unsubscribed']} people, {kinds['complaint']} of them by calling it spam"),
        ("away", f"{kinds['auto_reply']} out-of-office answers; the follow-ups waited for the return"),
    ]


def _sum(facts: Facts, name: str) -> int:
    return sum(batch[name] for batch in facts.imports)


def _per_step(facts: Facts) -> str:
    counts = Counter(mail["position"] for mail in sent(facts))
    return ", ".join(f"{counts[position]} × mail {position}" for position in sorted(counts))
