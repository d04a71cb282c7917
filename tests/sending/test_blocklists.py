"""Blocklists, asked as RFC 5782 says, of a real name server on this machine; what a listing does to a domain."""

from datetime import timedelta

import pytest

from apikeys.models import Event
from outbound.dns import configured_resolver
from sending import blocklists, dns_health
from sending.blocklists import Blocklist
from sending.domains import look, note_check
from sending.models import Domain
from sending.recovery import heal_due
from tests import make
from tests.base import Api
from tests.sending.test_dns_health import GOOD
from tests.servers.dns import NXDOMAIN, REFUSED, SERVFAIL, Address, DnsServer, Silence

LISTED, HOUR, DAY = [Address("127.0.0.2")], timedelta(hours=1), timedelta(days=1)
NAMES = {"2.0.0.127.bl.test": LISTED, "test.bl.test": LISTED}
IPS = {"2.0.0.127.ip.test": LISTED}
BY_NAME, BY_IP = Blocklist("domain", "bl.test"), Blocklist("ip", "ip.test")


@pytest.fixture(autouse=True)
def quick(settings):
    settings.DNS_TIMEOUT_SECONDS, settings.DNS_TRIES = 0.3, 1


@pytest.fixture
def asked(settings):
    """asked(zone): what two lists say of you.example and its own mail server, with that zone in the name server."""

    def ask(zone: dict, *lists: Blocklist, hosts=("mail.you.example",)) -> dict:
        with DnsServer(zone) as server:
            settings.DNS_NAMESERVERS = server.addresses
            resolver = configured_resolver()
            able = blocklists.in_order(lists or (BY_NAME, BY_IP), resolver)
            return blocklists.look_up("you.example", hosts, lists=able, resolver=resolver)

    return ask


class TestAList:
    def test_a_name_is_asked_for_as_it_is_and_an_address_backwards(self, asked):
        zone = NAMES | IPS | {"you.example.bl.test": LISTED, "mail.you.example": [Address("192.0.2.7")]}

        assert asked(zone) == {"bl.test": True, "ip.test": False}
        assert asked(zone | {"7.2.0.192.ip.test": LISTED}) == {"bl.test": True, "ip.test": True}

    @pytest.mark.parametrize(
        "answer", ["127.0.0.1", "127.255.255.254", "127.0.1.2", "127.0.0.255", "192.0.2.1"], ids=str
    )
    def test_an_answer_that_is_no_listing_is_no_answer(self, asked, answer):
        assert asked(NAMES | {"you.example.bl.test": [Address(answer)]}, BY_NAME) == {}

    def test_an_error_beside_a_listing_is_an_error(self, asked):
        both = [Address("127.0.0.2"), Address("127.255.255.252")]

        assert asked(NAMES | {"you.example.bl.test": both}, BY_NAME) == {}

    @pytest.mark.parametrize("silent", [SERVFAIL, REFUSED, Silence()], ids=str)
    def test_one_that_does_not_answer_says_nothing(self, asked, silent):
        assert asked(NAMES | {"you.example.bl.test": silent}, BY_NAME) == {}

    @pytest.mark.parametrize(
        "broken",
        [
            {"2.0.0.127.bl.test": NXDOMAIN, "test.bl.test": NXDOMAIN},  # it lists nothing any more
            {"1.0.0.127.bl.test": LISTED},  # it lists the whole world
            {"invalid.bl.test": LISTED},
            {"2.0.0.127.bl.test": [Address("127.255.255.254")], "test.bl.test": [Address("127.0.0.1")]},  # refuses us
        ],
    )
    def test_one_that_fails_its_control_questions_is_not_asked(self, asked, broken):
        assert asked({**NAMES, "you.example.bl.test": LISTED, **broken}, BY_NAME) == {}

    def test_a_list_of_addresses_has_nothing_to_say_of_a_domain_whose_mail_leaves_elsewhere(self, asked):
        assert asked(IPS, BY_IP, hosts=()) == {}


