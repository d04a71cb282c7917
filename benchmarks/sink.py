"""An SMTP server that takes every mail and keeps none, in a process of its own: python -m benchmarks.sink

Fast enough not to be what is measured. It says its port on the first line, and XCOUNT answers how many mails it took.
"""

import asyncio

ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n",
    b"HELO": b"250 sink\r\n",
    b"MAIL": b"250 2.1.0 OK\r\n",
    b"RCPT": b"250 2.1.5 OK\r\n",
    b"DATA": b"354 Go ahead\r\n",
    b"RSET": b"250 2.0.0 OK\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    taken = 0

    def connection_made(self, transport):
        self.transport, self.pending, self.in_body = transport, bytearray(), False
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data):
        searched = max(0, len(self.pending) - len(END))
        self.pending += data
        while True:
            end = self.pending.find(END if self.in_body else b"\r\n", searched)
            if end < 0:
                return
            line = bytes(self.pending[:end]) if not self.in_body else b""
            del self.pending[: end + (len(END) if self.in_body else 2)]
            searched = 0
            self.taken_in() if self.in_body else self.answer(line)

    def taken_in(self):
        Sink.taken += 1
        self.in_body = False
        self.transport.write(b"250 2.0.0 OK queued as %d\r\n" % Sink.taken)

    def answer(self, line: bytes):
        command = line[:4].upper()
        if command == b"XCOU":
            self.transport.write(b"250 %d\r\n" % Sink.taken)
            return
        self.transport.write(ANSWERS.get(command, b"500 5.5.1 Unknown\r\n"))
        self.in_body = command == b"DATA"
        if command == b"QUIT":
            self.transport.close()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
