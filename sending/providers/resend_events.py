"""What Resend's webhooks tell, in our words. Pure.

Follows https://resend.com/docs/webhooks/event-types and the schemas of its events (OpenAPI 1.5.0).
"""

from sending.bounces import Bounce, Hardness, classify, status_of
from sending.feedback_words import Feedback, Word

TAG = "message"  # set on every mail we hand over: comes back with every event, also before the answer to the POST
# https://resend.com/docs/webhooks/event-types; what is not here (contacts, domains, mail that comes in) is no concern.
WORDS: dict[str, Word] = {
    "email.sent": "accepted",
    "email.delivered": "delivered",
    "email.delivery_delayed": "delayed",
    "email.bounced": "bounced",
    "email.complained": "complained",
    "email.opened": "opened",
    "email.clicked": "clicked",
    "email.failed": "failed",
    "email.suppressed": "suppressed",
}
LONGEST = 500


def feedback_from(event: object) -> Feedback | None:
    """One event; None when it is no concern of ours. ValueError when it is not what is documented."""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ValueError("It has no type.")
    word = WORDS.get(event["type"])
    if word is None:
        return None
    data = event.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("email_id"), str):
        raise ValueError("It does not say which mail it is about.")
    tags = data["tags"] if isinstance(data.get("tags"), dict) else {}
    more = {"bounced": _bounce, "suppressed": _suppressed, "failed": _failed, "clicked": _click}.get(word)
    return Feedback(
        word=word,
        message_id=_text(tags.get(TAG)),
        provider_id=data["email_id"][:255],
        recipient=_first(data.get("to")),
        **(more(data) if more else {}),
    )


def _bounce(data: dict) -> dict:
    told = _part(data, "bounce")
    words = " ".join(_texts(told.get("diagnosticCode"))) or _text(told.get("message"))
    status = status_of(words)
    return {"bounce": Bounce(_hardness(told, status, words), status, _first(data.get("to")), words[:LONGEST])}


def _hardness(told: dict, status: str, words: str) -> Hardness:
    """Their type decides whether it is for good; a server's words about us are never the recipient's fault."""
    if classify(status, words, stage="recipient") == "blocked":
        return "blocked"
    return "hard" if told.get("type") == "Permanent" and told.get("subType") in ("General", "NoEmail") else "soft"


def _suppressed(data: dict) -> dict:
    """Resend did not try: the address bounced or complained before, in a mail of the same account."""
    told = _part(data, "suppressed")
    words = f"Resend does not write to it: {_text(told.get('message')) or _text(told.get('reason'))}"
    kind = "complained" if told.get("reason") == "previous_complaint" else "bounced"
    return {"bounce": Bounce("soft", "", _first(data.get("to")), words[:LONGEST]), "suppress_as": kind}


def _failed(data: dict) -> dict:
    words = f"Resend took it and did not send it: {_text(_part(data, 'failed').get('reason'))}"
    return {"bounce": Bounce("soft", "", _first(data.get("to")), words[:LONGEST])}


def _click(data: dict) -> dict:
    return {"link": _text(_part(data, "click").get("link"))}


def _part(data: dict, name: str) -> dict:
    return data[name] if isinstance(data.get(name), dict) else {}


def _text(value: object) -> str:
    return " ".join(value.split())[:2000] if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [_text(each) for each in value[:10]] if isinstance(value, list) else []


def _first(value: object) -> str:
    return next(iter(_texts(value)), "").lower()
