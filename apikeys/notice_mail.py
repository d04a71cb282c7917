"""A digest's words. Pure. Facts only: who, about what, and where to look; never what a lead wrote."""

import hashlib
import re

SHOWN = 20
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]+")
# One, many, and what to do about it.
WORDS = {
    "reply": ("A reply waits", "{} replies wait", "Answer them, or let somebody know who does."),
    "mailbox": (
        "A mailbox is in trouble", "{} times a mailbox got into trouble",
        "It sends nothing until it has healed, or you have seen to it.",
    ),
    "parked": (
        "A mail is parked", "{} mails are parked",
        "Nobody knows whether they arrived. Decide: send again, take as sent, or drop. Until then those leads wait.",
    ),
    "webhook": ("A webhook endpoint was switched off", "{} webhook endpoints were switched off",
                "Nothing is told to them until you switch them on again."),
    "limit": ("A limit is reached", "{} limits are reached", "What they limit is paused until there is room."),
}  # fmt: skip


def one_line(text: str, *, length: int = 160) -> str:
    """Fit for a list in a plain mail: other people's words cannot break the line or turn its direction."""
    words = " ".join(_CONTROL.sub(" ", text).split())
    return words if len(words) <= length else f"{words[: length - 1]}…"


def subject_of(kind: str, count: int, workspace: str) -> str:
    one, many, _ = WORDS[kind]
    return f"{one if count == 1 else many.format(count)} · {one_line(workspace, length=60)}"


def body_of(kind: str, summaries: list[str], *, workspace: str, url: str) -> str:
    """Plain text; the first 20 facts, how many more there are, and how to hear no more."""
    lines = [f"In {one_line(workspace, length=80)}:", ""]
    lines += [f"- {one_line(summary)}" for summary in summaries[:SHOWN]]
    if len(summaries) > SHOWN:
        lines.append(f"- and {len(summaries) - SHOWN} more")
    lines += ["", WORDS[kind][2]]
    if url:
        lines += ["", f"{url}/admin/"]
    return "\n".join(
        [*lines, "", "You get this as an owner of the workspace. Switch it off at your membership in the admin.", ""]
    )


def mail_id(ids: list[str], domain: str) -> str:
    """The same at every try of the same digest, so that a mail server can drop a second copy."""
    return f"<{hashlib.sha256('|'.join(sorted(ids)).encode()).hexdigest()[:40]}@{domain}>"
