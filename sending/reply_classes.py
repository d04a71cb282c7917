"""What a person's reply means: one of nine classes, and how sure the rules are of it. Pure.

Only the author's own words count, never what they quote. Where two classes are said in one mail, `_TOGETHER` knows
which one holds; any other pair leaves us unsure, and the model or a person decides (sending/judging.py).
"""

from dataclasses import dataclass
from typing import Literal, get_args

from sending.reply_words import SAYINGS

ReplyClass = Literal[
    "positive", "qualified", "objection", "referral", "soft_no", "hard_no", "angry", "auto", "unclassified"
]
CLASSES: tuple[ReplyClass, ...] = get_args(ReplyClass)
REFUSALS = ("hard_no", "angry")
# What each class means, as the model and the documentation are told.
MEANINGS: dict[ReplyClass, str] = {
    "positive": "interested, wants to hear more",
    "qualified": "wants a price, an offer, a call or a meeting",
    "objection": "doubts, a price too high, another supplier, or asks where we have the address from",
    "referral": "names or forwards to another person, or has left the company",
    "soft_no": "not now, perhaps later",
    "hard_no": "no, or asks to be left out",
    "angry": "insults, threats, calls it spam or harassment",
    "auto": "written by a machine: absence, ticket, receipt",
    "unclassified": "none of these",
}
# Below this the rules do not act, and the model is asked where there is one.
SURE = 0.7
# A refusal ends the writing for good, so it must be surer.
SURE_REFUSAL = 0.8
MAX_TEXT = 3_000
_UNSURE = 0.5
# In a long mail a saying may be about something else.
_LONG_WORDS = 80
# Said together, the first holds: with a pleasantry, a time or a name beside it, a sentence changes its meaning.
_TOGETHER: dict[frozenset[str], ReplyClass] = {
    frozenset(pair): pair[0]
    for pair in (
        ("angry", "hard_no"), ("angry", "objection"), ("angry", "soft_no"), ("angry", "positive"),
        ("soft_no", "hard_no"), ("soft_no", "positive"), ("soft_no", "objection"), ("soft_no", "auto"),
        ("hard_no", "positive"), ("hard_no", "objection"), ("qualified", "positive"), ("objection", "positive"),
        ("referral", "positive"), ("referral", "hard_no"), ("referral", "qualified"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """`confidence` is 0 to 1; nothing recognised is `unclassified` with 0."""

    reply_class: ReplyClass
    confidence: float

    @property
    def is_refusal(self) -> bool:
        """Whether it is sure enough that this person must not be written to again."""
        return self.reply_class in REFUSALS and self.confidence >= SURE_REFUSAL


def classify_reply(own_words: str) -> Verdict:
    """The class of a reply from its author's own words."""
    words = own_words[:MAX_TEXT].replace("’", "'").split()
    less = 0.15 if len(words) > _LONG_WORDS else 0.0
    sure = {name: _how_sure(name, " ".join(words), less) for name in SAYINGS}
    said = sorted((name for name, much in sure.items() if much), key=lambda name: -sure[name])
    if not said:
        return Verdict("unclassified", 0.0)
    if len(said) == 1:
        return _verdict(said[0], sure[said[0]])
    held = next((name for name in said if all(_beats(name, other) for other in said if other != name)), None)
    return _verdict(held, sure[held] - 0.1) if held else _verdict(said[0], _UNSURE)


def _how_sure(name: str, text: str, less: float) -> float:
    return max((much - less for much, saying in SAYINGS[name] if saying.search(text)), default=0.0)


def _beats(name: str, other: str) -> bool:
    return _TOGETHER.get(frozenset((name, other))) == name


def _verdict(name: str, confidence: float) -> Verdict:
    return Verdict(name, round(confidence, 2))  # type: ignore[arg-type]