class Watched:
    """A live domain with one mailbox, its name server, and a clock turned by hand."""

    def __init__(self, server):
        self.server, self.now = server, make.NOW
        self.workspace = make.workspace("Live", livemode=True)
        make.mailbox(self.workspace, smtp_host="smtp.gmail.com", daily_limit=30)

    def says(self, **zone) -> "Watched":
        """after_an_hour=…: what the name server says from now on."""
        self.server.zone.update({name.replace("__", "."): answer for name, answer in zone.items()})
        return self

    def waits(self, time: timedelta) -> "Watched":
        self.now += time
        heal_due(now=self.now)
        return self

    @property
    def domain(self) -> Domain:
        return Domain.objects.get()

    @property
    def told(self) -> list[str]:
        kinds = Event.objects.filter(kind__startswith="domain.").order_by("created_at", "id")
        return list(kinds.values_list("kind", flat=True))


GOOGLE = {"google._domainkey.you.example": GOOD["s1._domainkey.you.example"]}
ENTRY = "you__example__bl__test"


@pytest.fixture
def watched(db, settings):
    settings.DNSBL_LISTS = [("domain", "bl.test", True), ("domain", "minor.test", False)]
    zone = GOOD | GOOGLE | NAMES | {"2.0.0.127.minor.test": LISTED}
    with DnsServer(zone) as server:
        settings.DNS_NAMESERVERS = server.addresses
        yield Watched(server)


class TestWhatAListingDoes:
    def test_it_pauses_the_domain_when_it_is_seen_again_an_hour_later(self, watched):
        watched.says(**{ENTRY: LISTED}).waits(timedelta(0))
        assert (watched.domain.phase, watched.told) == ("healthy", ["domain.dnsbl_listed"])
        assert watched.waits(59 * timedelta(minutes=1)).domain.phase == "healthy"
        assert watched.waits(timedelta(minutes=1)).domain.phase == "paused"

        assert watched.domain.phase_reason == "It is listed on bl.test."
        assert watched.told == ["domain.dnsbl_listed", "domain.phase_changed"]

    def test_looking_twice_at_once_confirms_nothing(self, watched):
        watched.says(**{ENTRY: LISTED})
        for minutes in (0, 30):
            note_check(domain=watched.domain, findings=look(watched.domain), now=make.NOW + timedelta(minutes=minutes))

        assert (watched.domain.phase, watched.domain.listings["bl.test"]["confirmed"]) == ("healthy", False)

    def test_one_that_is_gone_an_hour_later_pauses_nothing(self, watched):
        watched.says(**{ENTRY: LISTED}).waits(timedelta(0))
        watched.says(**{ENTRY: NXDOMAIN}).waits(HOUR)

        assert (watched.domain.phase, watched.domain.listings) == ("healthy", {})
        assert watched.told == ["domain.dnsbl_listed", "domain.dnsbl_cleared"]

    @pytest.mark.parametrize("silent", [SERVFAIL, [Address("127.255.255.254")]], ids=["silent", "refuses"])
    def test_an_unreachable_list_neither_pauses_nor_clears(self, watched, silent):
        watched.says(**{ENTRY: LISTED}).waits(timedelta(0))
        watched.says(**{ENTRY: silent}).waits(HOUR).waits(DAY)

        assert watched.domain.phase == "healthy"
        assert watched.domain.listings["bl.test"]["confirmed"] is False

    def test_one_that_is_not_critical_costs_points_and_nothing_else(self, watched):
        watched.says(you__example__minor__test=LISTED).waits(timedelta(0)).waits(HOUR).waits(DAY)

        row = Api(make.key(watched.workspace)).data("get", "/domains")[0]
        assert (row["status"], row["infrastructure_score"]) == ("active", 70)
        assert [(each["blocklist"], each["critical"], each["confirmed"]) for each in row["listings"]] == [
            ("minor.test", False, True)
        ]

    def test_quarantine_ends_only_off_the_list_and_fails_closed(self, watched):
        watched.says(**{ENTRY: LISTED}).waits(timedelta(0)).waits(HOUR).waits(DAY)
        assert watched.domain.phase == "quarantine"
        watched.waits(2 * HOUR)
        assert (watched.domain.checks_failed, watched.domain.phase_reason) == (1, "It is listed on bl.test.")
        watched.says(**{ENTRY: NXDOMAIN, "_dmarc__you__example": SERVFAIL}).waits(2 * HOUR)
        assert (watched.domain.checks_failed, watched.domain.checks_passed) == (2, 0)
        watched.says(_dmarc__you__example=GOOD["_dmarc.you.example"]).waits(2 * HOUR).waits(HOUR)

        assert watched.domain.phase == "restricted_send"
        assert "domain.dnsbl_cleared" in watched.told


