"""The resolver that the settings name. One for the whole product, so that DNS_NAMESERVERS means the same everywhere."""

import dns.nameserver
import dns.resolver
from django.conf import settings


def configured_resolver() -> dns.resolver.Resolver:
    """The machine's, or the one of DNS_NAMESERVERS; each question gets DNS_TRIES tries of DNS_TIMEOUT_SECONDS.

    Raises dns.resolver.NoResolverConfiguration where the machine has none.
    """
    resolver = dns.resolver.Resolver(configure=not settings.DNS_NAMESERVERS)
    if settings.DNS_NAMESERVERS:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in settings.DNS_NAMESERVERS]
    resolver.timeout = settings.DNS_TIMEOUT_SECONDS
    resolver.lifetime = settings.DNS_TIMEOUT_SECONDS * settings.DNS_TRIES
    return resolver
