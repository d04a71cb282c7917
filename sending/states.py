"""The life of an outgoing message, as a table. An illegal move raises; final states are final."""

from sending.models import Message

S = Message.State

MOVES: dict[str, frozenset[str]] = {
    S.QUEUED: frozenset({S.CLAIMED, S.CANCELED, S.SKIPPED}),
    S.CLAIMED: frozenset({S.COMMITTED, S.QUEUED, S.REFUSED, S.SKIPPED, S.CANCELED}),
    S.COMMITTED: frozenset({S.SENT, S.REFUSED, S.QUEUED, S.UNKNOWN}),
    # Committed: asked again under the same key, after all that is asked before any mail leaves (replay.py).
    S.UNKNOWN: frozenset({S.SENT, S.REFUSED, S.QUEUED, S.CANCELED, S.COMMITTED}),
}


class IllegalMove(Exception):
    """A bug: nothing may leave a final state, or skip one."""


def move(message: Message, to: str, *, token, new_token=None, among=None, **fields) -> bool:
    """Write the move if the row is still where `message` says and still ours; False when somebody else was faster.

    Every write is fenced by state and token: without it a late worker or reaper sends a mail twice. `new_token`: of the
    attempt that begins with this move. `among`: a queryset of messages that narrows it further.
    """
    if new_token:
        fields["token"] = new_token
    if to not in MOVES.get(message.state, frozenset()):
        raise IllegalMove(f"{message.state} → {to}")
    rows = Message.objects.all() if among is None else among
    changed = rows.filter(pk=message.pk, state=message.state, token=token).update(state=to, **fields)
    if changed:
        message.state = to
        for name, value in fields.items():
            if not hasattr(value, "resolve_expression"):  # the database's own moment: only the row has it
                setattr(message, name, value)
    return bool(changed)
