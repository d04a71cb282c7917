"""The writer that calls no model: believable lines out of the lead's own fields, the same ones every time.

It invents no facts, so that a line that did go out would embarrass nobody. Values carry `writer = "sandbox"`.

A lead with `[[fail]]` anywhere in its fields (company name, a custom field) makes it raise WriterFailed: that is how
to see a failing variable without a model.
"""

import hashlib
import html
import re
from collections.abc import Callable
from typing import Any

from leads.claims import Claim
from leads.writers.base import WriteRequest, WriterFailed, Written, fence_text, without_data
from leads.writers.filters import tidy
from leads.writers.outputs import cleared

FAIL = "[[fail]]"
NAMES = {"company": "company_name", "title": "title", "city": "city", "name": "first_name"}

# Each line is used only where the lead has every field it names; the last of each kind needs none.
OPENINGS = (
    "Being {title} at {company} in {city} must come with a full calendar, so I will keep this short.",
    "I was reading about teams in {city} and {company} caught my eye, not least with you as {title}.",
    "As {title} at {company}, you probably hear from many people; here is why I still write.",
    "{company} came up when we looked at who does this well, and as {title} you seemed the right person to ask.",
    "I have been following companies in {city} for a while, and {company} is one I keep coming back to.",
    "{company} has been on my list of teams to talk to for some time.",
    "I wondered how {company} handles this at the moment.",
    "{name}, I will keep this short, since your week is surely full.",
    "As {title}, you are likely the one who sees this first.",
    "I will keep this short, since your week is surely full.",
)
SUBJECTS = (
    "A question about {company}",
    "{name}, an idea for {company}",
    "{company} and us",
    "For the {title} at {company}",
    "Quick question, {name}",
    "A quick question",
)
QUESTIONS = (
    "Is this something {company} is looking at this quarter?",
    "Who at {company} would be the right person for this, besides you as {title}?",
    "Would a short call about {company} make sense, {name}?",
    "Would a short call make sense?",
)
CLOSINGS = (
    "If I am ever in {city}, the coffee is on me.",
    "Whatever you decide, all the best to everyone at {company}.",
    "Thank you for reading this far.",
)
# The first word of the prompt's own that fits chooses the kind.
KINDS = (
    (("subject",), SUBJECTS),
    (("question", "call to action", "cta"), QUESTIONS),
    (("p.s", "closing", "sign-off", "postscript"), CLOSINGS),
)


class SandboxWriter:
    """Deterministic: the same request gives the same value, on every machine."""

    name = "sandbox"

    def write(self, request: WriteRequest) -> Written:
        if FAIL in str(request.fields):
            raise WriterFailed(f"The sandbox fails for leads with {FAIL} in their fields.")
        value = cleared(MAKERS[request.output_type](request), request)
        return Written(value=value, claims=claims_for(value, request), model=self.name)


def line_for(request: WriteRequest, *, bold: bool = False) -> str:
    have = known(request)
    prompt = without_data(request.prompt).lower()
    lines = next((lines for keys, lines in KINDS if any(key in prompt for key in keys)), OPENINGS)
    fitting = [line for line in lines if all(short in have for short in NAMES if f"{{{short}}}" in line)]
    # The general line is for leads that have nothing to speak of.
    chosen = fitting[number_from(request, len(fitting) - 1)] if len(fitting) > 1 else fitting[0]
    if bold:
        have = {short: html.escape(word) for short, word in have.items()}
        have |= {"company": f"<strong>{have['company']}</strong>"} if "company" in have else {}
    return chosen.format(**have)


def known(request: WriteRequest) -> dict[str, str]:
    """The fields that the prompt uses. Others must not show: one text may serve every lead with the same prompt."""
    words = {short: str(request.fields.get(name) or "").strip() for short, name in NAMES.items()}
    used = {short: word for short, word in words.items() if word and fence_text(word) in request.prompt}
    return {short: shortened(tidy(word)) for short, word in used.items() if tidy(word)}


def shortened(word: str) -> str:
    """80 characters at most, and no half words."""
    return word if len(word) <= 80 else word[:80].rpartition(" ")[0] or word[:80]


def claims_for(value: Any, request: WriteRequest) -> tuple[Claim, ...]:
    """The fields that the line speaks of, quoted."""
    text = html.unescape(re.sub(r"<[^>]*>", "", str(value)))
    return tuple(Claim(NAMES[short], word) for short, word in known(request).items() if word in text)


def number_from(request: WriteRequest, below: int) -> int:
    digest = hashlib.sha256(f"{request.seed}|{request.prompt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below


def score(request: WriteRequest) -> int:
    return 1 + number_from(request, 100)


MAKERS: dict[str, Callable[[WriteRequest], Any]] = {
    "text": line_for,
    "html": lambda request: line_for(request, bold=True),
    "number": score,
    "boolean": lambda request: number_from(request, 2) == 1,
    "json": lambda request: {"line": line_for(request), "score": score(request)},
}
