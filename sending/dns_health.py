"""What the DNS says about a sending domain: SPF, DKIM, DMARC (decisions §4). Asks the network, writes nothing."""

from dataclasses import dataclass

import dns.exception
import dns.resolver

from outbound.dns import configured_resolver

# DKIM keys stand under a name that only the provider knows: the one it gives its customers, by its mail server; of a
# server that we do not know the usual ones, the most common first.
USUAL_SELECTORS = ("google", "selector1", "selector2", "default", "s1", "s2", "k1", "mail", "dkim")
SELECTORS_OF = {
    "smtp.gmail.com": ("google",),
    "smtp-relay.gmail.com": ("google",),
    "smtp.office365.com": ("selector1", "selector2"),
    "smtp.fastmail.com": ("fm1", "fm2", "fm3"),
    "smtp.migadu.com": ("key1", "key2", "key3"),
    "smtp.protonmail.ch": ("protonmail", "protonmail2", "protonmail3"),
    "smtp.resend.com": ("resend",),
    "smtp.sendgrid.net": ("s1", "s2"),
    "smtp.zoho.com": ("zoho", "zmail", "default"),
}


def selectors_for(smtp_hosts, own: str = "") -> list[tuple[str, ...]]:
    """Groups of names; the mail of each server is signed when its group has one key. `own`: what a person told us."""
    groups = {(own,) if own else SELECTORS_OF.get(host.lower(), USUAL_SELECTORS) for host in smtp_hosts}
    return sorted(groups) or [(own,) if own else USUAL_SELECTORS]


@dataclass(frozen=True)
class Records:
    """Each True, False, or None when the DNS did not answer; `detail` says what is missing."""

    spf: bool | None
    dkim: bool | None
    dmarc: bool | None

    @property
    def hold(self) -> bool:
        """Fails closed: what is not known does not hold."""
        return bool(self.spf and self.dkim and self.dmarc)

    @property
    def detail(self) -> str:
        said = {False: "is missing", None: "could not be looked up"}
        found = (("SPF", self.spf), ("DKIM", self.dkim), ("DMARC", self.dmarc))
        return " ".join(f"{name} {said[holds]}." for name, holds in found if not holds)


# A test workspace asks nobody. One domain is as broken as a real one can be, to rehearse with.
SANDBOX, SANDBOX_BROKEN = Records(True, True, True), Records(False, False, False)


def sandbox_records(domain: str) -> Records:
    return SANDBOX_BROKEN if domain == "nodns.test" else SANDBOX


def look_up(domain: str, *, resolver=None, selectors=(USUAL_SELECTORS,)) -> Records:
    """Ask for all three. `resolver`: a dns.resolver.Resolver; without one that of the settings. `selectors`: groups of
    names, each of which must have a key."""
    try:
        resolver = resolver or configured_resolver()
    except dns.resolver.NoResolverConfiguration:
        return Records(None, None, None)
    return Records(
        spf=_one(_texts(domain, resolver), "v=spf1"),
        dkim=_worst(_dkim(domain, group, resolver) for group in selectors),
        dmarc=_dmarc(domain, resolver),
    )


def _texts(name: str, resolver) -> list[str] | None:
    """The TXT records of a name, [] when there is none, None when nobody could say."""
    try:
        answer = resolver.resolve(name, "TXT", search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return []
    except (dns.exception.DNSException, UnicodeError, OSError):
        return None
    return [b"".join(row.strings).decode("utf-8", "replace").strip() for row in answer] if answer.rrset else []


def _one(texts: list[str] | None, version: str) -> bool | None:
    """Exactly one record of that version: two are an error to every receiver (RFC 7208 4.5, RFC 7489 6.6.3)."""
    if texts is None:
        return None
    mine = [text for text in texts if text.split(";")[0].split(" ")[0].strip().lower() == version]
    return len(mine) == 1


def _dmarc(domain: str, resolver) -> bool | None:
    """The domain's own policy, or that of the domain above it, which counts for it too."""
    own = _one(_texts(f"_dmarc.{domain}", resolver), "v=dmarc1")
    above = domain.partition(".")[2]
    return _one(_texts(f"_dmarc.{above}", resolver), "v=dmarc1") if own is False and "." in above else own


def _worst(found) -> bool | None:
    found = list(found)
    return False if False in found else None if None in found else True


def _dkim(domain: str, selectors: tuple[str, ...], resolver) -> bool | None:
    """A key that is not revoked (RFC 6376 3.6.1: an empty p=) under one of the names."""
    unknown = False
    for selector in selectors:
        texts = _texts(f"{selector}._domainkey.{domain}", resolver)
        if texts is None:
            unknown = True
        elif any(_is_key(text) for text in texts):
            return True
    return None if unknown else False


def _is_key(text: str) -> bool:
    tags = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
    return bool(tags.get("p", "").strip()) and tags.get("v", "DKIM1").strip() == "DKIM1"
