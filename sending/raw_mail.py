"""Bytes from a stranger → parts with decoded text, within limits. Pure.

Python's `email` is used with its oldest policy and no header objects: the newer one raises on `From: ((((…` and
`Message-ID: <[[[…`, and takes seconds on thousands of addresses. Values are therefore read here, bounded, with
linear patterns.
"""

import base64
import binascii
import codecs
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesFeedParser
from typing import Any

MAX_BYTES = 10_000_000
MAX_HEADER_BYTES = 64_000
MAX_HEADER_LINES = 500
MAX_PARTS = 100
MAX_DEPTH = 20
# What we keep of one part and of one header value. Longer ones are cut, not refused.
MAX_TEXT = 400_000
MAX_VALUE = 4_000

_ADDRESS = re.compile(r"[^\s<>\"'(),:;@\[\]]{1,64}@[^\s<>\"'(),:;@\[\]]{1,253}")
_ID = re.compile(r"<[^<>\s]{1,900}>")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
# What PostgreSQL refuses (NUL, lone surrogates) and what no reader can see.
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class PoisonMail(Exception):
    """This mail is beyond a limit; the text is the sentence for the record."""


class _Part(Message):
    """One MIME part that counts its own headers while it is being parsed."""

    @property
    def raw_payload(self) -> Any:
        """The body as parsed. `get_payload()` replaces undeclared 8-bit characters, which we still can read."""
        return self._payload  # type: ignore[attr-defined]

    def set_raw(self, name: str, value: Any) -> None:
        self.header_bytes = getattr(self, "header_bytes", 0) + len(name) + len(value)
        if self.header_bytes > MAX_HEADER_BYTES:
            raise PoisonMail(f"The headers of one part exceed {MAX_HEADER_BYTES:,} bytes.")
        # Parameter parsing in the standard library is quadratic: a short value bounds it.
        limit = MAX_VALUE if name.lower().startswith("content-") else MAX_HEADER_BYTES
        super().set_raw(name, value[:limit])  # type: ignore[misc]


def parse_mail(raw: bytes) -> "Part":
    """The root part of a mail. Raises PoisonMail, with a sentence, beyond a limit or when nothing can be made of it."""
    _check_size(raw)
    made = 0

    def make_part(policy: Any = None) -> _Part:
        nonlocal made
        made += 1
        if made > MAX_PARTS + 2:  # the parser makes one more while it is set up
            raise PoisonMail(f"The mail has more than {MAX_PARTS} parts.")
        return _Part(policy=policy) if policy else _Part()

    try:
        parser = BytesFeedParser(make_part)
        parser.feed(raw)
        root = parser.close()
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise PoisonMail(f"The mail cannot be parsed ({type(error).__name__}).") from error
    return Part(root, depth=1)


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise PoisonMail(f"The mail is larger than {MAX_BYTES:,} bytes.")
    end = _HEADER_END.search(raw, 0, MAX_HEADER_BYTES + 4)
    if end is None and len(raw) > MAX_HEADER_BYTES:
        raise PoisonMail(f"The headers exceed {MAX_HEADER_BYTES:,} bytes.")
    if raw.count(b"\n", 0, end.start() if end else len(raw)) >= MAX_HEADER_LINES:
        raise PoisonMail(f"The headers have more than {MAX_HEADER_LINES} lines.")


