"""What can be said of an address without asking anyone: its syntax, disposable or not, a role or a person.

Runs on every row of every import, so plain addresses take a short way that gives the library's own verdict
(tests/leads/test_checks.py holds the two together).
"""

import re

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email

MAX_LENGTH = 254  # RFC 5321 4.5.3.1.3, less the angle brackets
# Narrower than the library on purpose: what does not match is not refused, only looked at more slowly.
# No "--", so no punycode; no all-digit last label; dots and hyphens never side by side.
PLAIN = re.compile(r"[a-z0-9_'+-]+(?:\.[a-z0-9_'+-]+){0,9}@((?:[a-z0-9]+(?:-[a-z0-9]+){0,9}\.){1,9}[a-z]{2,20})")
_RESERVED = (".arpa", ".invalid", ".local", ".localhost", ".onion")  # never deliverable: the library says so best

# Mailboxes that belong to a job, not to a person: RFC 2142 names most; the rest are what companies print on
# their sites, in the languages we import. They are shared, rarely answer, and complain most. Words that are
# also names or that one person may hold alone (ceo, me, mark, hello as a first greeting of a founder) are left out,
# except "hello" and "hi", which are today's "info"; so are bounce and unsubscribe, which name magic recipients.
_ROLES = """
    abuse hostmaster mailer-daemon noc postmaster root security usenet uucp webmaster www ftp
    admin administrator it sysadmin helpdesk help support servicedesk service customerservice customercare care
    info information contact contactus hello hi office mail email enquiries enquiry inquiries team reception
    sales marketing pr press media newsletter news partners partnerships advertising
    billing accounts accounting accountspayable ap invoices invoice payments finance orders order purchasing
    hr jobs careers career recruiting recruitment talent legal compliance privacy dpo gdpr
    noreply no-reply donotreply do-not-reply feedback
    kontakt vertrieb buchhaltung bewerbung personal presse datenschutz rechnung verwaltung zentrale einkauf
    contacto ventas soporte facturacion administracion rrhh
    bonjour comptabilite recrutement commercial direction accueil
"""
ROLES = frozenset(_ROLES.split())


def normalise_email(raw: str) -> str:
    """The one spelling we store: bare, lower case, the domain in ASCII (IDNA), at most 254 characters.

    Takes `mailto:` links, `<…>` and `Name <…>`. Raises ValueError with a sentence. Reserved names for examples and
    tests (.example, .test) pass: the sandbox lives there.
    """
    address = _bare(raw)
    lowered = address.lower()
    plain = PLAIN.fullmatch(lowered) if address.isascii() and len(address) <= 64 else None
    if plain and not plain[1].endswith(_RESERVED):
        return lowered
    return _ask_the_library(address)


def _bare(raw: str) -> str:
    address = raw.strip().strip("\ufeff\u200b\u00a0").strip()
    if address.endswith(">") and "<" in address:
        address = address[address.rindex("<") + 1 : -1].strip()
    if address[:7].lower() == "mailto:":
        address = address[7:].partition("?")[0].strip()
    return address


def _ask_the_library(address: str) -> str:
    if not address:
        raise ValueError("The e-mail address is missing.")
    if len(address) > MAX_LENGTH:
        raise ValueError(f"The e-mail address is longer than {MAX_LENGTH} characters.")
    try:
        found = validate_email(
            address, allow_smtputf8=False, check_deliverability=False, test_environment=True, strict=True
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
    if not found.ascii_email or "." not in found.ascii_domain or len(found.ascii_email) > MAX_LENGTH:
        raise ValueError("The part after the @-sign is not valid.")
    return found.ascii_email.lower()


def email_domain(email: str) -> str:
    """The part after the last @, lower case; "" when there is none."""
    return email.rpartition("@")[2].lower() if "@" in email else ""


def is_disposable(domain: str) -> bool:
    """Is the domain, or one it is under, in the public list of throw-away mail services?"""
    labels = domain.lower().rstrip(".").split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))


def is_role(email: str) -> bool:
    """Does the address belong to a job (info@, sales+eu@, no-reply@) rather than to a person?"""
    local = email.rpartition("@")[0].lower().partition("+")[0]
    return local in ROLES or local.replace(".", "").replace("_", "").replace("-", "") in ROLES
