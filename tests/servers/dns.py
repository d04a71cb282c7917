"""A DNS server on a real loopback port, UDP and TCP, that answers as it is told and counts what it is asked.

    with DnsServer({"acme.test": [Mx("mx.acme.test")], "dead.test": NXDOMAIN}) as server:
        settings.DNS_NAMESERVERS = server.addresses

A name's answer is a list of records (an empty one is NoAnswer), a response code, or Silence, Slow, Truncated. A name
that is not in the table is asked of `otherwise`, a function of the name; without one it does not exist.
"""

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

NXDOMAIN, SERVFAIL, REFUSED = "NXDOMAIN", "SERVFAIL", "REFUSED"
TTL = 60


@dataclass(frozen=True)
class Mx:
    host: str
    preference: int = 10

    kind = "MX"

    @property
    def text(self) -> str:
        return f"{self.preference} {self.host.rstrip('.')}."


@dataclass(frozen=True)
class Address:
    ip: str

    @property
    def kind(self) -> str:
        return "AAAA" if ":" in self.ip else "A"

    @property
    def text(self) -> str:
        return self.ip


@dataclass(frozen=True)
class Alias:
    target: str

    kind = "CNAME"

    @property
    def text(self) -> str:
        return f"{self.target.rstrip('.')}."


@dataclass(frozen=True)
class Silence:
    """No answer to the first `times` questions (for ever without), then `then`."""

    times: int | None = None
    then: object = ()


@dataclass(frozen=True)
class Slow:
    seconds: float
    then: object


@dataclass(frozen=True)
class Truncated:
    """Over UDP only a note that it did not fit; `then` over TCP."""

    then: object


NULL_MX = [Mx("", preference=0)]


class DnsServer:
    """`asked` counts (name, type) over UDP and TCP alike; `questions(name)` sums one name's."""

    def __init__(self, zone: dict | None = None, *, otherwise: Callable[[str], object] = lambda name: NXDOMAIN):
        self.zone, self.otherwise = dict(zone or {}), otherwise
        self.asked: Counter[tuple[str, str]] = Counter()
        self.transports: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.servers: list = []

    def __enter__(self) -> "DnsServer":
        tcp, udp = _pair(self)
        self.servers, self.port = [tcp, udp], udp.server_address[1]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True, name="dns").start()
        return self

    def __exit__(self, *_) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", self.port)]

    def questions(self, name: str) -> int:
        with self.lock:
            return sum(count for (asked, _), count in self.asked.items() if asked == name)

    def total(self) -> int:
        with self.lock:
            return sum(self.asked.values())

    # --- answering ----------------------------------------------------------------------------------------------------

    def reply(self, wire: bytes, transport: str) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        with self.lock:
            self.asked[name, kind] += 1
            self.transports[transport] += 1
            count = self.asked[name, kind]
        return self._answer(query, name, kind, self.zone.get(name) if name in self.zone else self.otherwise(name),
                            transport=transport, count=count)  # fmt: skip

    def _answer(self, query, name, kind, behaviour, *, transport, count) -> bytes | None:
        if isinstance(behaviour, Silence):
            if behaviour.times is None or count <= behaviour.times:
                return None
            behaviour = behaviour.then
        if isinstance(behaviour, Slow):
            time.sleep(behaviour.seconds)
            behaviour = behaviour.then
        response = dns.message.make_response(query, recursion_available=True)
        if isinstance(behaviour, Truncated):
            if transport == "udp":
                response.flags |= dns.flags.TC
                return response.to_wire()
            behaviour = behaviour.then
        if isinstance(behaviour, str):
            response.set_rcode(dns.rcode.from_text(behaviour))
        else:
            self._fill(response, name, kind, behaviour)
        return response.to_wire()

    def _fill(self, response, name: str, kind: str, records) -> None:
        for record in records:
            if record.kind == kind:
                response.answer.append(dns.rrset.from_text(f"{name}.", TTL, "IN", kind, record.text))
            elif record.kind == "CNAME":
                response.answer.append(dns.rrset.from_text(f"{name}.", TTL, "IN", "CNAME", record.text))
                self._fill(response, record.target, kind, self.zone.get(record.target, []))


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 4096
    brain: DnsServer


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    brain: DnsServer


class _OnUdp(socketserver.BaseRequestHandler):
    def handle(self):
        wire, sock = self.request
        answer = self.server.brain.reply(wire, "udp")
        if answer is not None:
            with contextlib.suppress(OSError):  # the client has gone
                sock.sendto(answer, self.client_address)


class _OnTcp(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError, struct.error):
            (length,) = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))
            answer = self.server.brain.reply(self.request.recv(length, socket.MSG_WAITALL), "tcp")
            if answer is not None:
                self.request.sendall(struct.pack("!H", len(answer)) + answer)


def _pair(brain: DnsServer) -> tuple[_Tcp, _Udp]:
    """Both on one port: the first that is free in both."""
    for _ in range(20):
        tcp = _Tcp(("127.0.0.1", 0), _OnTcp)
        try:
            udp = _Udp(tcp.server_address, _OnUdp)
        except OSError:
            tcp.server_close()
            continue
        tcp.brain = udp.brain = brain
        return tcp, udp
    raise RuntimeError("No port is free for both UDP and TCP.")
