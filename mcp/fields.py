"""Ids where a model may as well say the name, and what it is told when it says it wrong."""

import difflib

from rest_framework import serializers

from leads.models import Lead
from outbound.api.schema import input_schema
from outbound.api.serializers import OwnedField

_LOOKED_AT = 1000  # names
_SHOWN = 5


class KnownField(OwnedField):
    """A row of the caller's workspace by its id. `what` is the word for it, `listed_by` the tool that lists them."""

    def __init__(self, queryset, *, what: str, listed_by: str, by_name: bool = False, **kwargs):
        kwargs.setdefault("help_text", f"Id {'or name ' if by_name else ''}of the {what}.")
        super().__init__(queryset, by_name=by_name, **kwargs)
        self.what, self.listed_by = what, listed_by

    def to_internal_value(self, data):
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError:
            if not isinstance(data, str):
                raise
            raise serializers.ValidationError(self._sentence(data.strip())) from None

    def _sentence(self, text: str) -> str:
        return f"There is no {self.what} {text[:80]!r}. {self.listed_by} shows those there are."


class NamedField(KnownField):
    """By its id or its name. A near miss answers what was probably meant."""

    def __init__(self, queryset, **kwargs):
        super().__init__(queryset, by_name=True, **kwargs)

    def _sentence(self, text: str) -> str:
        names = list(self._rows().order_by("name").values_list("name", flat=True)[:_LOOKED_AT])
        fitting = _containing(text, names) or _near(text, names)
        if len(fitting) == 1:
            return f"There is no {self.what} {text[:80]!r}. Did you mean {fitting[0]!r}?"
        if fitting:
            return f"Several fit {text[:80]!r}: {', '.join(map(repr, fitting[:_SHOWN]))}. Name one of them."
        return super()._sentence(text)


def _containing(text: str, names: list[str]) -> list[str]:
    return [name for name in names if text and text.lower() in name.lower()]


def _near(text: str, names: list[str]) -> list[str]:
    by_lower = {name.lower(): name for name in names}
    return [by_lower[each] for each in difflib.get_close_matches(text.lower(), by_lower, n=1)]


class LeadField(KnownField):
    """A lead by its id or its e-mail address."""

    def __init__(self, **kwargs):
        kwargs.setdefault("help_text", "Id or e-mail address of the lead.")
        super().__init__(Lead.objects, what="lead", listed_by="query_leads", by_name=True, **kwargs)

    def _by_name(self, text):
        return self._rows().filter(email=text.strip().lower()).first()


class RowsField(serializers.ListField):
    """Rows that their service reads itself, each with a result of its own; described to clients as `row`s."""

    child = serializers.JSONField()

    def __init__(self, row, **kwargs):
        super().__init__(allow_empty=False, **kwargs)
        self.row = row

    @property
    def json_schema(self) -> dict:
        return {"type": "array", "items": input_schema(self.row), "minItems": 1, "maxItems": self.max_length}
