"""Names that must be unique: what is said when one is taken, however that was noticed."""

from contextlib import contextmanager

from django.db import IntegrityError, transaction

from outbound.api.errors import Conflict


def taken(what: str, name: str) -> Conflict:
    return Conflict(f"There is a {what} named {name} already.", details={"name": ["Taken."]})


@contextmanager
def unique_name(what: str, name: str):
    """Around the write: a twin that came at the same moment, or a letter that the database folds and we do not (the
    Kelvin sign is a k), is the same 409 as a name that was there when we looked."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise taken(what, name) from error
