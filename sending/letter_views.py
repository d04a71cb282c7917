"""A mail as a page of the admin shows it: rendered in a frame that can do nothing, as text, and its headers."""

from outbound.admin_display import AMBER, BLUE, GREEN, GREY, RED, badge
from sending.models import Message

STATE_COLORS = {
    "sent": GREEN, "received": GREEN, "queued": BLUE, "claimed": BLUE, "committed": BLUE, "unknown": AMBER,
    "refused": RED, "canceled": GREY, "skipped": AMBER,
}  # fmt: skip
KIND_COLORS = {"reply": GREEN, "auto_reply": GREY, "bounce": RED, "complaint": RED, "unsubscribe": AMBER}

# Nothing is fetched and nothing runs: the frame's sandbox forbids scripts, this forbids pictures that report a reading.
FRAME_HEAD = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
    "<style>body{font:14px/1.5 sans-serif;color:#111;background:#fff;margin:12px;overflow-wrap:anywhere}"
    "a{pointer-events:none}</style>"
)


def shown(message: Message) -> dict:
    """A mail as the page shows it. `frame` is a whole document for the srcdoc of a sandboxed iframe."""
    body = getattr(message, "body", None)
    html = body.html if body else ""
    return {
        "message": message,
        "state": badge(message.state, STATE_COLORS.get(message.state, GREY)),
        "kind": badge(message.kind.replace("_", " "), KIND_COLORS.get(message.kind, GREY)),
        "frame": FRAME_HEAD + html if html else "",
        "text": body.text if body else "",
        "headers": headers_of(bytes(body.raw)) if body and body.raw else "",
        "size": len(body.raw) if body and body.raw else 0,
    }


def headers_of(raw: bytes) -> str:
    """The header lines as they go over the wire."""
    head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return head[:64_000].decode("utf-8", "replace")
