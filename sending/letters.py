"""A message of the ledger as bytes: made once, on the first attempt; every retry sends the same."""

import hashlib
import re
from urllib.parse import urlsplit

from django.conf import settings

from outbound import failpoints
from outbound.bulk import flushed_later
from outbound.clock import real_now
from sending.mime import Letter, letter_bytes, message_id_for
from sending.models import Mailbox, Message, MessageBody
from sending.providers.base import Parcel
from sending.tracked_html import Tracked, tracked_html
from sending.tracking import unsubscribe_token

_THREAD_IDS = 20  # of References: enough for any thread, short enough for any server
_TAG = re.compile(r"<[^<>\s]+>")


def public_url(workspace) -> str:
    """Where our links point. Blank for a live workspace that has none: its launch is refused."""
    return (
        workspace.public_url or settings.PUBLIC_URL or ("" if workspace.livemode else "http://localhost:8000")
    ).rstrip("/")


def unsubscribe_url(workspace, message_id) -> str:
    return f"{public_url(workspace)}/u/{unsubscribe_token(message_id)}"


def tracking_url(workspace) -> str:
    """Where the tracked links and images of its mails point. Blank when that would not be https in a live workspace:
    its mails go untracked, and a launch that wants tracking is refused."""
    base = (workspace.tracking_url or public_url(workspace)).rstrip("/")
    return base if base.startswith("https://") or not workspace.livemode else ""


def rfc_message_id(message_id, mailbox: Mailbox) -> str:
    """The same on every attempt; says nothing about our ids."""
    return message_id_for(settings.SECRET_KEY.encode(), message_id, mailbox.email.rpartition("@")[2])


def parcel_for(message: Message) -> Parcel:
    """The exact bytes, stored before the first attempt touches the network."""
    body: MessageBody = message.body
    if not body.raw:
        tracked = _tracked(message)
        raw = letter_bytes(_letter(message, tracked.html))
        digest = hashlib.sha256(raw).hexdigest()
        # In one statement: whoever clicks a link that left finds it stored. On the disk with the commit before the dot.
        first = MessageBody.objects.filter(flushed_later(), pk=body.pk, raw=None)
        if first.update(raw=raw, sha256=digest, links=tracked.links):
            body.raw, body.sha256 = raw, digest
        else:  # another worker has made them since: the first ones count
            body.refresh_from_db(fields=["raw", "sha256"])
        failpoints.hit("render.stored")
    return Parcel(
        message_id=str(message.id),
        rfc_message_id=message.rfc_message_id,
        mail_from=message.from_email,
        rcpt_to=message.to_email,
        raw=bytes(body.raw),
    )


def _tracked(message: Message) -> Tracked:
    """As the lane wants it; mail by hand is on no lane and never tracked."""
    lane, html = message.lane, message.body.html
    base = tracking_url(message.workspace) if lane and (lane.track_opens or lane.track_clicks) else ""
    if not base:
        return Tracked(html, [])
    return tracked_html(html, message_id=message.id, base=base, opens=lane.track_opens, clicks=lane.track_clicks)


def _letter(message: Message, html: str) -> Letter:
    earlier = _earlier_ids([message])[message.pk] if message.earlier_ids is None else message.earlier_ids
    campaign = message.kind == Message.Kind.CAMPAIGN
    url = unsubscribe_url(message.workspace, message.id)
    return Letter(
        from_email=message.from_email,
        from_name=message.mailbox.display_name,
        to_email=message.to_email,
        subject=message.subject,
        html=html,
        text=message.body.text,
        message_id=message.rfc_message_id,
        in_reply_to=earlier[-1] if earlier else "",
        references=tuple(earlier),
        list_unsubscribe_url=url if campaign and urlsplit(url).netloc else "",
        list_unsubscribe_mailto=f"mailto:{message.from_email}?subject=unsubscribe" if campaign else "",
        date=message.send_at or real_now(),
    )


def know_threads(batch: list[Message]) -> None:
    """One look at the threads of all that are still to be written, instead of one for each."""
    new = [message for message in batch if not message.body.raw]
    found = _earlier_ids(new)
    for message in new:
        message.earlier_ids = found[message.pk]


def _earlier_ids(messages: list[Message]) -> dict:
    """{message id: Message-IDs of what went to and fro on its thread before it, oldest first}."""
    threads: dict = {message.thread_id: [] for message in messages}
    told = Message.objects.filter(thread__in=threads, state__in=[Message.State.SENT, Message.State.RECEIVED])
    for thread_id, pk, made, name in told.order_by("created_at", "id").values_list(
        "thread_id", "pk", "created_at", "rfc_message_id"
    ):
        if _TAG.fullmatch(name):
            threads[thread_id].append((pk, made, name))
    return {
        message.pk: [
            name for pk, made, name in threads[message.thread_id] if made <= message.created_at and pk != message.pk
        ][-_THREAD_IDS:]
        for message in messages
    }
