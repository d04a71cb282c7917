"""The life of an outgoing message: every legal move works, every other is refused, by us and by PostgreSQL."""

import itertools
import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

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
        step(message, each)
    return message


def step(message: Message, to: str) -> None:
    """One move as the ledger makes it: a claim brings its token, a commit its moment, one more commit both."""
    if to == "claimed":
        Message.objects.filter(pk=message.pk).update(state=to, token=uuid.uuid4())
        message.refresh_from_db()
    else:
        fields = {"committed_at": timezone.now()} if to == "committed" else {}
        fields |= {"new_token": uuid.uuid4()} if (message.state, to) == ("unknown", "committed") else {}
        assert move(message, to, token=message.token, **fields)


@pytest.mark.parametrize(("old", "new"), LEGAL)
def test_a_legal_move_is_written(queue, old, new):
    message = at(queue()[0], old)
    step(message, new)
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
    step(Message.objects.get(pk=message.pk), "claimed")
    assert not move(message, "canceled", token=None)
    message = Message.objects.get(pk=message.pk)
    assert not move(message, "queued", token=uuid.uuid4())


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


@on_postgresql
@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("queued", "state = 'claimed'"),
        ("queued", "state = 'claimed', token = NULL"),
        ("claimed", "state = 'committed'"),
        ("claimed", "state = 'committed', committed_at = now(), token = gen_random_uuid()"),
        ("claimed", "state = 'queued', token = gen_random_uuid()"),
        ("committed", "state = 'sent', token = gen_random_uuid()"),
        ("committed", "state = 'queued', token = NULL"),
        ("unknown", "state = 'queued', token = NULL"),
        ("unknown", "state = 'sent', token = gen_random_uuid()"),
    ],
)
def test_postgresql_refuses_a_token_that_is_not_the_attempts(queue, state, change):
    message = at(queue()[0], state)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE sending_message SET {change} WHERE id = %s", [message.pk])
    assert Message.objects.get(pk=message.pk).state == state


@on_postgresql
def test_postgresql_refuses_the_token_of_the_last_claim_for_the_next(queue):
    """Or a worker that slept through the first would hold the second."""
    message = at(queue()[0], "claimed")
    assert move(message, "queued", token=message.token)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(state="claimed")
