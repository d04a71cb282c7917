"""Columns of our own: text that is ciphertext in the database, bound to its row and column.

A stored value is `sealed:<key id>:<nonce and AES-256-GCM ciphertext>`. Table, column and primary key are its associated
data, so what is copied into another row or column does not open. Keys are those of FIELD_ENCRYPTION_KEYS: the first
encrypts, all decrypt. Values of before (plain Fernet) open too; `manage.py rotate_secrets` writes both anew.
"""

import base64
import hashlib
import re
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

NONCE_BYTES = 12
_SEALED = re.compile(r"sealed:([0-9a-f]{8}):([A-Za-z0-9_-]+=*)\Z")


class CannotOpen(ValueError):
    """The ciphertext is not of this row and column, or its key is not in FIELD_ENCRYPTION_KEYS."""


class Sealed:
    """Ciphertext on its way between the database and the attribute that opens it."""

    __slots__ = ("text",)

    def __init__(self, text: str):
        self.text = text

    def __repr__(self):
        return "<Sealed>"

    def __eq__(self, other):
        return isinstance(other, Sealed) and other.text == self.text

    def __hash__(self):
        return hash(self.text)


class Opened(str):
    """The plain text, which remembers the ciphertext it came from and where that belongs."""

    sealed: str
    place: str


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def box() -> MultiFernet:
    """For what is kept for hours and belongs to no column (a stored answer). Columns are sealed instead."""
    return _box(tuple(settings.FIELD_ENCRYPTION_KEYS))


@lru_cache(maxsize=8)
def _keys(keys: tuple[str, ...]) -> dict[str, AESGCM]:
    """{key id: cipher}, newest first. Derived, so that no key serves two ciphers."""
    return {key_id(key): AESGCM(_derived(key)) for key in keys}


def _derived(key: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"outbound.fields").derive(base64.urlsafe_b64decode(key))


def key_id(key: str) -> str:
    """The name that a ciphertext gives its key; tells nothing of the key."""
    return hashlib.sha256(b"outbound.key-id:" + key.encode()).hexdigest()[:8]


def newest_key() -> str:
    """The id of the key that encrypts."""
    return key_id(settings.FIELD_ENCRYPTION_KEYS[0])


def key_of(stored: str) -> str:
    """The id of the key a stored value was sealed with; empty for one of before, which is bound to nothing."""
    found = _SEALED.match(stored)
    return found[1] if found else ""


def seal(text: str, *, place: str) -> str:
    """Ciphertext that opens at `place` alone."""
    name, cipher = next(iter(_keys(tuple(settings.FIELD_ENCRYPTION_KEYS)).items()))
    nonce = secrets.token_bytes(NONCE_BYTES)
    data = nonce + cipher.encrypt(nonce, text.encode(), place.encode())
    return f"sealed:{name}:{base64.urlsafe_b64encode(data).decode()}"


def unseal(stored: str, *, place: str) -> str:
    """The plain text. Raises CannotOpen."""
    found = _SEALED.match(stored)
    if not found:
        return _of_before(stored, place)
    cipher = _keys(tuple(settings.FIELD_ENCRYPTION_KEYS)).get(found[1])
    if cipher is None:
        raise CannotOpen(f"{place} was encrypted with key {found[1]}, which is not in FIELD_ENCRYPTION_KEYS.")
    data = base64.urlsafe_b64decode(found[2])
    try:
        return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place.encode()).decode()
    except (InvalidTag, ValueError):
        raise CannotOpen(f"What stands in {place} was not written there.") from None


def _of_before(stored: str, place: str) -> str:
    try:
        return box().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise CannotOpen(f"{place} was encrypted with a key that is not in FIELD_ENCRYPTION_KEYS.") from None


def place_of(field: models.Field, pk) -> str:
    """What a value of this column in the row `pk` is bound to. A renamed table or column would not open its values."""
    if pk is None:
        raise ValueError(f"{field} is encrypted for its row, so the row needs its id before it is stored.")
    return f"{field.model._meta.db_table}.{field.column}:{pk}"


class SecretAttribute(DeferredAttribute):
    """Opens the column's value where it is read: only here the row is known that it is bound to."""

    def __get__(self, instance, cls=None):
        value = super().__get__(instance, cls)
        if not isinstance(value, Sealed):
            return value
        place = place_of(self.field, instance.pk)
        opened = Opened(unseal(value.text, place=place))
        opened.sealed, opened.place = value.text, place
        return opened

    def __set__(self, instance, value):
        instance.__dict__[self.field.attname] = value


class EncryptedField(models.TextField):
    """Text that is readable on the instance and ciphertext everywhere else. Cannot be searched.

    It is written by saving instances; `QuerySet.update` takes the empty text alone, since no row is known there.
    """

    descriptor_class = SecretAttribute

    def pre_save(self, model_instance, add):
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, Sealed) or not value:
            return value or ""
        place = place_of(self, model_instance.pk)
        if isinstance(value, Opened) and value.place == place:
            return Sealed(value.sealed)
        return Sealed(seal(str(value), place=place))

    def get_prep_value(self, value):
        if isinstance(value, Sealed):
            return value.text
        if isinstance(value, Opened):  # a row that is written as it was read, as loaddata does
            return value.sealed
        if value:
            raise TypeError(f"{self.name} is encrypted for its row: set it on the instance and save that.")
        return ""

    def from_db_value(self, value, expression, connection):
        return Sealed(value) if value else ""

    def to_python(self, value):
        return Sealed(value) if isinstance(value, str) and _SEALED.match(value) else value

    def value_to_string(self, obj):
        """For dumpdata: the ciphertext."""
        value = self.pre_save(obj, add=False)
        return value.text if isinstance(value, Sealed) else value
