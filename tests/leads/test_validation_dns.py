"""What is made of a domain's DNS, asked of a real server on a real port."""

import pytest

from leads import mail_domains
from leads.mail_domains import Finding, find_out, look_up
from outbound.dns import configured_resolver
from outbound.env import env_servers
from tests.servers.dns import (
    NULL_MX,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    Address,
    Alias,
    DnsServer,
    Mx,
    Silence,
    Slow,
    Truncated,
)  # fmt: skip

GOOD = [Mx("mx.good.test")]


@pytest.fixture
def ask(settings):
    """ask(answer) → (finding, server): what `x.test` turns out to be when the server answers so."""
    settings.DNS_TIMEOUT_SECONDS = 0.3

    def asking(answer, **zone):
        with DnsServer({"x.test": answer, **zone}) as server:
            settings.DNS_NAMESERVERS = server.addresses
            return look_up("x.test", resolver=configured_resolver()), server

    return asking


class TestOneDomain:
    @pytest.mark.parametrize(
        ("answer", "outcome", "word"),
        [
            (GOOD, "mx", ""),
            ([Mx("", preference=0), Mx("mx.x.test")], "mx", ""),
            (NULL_MX, "none", "null MX"),
            (NXDOMAIN, "none", "does not exist"),
            ([], "none", "neither MX nor address"),
            ([Address("192.0.2.1")], "address", "only an address"),
            ([Address("2001:db8::1")], "address", "only an address"),
            (SERVFAIL, "unknown", "SERVFAIL"),
            (REFUSED, "unknown", "REFUSED"),
            (Silence(), "unknown", "in time"),
            (Slow(0.1, then=GOOD), "mx", ""),
            (Silence(times=1, then=GOOD), "mx", ""),
            (Truncated(then=GOOD), "mx", ""),
        ],
        ids=lambda each: str(each)[:40],
    )
    def test_it_says_what_the_domain_is(self, ask, answer, outcome, word):
        finding, _ = ask(answer)
        assert finding.outcome == outcome
        assert word in finding.detail

    def test_a_domain_with_an_mx_is_asked_one_question(self, ask):
        _, server = ask(GOOD)
        assert dict(server.asked) == {("x.test", "MX"): 1}

    def test_silence_is_met_with_two_tries_and_no_third(self, ask):
        _, server = ask(Silence())
        assert dict(server.asked) == {("x.test", "MX"): 2}

    def test_a_long_answer_is_fetched_over_tcp(self, ask):
        _, server = ask(Truncated(then=[Mx(f"mx{number}.x.test") for number in range(60)]))
        assert dict(server.transports) == {"udp": 1, "tcp": 1}

    def test_an_alias_is_followed(self, ask):
        finding, _ = ask([Alias("y.test")], **{"y.test": [Mx("mx.y.test")]})
        assert (finding.outcome, finding.hosts) == ("mx", ("mx.y.test",))

    def test_hosts_stand_in_the_order_of_preference(self, ask):
        finding, _ = ask([Mx("b.test", 20), Mx("a.test", 10)])
        assert finding.hosts == ("a.test", "b.test")

    def test_the_reason_names_no_server_of_ours(self, ask):
        finding, server = ask(SERVFAIL)
        assert str(server.port) not in finding.detail and "127.0.0.1" not in finding.detail

    @pytest.mark.parametrize("domain", ["", ".", "a" * 64 + ".test", "a..test", "x" * 300])
    def test_what_is_no_name_is_not_asked(self, settings, domain):
        with DnsServer() as server:
            settings.DNS_NAMESERVERS = server.addresses
            assert look_up(domain, resolver=configured_resolver()).outcome == "none"
            assert server.total() == 0


class TestManyDomains:
    def test_each_distinct_domain_is_asked_once_and_together(self, settings):
        names = [f"d{number}.test" for number in range(60)]
        with DnsServer(otherwise=lambda name: Slow(0.05, then=GOOD)) as server:
            settings.DNS_NAMESERVERS = server.addresses
            found = find_out(names * 3)
            assert {finding.outcome for finding in found.values()} == {"mx"}
            assert set(found) == set(names) and server.total() == 60

    def test_a_port_where_nobody_listens_is_unknown_and_no_crash(self, settings):
        with DnsServer() as server:
            settings.DNS_NAMESERVERS, settings.DNS_TIMEOUT_SECONDS = server.addresses, 0.2
        assert find_out(["x.test"])["x.test"].outcome == "unknown"

    def test_the_catch_all_probe_is_asked_about_domains_that_take_mail_only(self, settings):
        settings.VALIDATION_CATCH_ALL_PROBE = f"{__name__}.knows_everything"
        with DnsServer({"all.test": GOOD, "none.test": NULL_MX, "broken.test": GOOD}) as server:
            settings.DNS_NAMESERVERS = server.addresses
            found = find_out(["all.test", "none.test", "broken.test"])
        assert {name: finding.is_catch_all for name, finding in found.items()} == {
            "all.test": True, "none.test": None, "broken.test": None,
        }  # fmt: skip

    def test_the_sandbox_knows_its_domains_by_heart(self):
        found = mail_domains.sandbox_findings(["nomx.test", "catchall.test", "slow.test", "acme.com"])
        assert {name: (each.outcome, each.is_catch_all) for name, each in found.items()} == {
            "nomx.test": ("none", None), "catchall.test": ("mx", True), "slow.test": ("unknown", None),
            "acme.com": ("mx", False),
        }  # fmt: skip


def knows_everything(domain, hosts):
    assert hosts
    if domain == "broken.test":
        raise OSError("the probe is broken")
    return True


class TestServersByEnvironment:
    def test_addresses_with_and_without_a_port(self, monkeypatch):
        monkeypatch.setenv("DNS_NAMESERVERS", "127.0.0.1:5353, 9.9.9.9,[2620:fe::fe]:54, 2620:fe::9")
        assert env_servers("DNS_NAMESERVERS", port=53) == [
            ("127.0.0.1", 5353), ("9.9.9.9", 53), ("2620:fe::fe", 54), ("2620:fe::9", 53),
        ]  # fmt: skip

    @pytest.mark.parametrize("text", ["dns.example.com", "127.0.0.1:x", "1.2.3"])
    def test_anything_else_stops_the_start(self, monkeypatch, text):
        monkeypatch.setenv("DNS_NAMESERVERS", text)
        with pytest.raises(Exception, match="DNS_NAMESERVERS"):
            env_servers("DNS_NAMESERVERS", port=53)


def test_a_finding_proves_nothing_about_catch_all_by_itself():
    assert Finding("mx").is_catch_all is None
