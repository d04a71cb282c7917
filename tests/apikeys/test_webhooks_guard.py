"""A webhook address never leads into our own network: a canary on loopback hears no knock (security S11)."""

import socket
import threading

import pytest

from apikeys.events import record_event
from apikeys.models import WebhookDelivery, WebhookEndpoint
from apikeys.webhook_delivery import deliver_due
from apikeys.webhooks import create_endpoint
from outbound import http
from tests import make
from tests.servers.certs import make_certificates
from tests.servers.receiver import LOOPBACK, Receiver, Says

PUBLIC = "93.184.215.14"
INWARD = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0177.1", "0.0.0.0", "0", "localhost",
    "LOCALHOST.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[::127.0.0.1]", "１２７.0.0.1", "①②⑦.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "[fc00::1]",
    "[fe80::1]",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _closed_and_fresh(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = []
    yield
    http.tls_context.cache_clear()


@pytest.fixture
def canary():
    with Receiver() as server:
        yield server


def resolves_to(monkeypatch, *answers: str):
    """The outside world's resolver: one answer after the other, the last for ever."""
    left = list(answers)

    def getaddrinfo(name, port, *_, **__):
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def queued(workspace, url: str) -> WebhookDelivery:
    """A delivery to an address that was stored when it was still good."""
    create_endpoint(workspace=workspace, url=url, kinds=["*"], now=make.NOW)
    record_event(workspace=workspace, kind="lead.replied", summary="x", now=make.NOW)
    return WebhookDelivery.objects.get()


def told(delivery) -> str:
    delivery.refresh_from_db()
    return delivery.error


class TestInward:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("host", INWARD)
    def test_it_is_refused_at_save(self, acme, api, canary, monkeypatch, host, scheme):
        monkeypatch.setattr(http, "HTTPS_PORTS", frozenset({canary.port}))
        answer = api("post", "/webhooks", {"url": f"{scheme}://{host}:{canary.port}/hooks"})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["url"])
        assert WebhookEndpoint.objects.count() == 0
        assert canary.connections == 0

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("host", INWARD)
    def test_it_is_refused_at_connect(self, acme, canary, monkeypatch, host, scheme):
        monkeypatch.setattr(http, "HTTPS_PORTS", frozenset({canary.port}))
        delivery = queued(acme, f"{scheme}://{host}:{canary.port}/hooks")
        assert deliver_due() == 1
        assert told(delivery)
        assert canary.connections == 0

    def test_the_sentence_is_the_same_whatever_is_there(self, api, canary, monkeypatch):
        """Open port, closed port, private, unresolvable, wrong port: nothing to learn from (S12)."""
        urls = [
            canary.url, "https://127.0.0.1:1/", "https://10.1.2.3/", "https://nowhere.invalid/", f"https://{PUBLIC}:22/",
            f"http://{PUBLIC}/", "ftp://example.com/", "https://user:word@example.com/", "https:///x", "nonsense",
            "https://" + "a" * 300 + ".com/", "https://a b/", "gopher://127.0.0.1/", "file:///etc/passwd",
        ]  # fmt: skip
        assert len({api("post", "/webhooks", {"url": url}).json()["error"] for url in urls}) == 1

    def test_a_change_is_checked_too(self, acme, api, canary, monkeypatch):
        resolves_to(monkeypatch, PUBLIC)
        made = api.data("post", "/webhooks", {"url": "https://hooks.example/"}, status=201)
        resolves_to(monkeypatch, "127.0.0.1")
        assert api("patch", f"/webhooks/{made['id']}", {"url": canary.url}).status_code == 400
        assert WebhookEndpoint.objects.get().url == "https://hooks.example/"


