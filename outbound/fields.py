"""Columns of our own."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def box() -> MultiFernet:
    """Encrypts with the first of FIELD_ENCRYPTION_KEYS, decrypts with any: a new key is put in front, the old stays."""
    return _box(tuple(settings.FIELD_ENCRYPTION_KEYS))


class EncryptedField(models.TextField):
    """Text that is readable in Python and ciphertext in the database. Cannot be searched."""

    def get_prep_value(self, value):
        return box().encrypt(str(value).encode()).decode() if value else ""

    def from_db_value(self, value, expression, connection):
        if not value:
            return ""
        try:
            return box().decrypt(value.encode()).decode()
        except InvalidToken:
            raise ValueError(f"{self.name} was encrypted with a key that is not in FIELD_ENCRYPTION_KEYS.") from None
