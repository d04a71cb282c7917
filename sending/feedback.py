"""What a vendor tells of a mail of ours, and what it changes.

Events come early (before the answer to the request that handed the mail over), twice, late and in any order. Each
is a fact of its own: any of them proves that the mail was taken, and none takes back what another has proved. A bounce
or a complaint takes the way of one that came by mail (inbox.py), and is stored once.
"""

import hashlib
from datetime import datetime

from apikeys.inbound import Unreadable, work_off
from apikeys.models import IngestedMessage, Workspace
from apikeys.services import now_for
from leads.services import suppress
from outbound.api.serializers import as_uuid
from sending import hits, inbox, ledger, reconcile
from sending.feedback_words import Feedback
from sending.inbound import Inbound
from sending.letters import public_url
from sending.models import Hit, Message, MessageBody
from sending.providers.base import SendResult
from sending.providers.resend_events import feedback_from

State = Message.State
RESEND = "resend"
NOT_OURS = {"ignored": "It is about no mail of this workspace."}
NO_CONCERN = {"ignored": "An event of no concern here."}
SEEN = {"opened": Hit.Kind.OPEN, "clicked": Hit.Kind.CLICK}
SAYS = "The vendor tells that it is {}."


def read_resend(*, stop=lambda: False) -> int:
    """Work off what Resend posted; how many events."""
    return work_off(RESEND, take_in, stop=stop)


def take_in(message: IngestedMessage, data) -> dict:
    """One event; what it was about."""
    try:
        feedback = feedback_from(data)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    workspace = message.connection.workspace
    return apply_feedback(feedback, workspace=workspace, now=now_for(workspace)) if feedback else NO_CONCERN


def apply_feedback(feedback: Feedback, *, workspace: Workspace, now: datetime) -> dict:
    """Call it in a transaction. The locks are those of every send, in the same order."""
    found = _message(feedback, workspace)
    if found is None:
        return NOT_OURS
    ledger.hold_rows(found, address=True)
    message = Message.objects.select_related("thread", "lane", "workspace", "mailbox__workspace").get(pk=found.pk)
    _note_theirs(message, feedback)
    if message.state == State.UNKNOWN:
        _settle(message, feedback, now)
    if feedback.bounce or feedback.word == "complained":
        _report(message, feedback, now)
    if feedback.word in SEEN:
        _seen(message, feedback, now)
    if feedback.suppress_as:
        reason = feedback.bounce.diagnostic if feedback.bounce else ""
        suppress(workspace=workspace, value=message.to_email, kind=feedback.suppress_as, reason=reason, now=now)
    return {"word": feedback.word, "message_id": str(message.pk)}


def _message(feedback: Feedback, workspace: Workspace) -> Message | None:
    """By our id, which an event has before we know theirs; else by theirs. Of this workspace only."""
    ours = Message.objects.for_workspace(workspace).filter(direction=Message.Direction.OUT)
    message_id = as_uuid(feedback.message_id)
    found = ours.filter(pk=message_id).first() if message_id else None
    return found or ours.filter(provider_message_id=feedback.provider_id).exclude(provider_message_id="").first()


def _note_theirs(message: Message, feedback: Feedback) -> None:
    """Their id is known before their answer is: should the answer never come, it proves what the answer would."""
    if feedback.provider_id and not message.provider_message_id:
        message.provider_message_id = feedback.provider_id
        Message.objects.filter(pk=message.pk).update(provider_message_id=feedback.provider_id)


def _settle(message: Message, feedback: Feedback, now: datetime) -> None:
    if feedback.word == "failed" and feedback.bounce:
        ledger.settle(message, SendResult("refused", code="failed", detail=feedback.bounce.diagnostic), now=now)
    else:
        reconcile.was_sent(message, reason=SAYS.format(feedback.word), now=now)


def _seen(message: Message, feedback: Feedback, now: datetime) -> None:
    """The vendor's own tracking, counted and judged like ours. A link to our door is counted there."""
    link = 0
    if feedback.word == "clicked":
        ours = public_url(message.workspace)
        if not feedback.link or ours and feedback.link.startswith(ours):
            return
        link = _place_of(message, feedback.link)
    hits.note_hit(message=message, kind=SEEN[feedback.word], machine=False, now=now, link=link)


def _place_of(message: Message, link: str) -> int:
    body = MessageBody.objects.select_for_update().only("links").get(pk=message.pk)
    if link not in body.links:
        body.links = [*body.links, link]
        body.save(update_fields=["links"])
    return body.links.index(link)


def _report(message: Message, feedback: Feedback, now: datetime) -> None:
    """As if its mail had come in. Its name follows from what it says, so that it is taken in once."""
    name = hashlib.sha256(f"{feedback.provider_id} {feedback.word}".encode()).hexdigest()[:40]
    mail = Inbound(
        kind="complaint" if feedback.word == "complained" else "bounce",
        to_email=message.to_email,
        subject=f"{feedback.word}: {message.subject}"[:998],
        message_id=f"<{name}@feedback.invalid>",
        references=(message.rfc_message_id,),
        text=feedback.bounce.diagnostic if feedback.bounce else "",
        bounces=(feedback.bounce,) if feedback.bounce else (),
    )
    inbox.take_report(message, mail, now=now)
