"""Every encrypted column of every table: what it is sealed with, and how it is written anew with the newest key."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.db import models, transaction
from django.db.models.functions import Cast

from outbound.bulk import update_rows
from outbound.fields import CannotOpen, EncryptedField, Sealed, key_of, newest_key, place_of, seal, unseal

BATCH = 500


@dataclass
class Tally:
    """Of one column. `by_key` counts values by the id of their key; "" is a value of before, bound to no row."""

    column: str
    by_key: Counter = field(default_factory=Counter)
    rewritten: int = 0
    unreadable: int = 0

    @property
    def behind(self) -> int:
        """Values that the newest key did not seal."""
        return sum(count for key, count in self.by_key.items() if key != newest_key())


def encrypted_columns() -> list[tuple[type[models.Model], EncryptedField]]:
    """Found in the models, so that a new secret is never forgotten."""
    return [
        (model, column)
        for model in apps.get_models()
        for column in model._meta.local_concrete_fields
        if isinstance(column, EncryptedField)
    ]


def look(model: type[models.Model], column: EncryptedField) -> Tally:
    """Open every value, write nothing."""
    tally = Tally(f"{model._meta.label}.{column.name}")
    for batch in _batches(_stored(model, column)):
        for pk, stored in batch:
            tally.by_key[key_of(stored)] += 1
            tally.unreadable += _opened(column, pk, stored) is None
    return tally


def rotate(model: type[models.Model], column: EncryptedField) -> Tally:
    """Seal what the newest key did not seal. May be stopped and begun again: what is done is not looked at twice."""
    tally = Tally(f"{model._meta.label}.{column.name}")
    behind = _stored(model, column).exclude(cipher__startswith=f"sealed:{newest_key()}:")
    for batch in _batches(behind):
        done, unreadable = _rewrite(model, column, [pk for pk, _ in batch])
        tally.rewritten += done
        tally.unreadable += unreadable
    return tally


@transaction.atomic
def _rewrite(model, column, pks: list) -> tuple[int, int]:
    """One batch, its rows locked: what is changed meanwhile is changed before or after. (done, unreadable)"""
    rows = list(_stored(model, column).filter(pk__in=pks).select_for_update().values_list("pk", "cipher"))
    opened = [(pk, _opened(column, pk, stored)) for pk, stored in rows]
    key = model._meta.pk.attname
    anew = [
        {key: pk, column.attname: Sealed(seal(text, place=place_of(column, pk)))}
        for pk, text in opened
        if text is not None
    ]
    update_rows(model, anew, key=key)
    return len(anew), len(opened) - len(anew)


def _stored(model, column) -> models.QuerySet:
    """Rows whose column is not empty, with its ciphertext as `cipher`, by primary key."""
    rows = model._base_manager.annotate(cipher=Cast(column.attname, models.TextField()))
    return rows.exclude(cipher="").order_by("pk")


def _batches(rows: models.QuerySet) -> Iterator[list]:
    """Keyset pages of (pk, ciphertext)."""
    page = list(rows.values_list("pk", "cipher")[:BATCH])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1][0]).values_list("pk", "cipher")[:BATCH])


def _opened(column, pk, stored: str) -> str | None:
    try:
        return unseal(stored, place=place_of(column, pk))
    except CannotOpen:
        return None
