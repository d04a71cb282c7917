import socket
import threading

import pytest

from sending.providers import net

PUBLIC = "93.184.215.14"


@pytest.fixture
def canary():
    """A listener on loopback that counts who knocks."""
    knocks = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def listen():
            while not stop.is_set():
                try:
                    knocks.append(server.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], knocks
        stop.set()
        thread.join()


LOOPBACK_IN_DISGUISE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.1",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST.",
    "::1",
    "[::1]",
    "::",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
    "１２７.0.0.1",
]
NOT_PUBLIC = [
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.88.99.1",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "2002:a00:1::",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("host", LOOPBACK_IN_DISGUISE + NOT_PUBLIC)
def test_it_refuses_what_is_not_public(host, settings, canary):
    settings.OUTBOUND_PRIVATE_NETWORKS = []
    port, knocks = canary
    with pytest.raises((net.AddressRefused, OSError)):
        targets = net.targets_for(host, port, ports=frozenset({port}), timeout=5)
        net.connect(targets, timeout=1)
    assert knocks == []


NONSENSE = ["", " ", "a b", "mail.test\r\nRCPT", "mail.test/path", "x" * 300, "user@mail.test", "\x00"]


@pytest.mark.parametrize("host", NONSENSE)
def test_it_refuses_nonsense_as_a_host(host):
    with pytest.raises(net.AddressRefused):
        net.targets_for(host, 25)


@pytest.mark.parametrize("port", [25, 465, 587, 2525])
def test_it_allows_public_addresses_on_mail_ports(port):
    assert net.targets_for(PUBLIC, port)[0].address == PUBLIC


@pytest.mark.parametrize("port", [0, 22, 80, 443, 6379, 65536, -1])
def test_it_refuses_other_ports_on_public_addresses(port):
    with pytest.raises((net.AddressRefused, OSError)):
        net.targets_for(PUBLIC, port)


def test_a_private_network_of_ones_own_takes_any_port(settings, canary):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    port, _ = canary
    targets = net.targets_for("127.0.0.1", port)
    assert [target.private for target in targets] == [True]
    net.connect(targets, timeout=2).close()


def test_opening_one_network_opens_no_other(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["10.1.0.0/16"]
    assert net.targets_for("10.1.2.3", 12345)[0].private
    with pytest.raises(net.AddressRefused):
        net.targets_for("10.2.2.3", 25)


def test_one_bad_address_among_good_ones_refuses_the_host(monkeypatch):
    """A name with a public and a private address (the resolver is the outside world, not our code)."""
    answer = [(socket.AF_INET, 1, 6, "", (PUBLIC, 25)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 25))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(net.AddressRefused):
        net.targets_for("both.example", 25)


def test_a_name_that_resolves_differently_the_second_time_gains_nothing(settings, canary, monkeypatch):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.2/32"]
    port, knocks = canary
    answers = iter(["127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", (next(answers), port))])
    targets = net.targets_for("rebinding.example", port)
    with pytest.raises(OSError):
        net.connect(targets, timeout=2)
    assert knocks == []


def test_a_resolver_that_never_answers_is_given_up(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and [])
    with pytest.raises(TimeoutError):
        net.targets_for("slow.example", 25, timeout=0.05)
    release.set()


def test_it_tries_the_next_address_when_one_refuses(settings, canary):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    port, _ = canary
    deaf = net.Target("127.0.0.9", port, socket.AF_INET, private=True)
    good = net.Target("127.0.0.1", port, socket.AF_INET, private=True)
    net.connect([deaf, good], timeout=2).close()
