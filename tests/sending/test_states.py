"""The life of an outgoing message: every legal move works, every other is refused, by us and by PostgreSQL."""

import itertools

import pytest
from django.db import IntegrityError, connection, transaction

from sending.models import Message
from sending.states import MOVES, IllegalMove, move

OUTGOING = [state for state in Message.State.values if state != "received"]
LEGAL = [(old, new) for old in OUTGOING for new in OUTGOING if new in MOVES.get(old, ())]
ILLEGAL = [pair for pair in itertools.permutations(OUTGOING, 2) if pair not in LEGAL]
PATHS = {
    "queued": [],
    "claimed": ["claimed"],
    "committed": ["claimed", "committed"],
    "sent": ["claimed", "committed", "sent"],
    "refused": ["claimed", "refused"],
    "unknown": ["claimed", "committed", "unknown"],
    "canceled": ["canceled"],
    "skipped": ["skipped"],
}
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="the trigger is PostgreSQL's")


def at(message: Message, state: str) -> Message:
    for each in PATHS[state]:
        assert move(message, each, token=message.token)
    return message


@pytest.mark.parametrize(("old", "new"), LEGAL)
def test_a_legal_move_is_written(queue, old, new):
    message = at(queue()[0], old)
    assert move(message, new, token=message.token)
    message.refresh_from_db()
    assert message.state == new


@pytest.mark.parametrize(("old", "new"), ILLEGAL)
def test_any_other_raises(queue, old, new):
    message = at(queue()[0], old)
    with pytest.raises(IllegalMove):
        move(message, new, token=message.token)
    message.refresh_from_db()
    assert message.state == old


@pytest.mark.parametrize("state", Message.FINAL)
def test_nothing_leaves_a_final_state(state):
    assert not MOVES.get(state)


def test_a_move_of_somebody_elses_message_changes_nothing(queue):
    message = queue()[0]
    theirs = Message.objects.get(pk=message.pk)
    assert move(theirs, "claimed", token=None)
    assert not move(message, "claimed", token=None)


@on_postgresql
@pytest.mark.parametrize(("old", "new"), ILLEGAL)
def test_postgresql_refuses_it_too(queue, old, new):
    message = at(queue()[0], old)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE sending_message SET state = %s WHERE id = %s", [new, message.pk])
    message.refresh_from_db()
    assert message.state == old


@on_postgresql
def test_postgresql_refuses_to_make_an_outgoing_message_an_incoming_one(queue):
    message = at(queue()[0], "sent")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(direction="in", state="received")
