"""What a reply means and what follows: the rules first, the model where they are unsure, a person over both.

A refusal (`hard_no`, `angry`) ends the writing to that person in every campaign; who corrects it lifts that.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from leads.models import Suppression
from leads.services import ModelBusy, choose, has_model, lift, suppress
from sending.inbound import read_mail
from sending.models import Message
from sending.reply_classes import CLASSES, MEANINGS, REFUSALS, SURE, Verdict, classify_reply

By = Message.ClassBy
# An answer of the model to a reply older than this comes too late to matter.
ASKED_WITHIN = timedelta(days=2)
BATCH = 50
MODEL_CONFIDENCE = 0.8
_QUESTION = "\n".join(
    (
        "Somebody answered a business e-mail that we wrote them. Which of these classes is their answer?",
        *(f"{name}: {meaning}" for name, meaning in MEANINGS.items()),
    )
)


def judge_by_rules(*, message: Message, own_words: str, now: datetime) -> None:
    """Class a reply that has just come in; what the rules are unsure of waits for the model."""
    verdict = classify_reply(own_words)
    _settle(message, verdict, By.RULES, now, unsure=verdict.confidence < SURE and bool(own_words))


def ask_model_due(*, now: datetime) -> int:
    """Ask the model about unsure replies of live workspaces. Returns how many it has judged."""
    if not settings.ANTHROPIC_API_KEY:
        return 0
    due = Message.objects.filter(class_unsure=True, created_at__gte=now - ASKED_WITHIN, workspace__livemode=True)
    return sum(
        _ask_model(message, now) for message in due.select_related("workspace", "body").order_by("created_at")[:BATCH]
    )


def _ask_model(message: Message, now: datetime) -> bool:
    """Asked once: the row is marked before, so a death in between costs one class and no second charge."""
    if not has_model(message.workspace) or not _claim(message):
        return False
    words = read_mail(bytes(message.body.raw), received_at=now).own_words
    try:
        said = choose(
            workspace=message.workspace, question=_QUESTION, text=words, among=CLASSES, seed=str(message.pk)
        )  # fmt: skip
    except ModelBusy:
        Message.objects.filter(pk=message.pk, class_by=By.RULES).update(class_unsure=True)
        return False
    if said:
        _settle(message, Verdict(said, MODEL_CONFIDENCE), By.MODEL, now)  # type: ignore[arg-type]
    return bool(said)


def _claim(message: Message) -> bool:
    return bool(Message.objects.filter(pk=message.pk, class_unsure=True).update(class_unsure=False))


@transaction.atomic
def correct_class(*, message: Message, reply_class: str, now: datetime) -> Message:
    """A person's word on a reply, which no rule and no model changes again."""
    was_refusal = message.reply_class in REFUSALS
    message = _settle(message, Verdict(reply_class, 1.0), By.PERSON, now)  # type: ignore[arg-type]
    if was_refusal and reply_class not in REFUSALS:
        _lift(message, f"The reply was classed as {reply_class} by hand.", now)
    return message


def _settle(message: Message, verdict: Verdict, by: str, now: datetime, *, unsure: bool = False) -> Message:
    """Write the class, unless a person has spoken, and end the writing after a refusal."""
    mine = Message.objects.filter(pk=message.pk)
    if by != By.PERSON:
        mine = mine.exclude(class_by=By.PERSON)
    written = mine.update(
        reply_class=verdict.reply_class, class_confidence=verdict.confidence, class_by=by, class_unsure=unsure
    )
    if written and verdict.is_refusal:
        _suppress(message, verdict.reply_class, now)
    message.refresh_from_db(fields=["reply_class", "class_confidence", "class_by", "class_unsure"])
    return message


def _suppress(message: Message, reply_class: str, now: datetime) -> None:
    kind, reason = Suppression.Kind.REPLIED_NO, f"Their reply was classed as {reply_class}."
    suppress(workspace=message.workspace, value=_address(message), kind=kind, reason=reason, now=now)


def _lift(message: Message, reason: str, now: datetime) -> None:
    found = Suppression.objects.filter(
        workspace=message.workspace, value=_address(message), kind=Suppression.Kind.REPLIED_NO
    )
    for suppression in found:
        lift(suppression=suppression, reason=reason, now=now)


def _address(message: Message) -> str:
    """Whom we wrote to: an answer may come from another of their addresses."""
    return message.answers.to_email if message.answers else message.thread.contact_email
