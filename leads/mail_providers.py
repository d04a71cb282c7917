"""Who keeps a domain's mail: one name for all domains that end up at the same receiver, "" where we do not know. Pure.

Receivers that block, block all of their domains at once; that is what the name is for.
"""

from collections.abc import Iterable

# Addresses for everybody, and how the names of its mail servers end.
_PROVIDERS = {
    "apple": ("icloud.com me.com mac.com", "icloud.com"),
    "barracuda": ("", "barracudanetworks.com"),
    "fastmail": ("fastmail.com fastmail.fm", "messagingengine.com"),
    "google": ("gmail.com googlemail.com", "google.com googlemail.com"),
    "microsoft": ("outlook.com hotmail.com live.com msn.com outlook.de hotmail.de hotmail.co.uk hotmail.fr "
                  "live.co.uk live.de", "protection.outlook.com"),
    "mimecast": ("", "mimecast.com mimecast.co.za"),
    "proofpoint": ("", "pphosted.com ppe-hosted.com"),
    "proton": ("proton.me protonmail.com pm.me", "protonmail.ch"),
    "united_internet": ("gmx.de gmx.net gmx.com gmx.at web.de", "gmx.net web.de kundenserver.de"),
    "yahoo": ("yahoo.com yahoo.co.uk yahoo.de yahoo.fr ymail.com rocketmail.com aol.com", "yahoodns.net"),
    "yandex": ("yandex.ru yandex.com ya.ru", "yandex.net yandex.ru"),
    "zoho": ("zoho.com zohomail.com", "zoho.com zoho.eu"),
}  # fmt: skip
_BY_DOMAIN = {domain: name for name, (domains, _) in _PROVIDERS.items() for domain in domains.split()}
_BY_ENDING = {ending: name for name, (_, endings) in _PROVIDERS.items() for ending in endings.split()}


def provider_of_domain(domain: str) -> str:
    """Of a domain that a provider gives addresses at to everybody."""
    return _BY_DOMAIN.get(domain.lower(), "")


def provider_of_hosts(hosts: Iterable[str]) -> str:
    """Of the first mail server that we know."""
    for host in hosts:
        for ending, name in _BY_ENDING.items():
            if f".{host.lower().rstrip('.')}".endswith(f".{ending}"):
                return name
    return ""
