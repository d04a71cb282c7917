"""What must have come true: a sentence each, and a small function that looks at the facts and returns what is wrong."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from outbound.demo.stage import Facts

EXPECTATIONS: list[tuple[str, Callable[[Facts], object]]] = []


def expect(sentence: str):
    """Register a function of the facts; whatever truthy it returns is what went wrong."""

    def register(check: Callable[[Facts], object]):
        EXPECTATIONS.append((sentence, check))
        return check

    return register


def broken(facts: Facts) -> list[tuple[str, object]]:
    """The expectations that did not hold, each with what was seen instead."""
    return [(sentence, seen) for sentence, check in EXPECTATIONS if (seen := check(facts))]


def mails_to(facts: Facts, kind: str) -> dict[str, list[dict]]:
    """{address: its mails, oldest first} of the recipients that start with `kind`."""
    found: dict[str, list[dict]] = {email: [] for email in facts.leads if email.startswith(f"{kind}+")}
    for mail in sent(facts):
        if mail["to_email"] in found:
            found[mail["to_email"]].append(mail)
    return {email: sorted(mails, key=lambda mail: mail["position"]) for email, mails in found.items()}


def sent(facts: Facts) -> list[dict]:
    return [mail for mail in facts.mails if mail["direction"] == "out" and mail["state"] == "sent"]


def not_exactly(facts: Facts, kind: str, mails: int) -> dict:
    """{address: mails it got} where that is another number, or where nobody is of that kind at all."""
    counts = {email: len(got) for email, got in mails_to(facts, kind).items()}
    return {email: got for email, got in counts.items() if got != mails} if counts else {kind: "nobody"}


def ended_as(facts: Facts, status: str, kinds: tuple[str, ...]) -> str:
    """What is wrong when not exactly the recipients of these kinds ended their walk so."""
    wanted = sum(len(mails_to(facts, kind)) for kind in kinds)
    seen = facts.run["lead_status_breakdown"][status]
    return "" if seen == wanted else f"{seen} leads are {status}, not {wanted}"


@expect("The files held what examples/README.md says: 214 and 40 rows, 189 and 29 new leads.")
def files_as_described(facts: Facts):
    names = ("total", "created", "updated", "duplicates", "rejected")
    seen = [tuple(batch[name] for name in names) for batch in facts.imports]
    return "" if seen == [(214, 189, 0, 12, 13), (40, 29, 6, 2, 3)] else seen


@expect("Every row that was refused says why.")
def refusals_have_reasons(facts: Facts):
    explained = {batch["filename"]: sum(bool(row["reason"]) for row in batch["problems"]) for batch in facts.imports}
    return [batch["filename"] for batch in facts.imports if explained[batch["filename"]] != batch["rejected"]]


@expect("Everybody who was imported is in the group.")
def group_is_complete(facts: Facts):
    return (
        "" if facts.group["leads_count"] == len(facts.leads) == 218 else (facts.group["leads_count"], len(facts.leads))
    )


@expect("A line was written for every lead with a title, and skipped for the others.")
def lines_are_written(facts: Facts):
    counts = facts.variable["counts"]
    without = sum(not lead["title"] for lead in facts.leads.values())
    wanted = {"done": len(facts.leads) - without, "skipped": without, "failed": 0}
    return "" if all(counts[state] == number for state, number in wanted.items()) else counts


@expect("The preview had the lead's name and line in it, and nothing was missing.")
def preview_is_whole(facts: Facts):
    shown = facts.preview
    return "" if "Nora" in shown["text"] and not shown.get("missing") and not shown.get("holds") else shown


@expect("A launch that was asked for twice with one Idempotency-Key happened once.")
def launched_once(facts: Facts):
    return "" if facts.run_again["id"] == facts.run["id"] else facts.run_again["id"]


@expect("Leads whose line was missing waited, with that reason, and got their mail once the step had a fallback.")
def held_with_a_reason(facts: Facts):
    waited = sum(leads for reason, leads in facts.held.items() if "opening_line" in reason)
    still = facts.run["lead_status_breakdown"]["held"]
    return "" if waited and not still else f"{waited} waited, {still} still do"


@expect("ok+ recipients got all three mails.")
def ok_got_three(facts: Facts):
    return not_exactly(facts, "ok", 3)


@expect("Everybody who answered got exactly one mail, and none after the answer.")
def replies_stop(facts: Facts):
    return not_exactly(facts, "reply", 1) or ended_as(facts, "replied", ("reply",))


@expect("Addresses that bounced got no second mail.")
def bounces_stop(facts: Facts):
    return not_exactly(facts, "bounce", 1) or ended_as(facts, "bounced", ("bounce",))


@expect("Who unsubscribed or called it spam got nothing more.")
def opt_outs_stop(facts: Facts):
    found = {**not_exactly(facts, "unsubscribe", 1), **not_exactly(facts, "complaint", 1)}
    return found or ended_as(facts, "unsubscribed", ("unsubscribe", "complaint"))


@expect("A full mailbox (soft+) is no reason to stop: it got all three.")
def soft_bounces_go_on(facts: Facts):
    return not_exactly(facts, "soft", 3)


@expect("Who was out of the office got the follow-up after the return, and then the rest.")
def absence_defers(facts: Facts):
    wrong = not_exactly(facts, "ooo", 3)
    if wrong:
        return wrong
    waited = {email: _when(second) - _when(first) for email, (first, second, _) in mails_to(facts, "ooo").items()}
    return {email: str(wait) for email, wait in waited.items() if wait < timedelta(days=5)}


@expect("The mail whose fate nobody knows (timeout+) is parked and was not sent again.")
def unknown_is_parked(facts: Facts):
    out = [mail for mail in facts.mails if mail["direction"] == "out" and mail["to_email"].startswith("timeout+")]
    return "" if [mail["state"] for mail in out] == ["unknown"] else out


@expect("Nobody got the same mail of the sequence twice.")
def no_position_twice(facts: Facts):
    counts = Counter((mail["to_email"], mail["position"]) for mail in sent(facts))
    return [key for key, number in counts.items() if number > 1]


@expect("No throw-away, role, invalid or unknown address was written to.")
def only_good_addresses(facts: Facts):
    written_to = {mail["to_email"] for mail in facts.mails if mail["direction"] == "out"}
    return sorted(email for email in written_to if not _is_good(facts.leads.get(email)))


@expect("Everybody else walked the whole sequence: three mails each.")
def the_rest_got_three(facts: Facts):
    counts = Counter(mail["to_email"] for mail in sent(facts))
    plain = [email for email, lead in facts.leads.items() if _is_good(lead) and not email.endswith("@sandbox.test")]
    return {email: counts[email] for email in plain if counts[email] != 3}


@expect("Both wordings of the first mail were used, about half each.")
def both_variants_went_out(facts: Facts):
    counts = Counter(mail["variant"] for mail in sent(facts) if mail["position"] == 1)
    return "" if set(counts) == {"A", "B"} and min(counts.values()) > 0.3 * counts.total() else counts


@expect("Every mail out is in a known end: sent or parked, and none is left waiting.")
def nothing_is_left(facts: Facts):
    return Counter(
        mail["state"]
        for mail in facts.mails
        if mail["direction"] == "out" and mail["state"] not in ("sent", "unknown", "canceled")
    )


def _is_good(lead: dict | None) -> bool:
    return lead is not None and lead["health"] == "green"


def _when(mail: dict) -> datetime:
    return datetime.fromisoformat(mail["settled_at"])