class TestRebinding:
    def test_a_name_that_was_public_at_save_and_is_private_at_connect(self, acme, api, canary, monkeypatch):
        monkeypatch.setattr(http, "HTTPS_PORTS", frozenset({canary.port}))
        resolves_to(monkeypatch, PUBLIC, "127.0.0.1")
        api.data("post", "/webhooks", {"url": f"https://rebinding.example:{canary.port}/"}, status=201)
        acme.refresh_from_db()
        record_event(workspace=acme, kind="lead.replied", summary="x", now=make.NOW)
        assert deliver_due() == 1
        assert told(WebhookDelivery.objects.get()).startswith("The address is not allowed")
        assert canary.connections == 0

    def test_the_address_that_was_checked_is_the_one_connected_to(self, acme, canary, settings, monkeypatch):
        """Every question gets another answer; the second one would be loopback, and is never asked for."""
        settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.2/32"]
        resolves_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        delivery = queued(acme, f"http://rebinding.example:{canary.port}/")
        deliver_due()
        assert told(delivery) == "Could not connect, or the connection broke."
        assert canary.connections == 0

    def test_one_private_address_among_public_ones_refuses_the_name(self, acme, canary, monkeypatch):
        answer = [(socket.AF_INET, 1, 6, "", (PUBLIC, 443)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
        delivery = queued(acme, "https://both.example/")
        deliver_due()
        assert told(delivery).startswith("The address is not allowed")


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_they_are_not_followed(self, acme, canary, settings, status):
        settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK
        with Receiver(Says(status, headers={"location": canary.url})) as server:
            delivery = queued(acme, server.url)
            deliver_due()
        assert told(delivery) == f"Answered {status}. Redirects are not followed."
        assert (len(server.got), canary.connections) == (1, 0)


class TestTheOperatorsOwnNetwork:
    def test_plain_http_and_any_port_are_good_there(self, acme, api, settings, canary):
        settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK
        api.data("post", "/webhooks", {"url": canary.url}, status=201)

    def test_no_proxy_of_the_environment_is_used(self, settings, canary, monkeypatch):
        settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK
        with Receiver() as server:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, canary.url)
            assert http.request("POST", server.url, content=b"{}").status == 200
        assert canary.connections == 0


class TestTheExchange:
    @pytest.fixture(autouse=True)
    def _ours(self, settings):
        settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK

    def test_a_server_that_never_answers_is_given_up(self):
        with Receiver(Says(hang=True)) as server:
            assert http.request("POST", server.url, timeout=0.2).error == "timeout"

    def test_a_byte_now_and_then_does_not_prolong_it(self):
        with Receiver(Says(body=b"x" * 1000, drip=0.05)) as server:
            assert http.request("POST", server.url, timeout=0.3).error == "timeout"

    def test_a_long_answer_is_cut(self):
        with Receiver(Says(body=b"x" * 100_000)) as server:
            answer = http.request("GET", server.url, max_bytes=1000)
        assert (answer.status, len(answer.body), answer.error) == (200, 1000, "too_large")

    def test_what_is_no_http_is_said_to_be_none(self):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def talk():
                peer, _ = server.accept()
                peer.recv(1000)
                peer.sendall(b"220 mail.example ESMTP\r\n")
                peer.close()

            threading.Thread(target=talk, daemon=True).start()
            answer = http.request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5)
        assert answer.error == "protocol"

    def test_a_closed_port_is_said_to_be_closed(self):
        assert http.request("GET", "http://127.0.0.1:1/").error == "connect"

    def test_a_certificate_that_nobody_trusts_is_refused(self, tmp_path):
        with Receiver(context=make_certificates(tmp_path).context) as server:
            assert http.request("POST", server.url).error == "tls"
        assert server.got == []

    def test_a_trusted_certificate_of_the_right_name_is_taken(self, tmp_path, monkeypatch):
        certificates = make_certificates(tmp_path)
        trust(monkeypatch, certificates)
        with Receiver(context=certificates.context) as server:
            assert http.request("POST", server.url, content=b"{}").status == 200

    def test_a_certificate_of_another_name_is_refused(self, tmp_path, monkeypatch):
        certificates = make_certificates(tmp_path, names=("elsewhere.example",))
        trust(monkeypatch, certificates)
        with Receiver(context=certificates.context) as server:
            assert http.request("POST", server.url, content=b"{}").error == "tls"


def trust(monkeypatch, certificates) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    http.tls_context.cache_clear()
