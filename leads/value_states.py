"""The life of a variable's value for one lead, as a table.

pending → generating → done · review · failed · skipped        review → done (approved) · overridden (edited)
done, review, generating → stale (the prompt changed)          all but what is by hand → pending (asked for again)
"""

from leads.models import VariableValue
from outbound.api.errors import Conflict

S = VariableValue.State

# verb → (from, to, what to say otherwise)
MOVES = {
    "write": ({S.GENERATING}, S.DONE, "Only a value that is being written can be finished."),
    "hold": ({S.GENERATING}, S.REVIEW, "Only a value that is being written can be held for review."),
    "outdate": ({S.DONE, S.REVIEW, S.GENERATING}, S.STALE, "Only what was written can become stale."),
    "approve": ({S.REVIEW}, S.DONE, "Only a value in review can be approved."),
    "edit": (set(S), S.OVERRIDDEN, ""),
    "retry": ({S.REVIEW, S.DONE, S.FAILED, S.SKIPPED, S.STALE}, S.PENDING, "It is being written, or was set by hand."),
}
AGAIN = (S.FAILED, S.SKIPPED, S.STALE)  # what a new request writes again
FORCED = (*AGAIN, S.DONE, S.REVIEW)  # and one that insists
LEGAL_NOW = {state: [verb for verb, (froms, _, _) in MOVES.items() if state in froms] for state in S.values}


class WrongState(Conflict):
    code = "wrong_state"


def wrong_state(verb: str, state: str) -> WrongState:
    """The refusal (409), with what it is in instead."""
    return WrongState(f"{MOVES[verb][2]} This one is {state}.")