class TestWhatIsWatched:
    def test_a_record_that_goes_missing_is_told_once_and_costs_its_points(self, watched):
        watched.waits(timedelta(0))
        assert watched.told == []
        watched.says(you__example=[]).waits(DAY).waits(DAY)

        assert watched.told == ["domain.dns_failed"]
        assert Event.objects.get(kind="domain.dns_failed").summary == "you.example: SPF is missing."
        row = Api(make.key(watched.workspace)).data("get", "/domains")[0]
        assert (row["infrastructure_score"], row["spf"], row["dkim"]) == (75, False, True)

    def test_a_silent_name_server_is_no_news(self, watched):
        watched.waits(timedelta(0)).says(you__example=SERVFAIL).waits(DAY)

        assert (watched.told, watched.domain.spf_ok) == ([], None)

    def test_it_is_asked_once_a_day(self, watched):
        watched.waits(timedelta(0))
        questions = watched.server.total()

        assert watched.waits(23 * HOUR).server.total() == questions
        assert watched.waits(HOUR).server.total() == 2 * questions

    def test_a_key_is_looked_for_where_the_mailboxs_provider_has_it(self, watched):
        watched.says(google___domainkey__you__example=NXDOMAIN).waits(timedelta(0))

        assert watched.domain.dkim_ok is False  # the one at s1 signs nothing of Google's

    def test_a_person_can_say_where_it_is_and_have_it_looked_at_now(self, watched):
        watched.says(google___domainkey__you__example=NXDOMAIN)
        api, path = Api(make.key(watched.workspace)), f"/domains/{watched.domain.pk}"

        assert api.data("post", f"{path}/check")["dkim"] is False
        assert api.data("patch", path, {"dkim_selector": "s1"})["dkim_selector"] == "s1"
        assert api.data("post", f"{path}/check")["dkim"] is True
        assert api("patch", path, {"dkim_selector": "no spaces"}).status_code == 400


@pytest.mark.parametrize(
    ("hosts", "own", "groups"),
    [
        (["smtp.gmail.com"], "", [("google",)]),
        (["SMTP.office365.com"], "", [("selector1", "selector2")]),
        (["smtp.gmail.com", "smtp.office365.com"], "", [("google",), ("selector1", "selector2")]),
        (["mail.you.example"], "", [dns_health.USUAL_SELECTORS]),
        (["smtp.gmail.com"], "2026a", [("2026a",)]),
        ([], "", [dns_health.USUAL_SELECTORS]),
    ],
)
def test_the_names_of_keys_follow_from_the_mail_servers(hosts, own, groups):
    assert dns_health.selectors_for(hosts, own) == groups


def test_a_test_workspace_rehearses_a_listing_and_asks_nobody(acme):
    make.mailbox(acme, "hi@listed.test")
    heal_due(now=make.NOW)
    heal_due(now=make.NOW + HOUR)

    assert Domain.objects.get().phase == "paused"
