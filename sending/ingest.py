"""The door where vendors that send for us tell what became of the mail: POST /api/ingest/resend/<connection id>."""

from apikeys.inbound import by_svix
from apikeys.ingest import ingest_view
from sending import tasks
from sending.feedback import RESEND

resend_ingest = ingest_view(RESEND, verify=by_svix, task=tasks.read_resend)
