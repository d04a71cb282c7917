"""What tools do with replies between input and output: the calls of views.py, for the other door."""

from django.db import transaction

from apikeys.services import now_for
from outbound.doorbell import ring
from sending import replies, tasks
from sending.views import show_reply


def send_reply(workspace, *, thread_id, **data) -> dict:
    """ReplyOutput. Waits up to 20 s for the server's word, but not inside a transaction: the mail leaves after it."""
    message = replies.queue_reply(thread=thread_id, now=now_for(workspace), **data)
    ring(tasks.drain, mailbox_id=str(message.mailbox_id))
    waits = not transaction.get_connection().in_atomic_block
    return show_reply(message, replies.wait_for(message.pk) if waits else "queued")
