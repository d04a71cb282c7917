"""What is known of the large providers beforehand: their servers, what they let out in a day, their usual mistakes."""

import dns.exception
import dns.resolver

from leads.queries import mail_providers, provider_of_hosts
from outbound.api.errors import Invalid
from outbound.dns import configured_resolver

# By the name that a form offers. What is given besides wins.
PRESETS = {
    "google": {"smtp_host": "smtp.gmail.com", "imap_host": "imap.gmail.com"},
    "microsoft": {"smtp_host": "smtp.office365.com", "imap_host": "outlook.office365.com"},
    "yahoo": {"smtp_host": "smtp.mail.yahoo.com", "imap_host": "imap.mail.yahoo.com"},
    "icloud": {"smtp_host": "smtp.mail.me.com", "imap_host": "imap.mail.me.com"},
    "fastmail": {"smtp_host": "smtp.fastmail.com", "imap_host": "imap.fastmail.com"},
    "zoho": {"smtp_host": "smtp.zoho.com", "imap_host": "imap.zoho.com"},
}
_USUAL = {"smtp_port": 587, "smtp_security": "starttls", "imap_port": 993, "imap_security": "tls"}
_NAMES = {"apple": "icloud"}  # where leads and forms call it differently
# What the providers themselves let out in a day (decisions §4), by the server's name.
CEILINGS = {
    "smtp.gmail.com": (500, "Google Workspace"),
    "smtp-relay.gmail.com": (500, "Google Workspace"),
    "smtp.office365.com": (300, "Microsoft 365"),
    "smtp-mail.outlook.com": (300, "Outlook.com"),
}
GMAIL = (250, "Gmail")
APP_PASSWORDS = {
    "smtp.gmail.com": "Google takes an app password (myaccount.google.com/apppasswords); or sign in with Google.",
    "smtp.office365.com": "Microsoft 365 takes no passwords in most organizations: sign in with Microsoft.",
    "smtp-mail.outlook.com": "Outlook.com takes no passwords: sign in with Microsoft.",
    "smtp.mail.yahoo.com": "Yahoo takes an app password only (login.yahoo.com/account/security).",
    "smtp.mail.me.com": "iCloud takes an app-specific password only (account.apple.com).",
    "smtp.fastmail.com": "Fastmail takes an app password only (Settings, Privacy & Security).",
    "smtp.zoho.com": "With two-factor sign-in Zoho takes an app password only; accounts in Europe are at smtp.zoho.eu.",
}


def with_preset(fields: dict) -> dict:
    """`preset` replaced by the provider's servers; what is given besides wins."""
    fields = dict(fields)
    name = fields.pop("preset", None)
    return {**PRESETS[name], **_USUAL, **fields} if name else fields


def completed(*, workspace, email: str, **fields) -> dict:
    """What a person need not say: the servers, by the address or its domain's MX, and the user name.

    Asks the DNS where the address does not tell: call it outside a transaction. Invalid when nobody knows its server.
    """
    if not workspace.livemode:
        return {"email": email, **fields}
    if fields.get("sign_in", "password") != "password":
        fields = with_preset({"preset": fields["sign_in"], **fields})
    if not fields.get("smtp_host"):
        name = preset_for(workspace, email)
        if not name:
            raise Invalid.field("smtp_host", "Say which server takes its mail, such as smtp.you.com.")
        fields = with_preset({"preset": name, **{key: value for key, value in fields.items() if value != ""}})
    if fields.get("password") and not fields.get("username"):
        fields["username"] = email
    return {"email": email, **fields}


def preset_for(workspace, email: str) -> str:
    """The name of its provider; empty when we do not know it."""
    found = mail_providers(workspace, [email])[email] or provider_of_hosts(_mail_servers(email.rpartition("@")[2]))
    found = _NAMES.get(found, found)
    return found if found in PRESETS else ""


def _mail_servers(domain: str) -> list[str]:
    """Its MX, best first; none when the DNS does not say."""
    try:
        answer = configured_resolver().resolve(domain, "MX", search=False)
    except (dns.exception.DNSException, OSError, ValueError):
        return []
    return [str(record.exchange) for record in sorted(answer, key=lambda record: record.preference)]


def ceiling(*, email: str, smtp_host: str) -> tuple[int, str] | None:
    """(mails a day, who says so)."""
    gmail = email.endswith(("@gmail.com", "@googlemail.com"))
    return GMAIL if gmail else CEILINGS.get(smtp_host.lower())


def refuse_too_much(*, email: str, smtp_host: str = "", daily_limit: int | None = None, **_) -> None:
    """Invalid when the limit is more than the provider lets out: it refuses the rest, and thinks less of us."""
    found = ceiling(email=email, smtp_host=smtp_host or "")
    if found and (daily_limit or 0) > found[0]:
        most, who = found
        sentence = f"{who} lets out {most} mails a day at most; beyond that it refuses them, and may lock the account."
        raise Invalid.field("daily_limit", sentence)


def advice(mailbox) -> dict[str, list[str]]:
    """{field: [sentences]}: what is usually wrong with settings like these.

    Made of what was typed alone and not of what a server said, so it tells nothing of any network (security S12).
    """
    found: dict[str, list[str]] = {}
    for kind, implicit, explicit in (("smtp", 465, 587), ("imap", 993, 143)):
        port, security = getattr(mailbox, f"{kind}_port"), getattr(mailbox, f"{kind}_security")
        if port == implicit and security != "tls":
            found[f"{kind}_security"] = [f"Port {implicit} is encrypted from the first byte: choose tls."]
        if port == explicit and security == "tls":
            found[f"{kind}_security"] = [f"Port {explicit} begins in clear: choose starttls."]
    if getattr(mailbox, "sign_in", "password") == "password" and mailbox.smtp_host.lower() in APP_PASSWORDS:
        found["password"] = [APP_PASSWORDS[mailbox.smtp_host.lower()]]
    if mailbox.username and "@" not in mailbox.username:
        found["username"] = ["Most servers want the whole address as user name."]
    return found
