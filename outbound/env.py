"""Readers for environment variables. Each refuses nonsense at start, so a typo is a message and not a surprise."""

import ipaddress
import json
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_int(name: str, default: int, *, least: int = 0) -> int:
    """A whole number of at least `least`; anything else stops the start with the variable's name."""
    try:
        value = int(env_text(name, str(default)))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {os.environ[name]!r}.") from None
    if value < least:
        raise ImproperlyConfigured(f"{name} must be {least} or more, not {value}.")
    return value


def env_money(name: str) -> Decimal | None:
    """An amount, such as 25 or 0.50; None when it is not set."""
    text = env_text(name)
    try:
        amount = Decimal(text) if text else None
    except InvalidOperation:
        raise ImproperlyConfigured(f"{name}={text!r} is not an amount. Write a number such as 25 or 0.50.") from None
    if amount is not None and not (amount.is_finite() and amount >= 0):
        raise ImproperlyConfigured(f"{name}={text!r} is not an amount. Write a number such as 25 or 0.50.")
    return amount


def env_bool(name: str, default: bool) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    text = env_text(name, "yes" if default else "no").lower()
    if text not in words:
        raise ImproperlyConfigured(f"{name} must be yes or no, not {os.environ[name]!r}.")
    return words[text]


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_servers(name: str, *, port: int) -> list[tuple[str, int]]:
    """[(address, port)] of "127.0.0.1:5353, 9.9.9.9, [2620:fe::fe]:53": no names, which would need a server."""
    found = []
    for part in env_list(name):
        host, _, given = part.rpartition(":") if part.count(":") == 1 or "]:" in part else (part, "", "")
        try:
            found.append((str(ipaddress.ip_address(host.strip("[]"))), int(given or port)))
        except ValueError:
            raise ImproperlyConfigured(f"{name} must hold addresses such as 127.0.0.1:5353, not {part!r}.") from None
    return found


def env_blocklists(name: str, default: str) -> list[tuple[str, str, bool]]:
    """[(kind, zone, critical)] of "domain:black.uribl.com:critical, ip:bl.spamcop.net"; of "none" an empty list."""
    found = []
    for part in [] if env_text(name).lower() == "none" else env_list(name, default):
        kind, zone, weight = [*part.lower().split(":"), "", ""][:3]
        if kind not in ("domain", "ip") or "." not in zone or weight not in ("", "critical") or part.count(":") > 2:
            raise ImproperlyConfigured(f"{name} must hold lists such as domain:bl.example.com:critical, not {part!r}.")
        found.append((kind, zone.rstrip("."), weight == "critical"))
    return found


def env_secret(name: str) -> str:
    """The variable itself, or the content of the file that NAME_FILE points at (as container secrets are given)."""
    path = env_text(f"{name}_FILE")
    if not path:
        return env_text(name)
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from None


def env_tiers(name: str) -> dict[str, dict[str, int | None]]:
    """Limits by tier, as JSON: {"growth": {"leads": 50000}}; null or absent is unlimited."""
    known = ("leads", "domains", "mailboxes", "monthly_sends", "validation_credits")
    try:
        tiers = json.loads(env_text(name, "{}"))
        wrong = [
            f"{tier}.{limit}"
            for tier, limits in tiers.items()
            for limit, value in limits.items()
            if limit not in known or not (value is None or type(value) is int and value >= 0)
        ]
    except (ValueError, AttributeError):
        raise ImproperlyConfigured(f'{name} must be JSON such as {{"growth": {{"leads": 50000}}}}.') from None
    if wrong:
        raise ImproperlyConfigured(f"{name}: {wrong[0]} is not one of {', '.join(known)}, or no whole number.")
    return tiers


def ended_when_idle(options: dict, *, seconds: int) -> dict:
    """PostgreSQL's connection options with a bound for a transaction whose worker says nothing: it may be frozen, and
    holds its locks. 0 leaves the server's own."""
    if not seconds:
        return options
    bound = f"-c idle_in_transaction_session_timeout={seconds * 1000}"
    return {**options, "options": f"{options.get('options', '')} {bound}".strip()}


def env_mail_server(name: str) -> dict:
    """Django's settings of a mail server from smtp+tls://user:password@host:587 (smtp+ssl for 465, smtp for none)."""
    url = env_secret(name)
    if not url:
        return {"EMAIL_HOST": ""}
    try:
        found = env.email_url_config(url)
    except (ValueError, KeyError, environ.ImproperlyConfigured):
        found = {}
    if not url.startswith("smtp") or not found.get("EMAIL_HOST"):
        raise ImproperlyConfigured(f"{name} must look like smtp+tls://user:password@mail.example.com:587.")
    known = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "EMAIL_USE_SSL")
    return {key: value for key, value in found.items() if key in known and value is not None}


def env_database(name: str, default_path: Path) -> dict:
    """DATABASE_URL as Django's dict; SQLite at `default_path` when it is absent."""
    try:
        return env.db_url_config(env_text(name, f"sqlite:///{default_path}"))
    except (ValueError, KeyError, environ.ImproperlyConfigured) as error:
        raise ImproperlyConfigured(f"{name} is not a database address: {error}") from None
