"""The door where Clay posts leads: POST /api/ingest/clay/<connection id>."""

from apikeys.inbound import by_secret_or_signature
from apikeys.ingest import ingest_view
from leads import tasks
from leads.clay import SOURCE

clay_ingest = ingest_view(SOURCE, verify=by_secret_or_signature, task=tasks.read_clay)