@dataclass(frozen=True)
class Part:
    """One MIME part, read without exceptions. `depth` is 1 for the mail itself."""

    message: _Part
    depth: int

    def header(self, name: str) -> str:
        """The first value of a header: decoded, on one line, at most MAX_VALUE characters; "" when absent."""
        wanted = name.lower()
        for key, value in self.message.raw_items():
            if key.lower() == wanted:
                return decode_value(str(value))
        return ""

    def header_lines(self) -> "Iterator[tuple[str, str]]":
        """Every header in order, as name and decoded value."""
        return ((key, decode_value(str(value))) for key, value in self.message.raw_items())

    @property
    def content_type(self) -> str:
        return self.message.get_content_type().split(maxsplit=1)[0]

    @property
    def is_broken_container(self) -> bool:
        """A multipart in name only: its boundary was never found, so its body is one text."""
        return self.message.get_content_maintype() == "multipart" and not self.message.is_multipart()

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, lower case; "" when absent."""
        try:
            value = self.message.get_param(name)
        except (ValueError, LookupError, TypeError):
            return ""
        return value.lower().strip() if isinstance(value, str) else ""

    def children(self) -> "list[Part]":
        payload = self.message.raw_payload
        if not isinstance(payload, list):
            return []
        if self.depth >= MAX_DEPTH:
            raise PoisonMail(f"The mail is nested deeper than {MAX_DEPTH} parts.")
        return [Part(child, depth=self.depth + 1) for child in payload]

    def walk(self, *, into_messages: bool = True) -> "Iterator[Part]":
        """This part and all below, in order; without `into_messages` an enclosed mail is one. Raises PoisonMail."""
        yield self
        if not into_messages and self.depth > 1 and self.content_type == "message/rfc822":
            return
        for child in self.children():
            yield from child.walk(into_messages=into_messages)

    def text(self) -> str:
        """The decoded text of a leaf, "" for a container; at most MAX_TEXT characters, LF line ends."""
        payload = self.message.raw_payload
        if not isinstance(payload, str):
            return ""
        data = _undo_encoding(payload.encode("utf-8", "surrogateescape"), self.header("content-transfer-encoding"))
        return clean_text(decode_bytes(data[: MAX_TEXT * 4], self.parameter("charset")))[:MAX_TEXT]


def decode_value(value: str) -> str:
    """One header value as text: bytes in UTF-8 or Latin-1 are read, encoded words decoded, line folds undone."""
    plain = decode_bytes(value[:MAX_VALUE].encode("utf-8", "surrogateescape"), "")
    if "=?" in plain:
        plain = _decode_words(plain)
    return " ".join(clean_text(plain).split())


def _decode_words(value: str) -> str:
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError, LookupError, TypeError):  # the first: base64 that is none
        return value
    return "".join(text if isinstance(text, str) else decode_bytes(text, charset or "") for text, charset in pieces)


def decode_bytes(data: bytes, charset: str) -> str:
    """Text in the named charset, else UTF-8, else Latin-1. Never raises."""
    for name in (charset, "utf-8"):
        try:
            if name and codecs.lookup(name)._is_text_encoding:
                return data.decode(name)
        except (LookupError, ValueError):
            continue
    return data.decode("latin-1") if not charset else _decode_leniently(data, charset)


def _decode_leniently(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset if codecs.lookup(charset)._is_text_encoding else "latin-1", "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _undo_encoding(data: bytes, encoding: str) -> bytes:
    name = encoding.lower()
    if name == "quoted-printable":
        return quopri.decodestring(data)
    if name == "base64":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        try:
            return base64.b64decode(letters[: len(letters) // 4 * 4] + _last_group(letters))
        except binascii.Error:
            return data
    return data


def _last_group(letters: bytes) -> bytes:
    rest = letters[len(letters) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def clean_text(text: str) -> str:
    """Text that can be stored and shown: LF line ends, no control characters, no lone surrogates."""
    return _UNSTORABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def first_address(value: str) -> str:
    """The first address of a header value, lower case; "" when there is none. `<…>` goes before a bare one."""
    for piece in re.findall(r"<([^<>]{3,320})>", value):
        if found := _ADDRESS.fullmatch(piece.strip()):
            return found.group().lower()
    found = _ADDRESS.search(value)
    return found.group().lower().rstrip(".") if found else ""


def message_ids(value: str) -> tuple[str, ...]:
    """The `<…>` ids of a header value, in order, without repeats."""
    return tuple(dict.fromkeys(_ID.findall(value)))
