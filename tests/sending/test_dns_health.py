"""SPF, DKIM and DMARC of a sending domain, from a real name server on this machine."""

from dataclasses import dataclass

import pytest

from apikeys.models import Workspace
from sending.dns_health import Records, look_up
from sending.models import Domain, Mailbox
from sending.recovery import heal_due
from tests import make
from tests.servers.dns import SERVFAIL, DnsServer, Silence


@dataclass(frozen=True)
class Txt:
    said: str
    kind = "TXT"

    @property
    def text(self) -> str:
        return f'"{self.said}"'


SPF, DMARC, KEY = Txt("v=spf1 include:_spf.you.example -all"), Txt("v=DMARC1; p=none"), Txt("v=DKIM1; k=rsa; p=MIGf")
GOOD = {"you.example": [Txt("site=1"), SPF], "_dmarc.you.example": [DMARC], "s1._domainkey.you.example": [KEY]}


@pytest.fixture(autouse=True)
def quick(settings):
    settings.DNS_TIMEOUT_SECONDS, settings.DNS_TRIES = 0.3, 1


@pytest.fixture
def asked(settings):
    """asked(zone): what is found when the name server of the settings has that zone."""

    def ask(zone: dict, domain: str = "you.example") -> Records:
        with DnsServer(zone) as server:
            settings.DNS_NAMESERVERS = server.addresses
            return look_up(domain)

    return ask


def test_all_three(asked):
    found = asked(GOOD)

    assert (found, found.hold, found.detail) == (Records(True, True, True), True, "")


def test_what_is_missing_is_named(asked):
    found = asked({"you.example": []})

    assert (found.hold, found.detail) == (False, "SPF is missing. DKIM is missing. DMARC is missing.")


@pytest.mark.parametrize(
    ("zone", "field"),
    [
        ({"you.example": [SPF, SPF, Txt("v=spf1 -all")]}, "spf"),
        ({"you.example": [Txt("v=spf10 -all")]}, "spf"),
        ({"_dmarc.you.example": [Txt("v=DMARC2; p=none")]}, "dmarc"),
        ({"s1._domainkey.you.example": [Txt("v=DKIM1; p=")]}, "dkim"),
    ],
)
def test_what_receivers_do_not_take_is_not_taken(asked, zone, field):
    assert getattr(asked({**GOOD, **zone}), field) is False


def test_the_policy_of_the_domain_above_counts(asked):
    zone = {"mail.you.example": [SPF], "google._domainkey.mail.you.example": [KEY], "_dmarc.you.example": [DMARC]}

    assert asked(zone, "mail.you.example").hold


@pytest.mark.parametrize("silent", [SERVFAIL, Silence()])
def test_what_nobody_could_say_is_unknown_and_does_not_hold(asked, silent):
    found = asked({**GOOD, "you.example": silent})

    assert (found.spf, found.hold, found.detail) == (None, False, "SPF could not be looked up.")


def test_a_live_mailbox_in_quarantine_is_checked_there_and_a_test_one_asks_nobody(db, settings):
    live, test = make.workspace("Live", livemode=True), make.workspace("Test")
    for workspace in (live, test):
        make.mailbox(workspace, phase="quarantine", phase_until=make.NOW)
    with DnsServer(GOOD) as server:
        settings.DNS_NAMESERVERS = server.addresses
        heal_due(now=make.NOW, workspace=Workspace.objects.get(pk=test.pk))
        assert server.total() == 0
        heal_due(now=make.NOW, workspace=Workspace.objects.get(pk=live.pk))

    assert set(Domain.objects.values_list("spf_ok", "dkim_ok", "dmarc_ok")) == {(True, True, True)}
    assert set(Mailbox.objects.values_list("checks_passed", flat=True)) == {1}
