"""Ids where a model may as well say the name, and what it is told when it says it wrong."""

import difflib

from rest_framework import serializers

from outbound.api.serializers import OwnedField

_LOOKED_AT = 1000  # names
_SHOWN = 5


class NamedField(OwnedField):
    """A row of the caller's workspace by its id or its name. A near miss answers what was probably meant.

    `what` is the word for such a row, `listed_by` the tool that lists them.
    """

    def __init__(self, queryset, *, what: str, listed_by: str, **kwargs):
        kwargs.setdefault("help_text", f"Id or name of the {what}.")
        super().__init__(queryset, by_name=True, **kwargs)
        self.what, self.listed_by = what, listed_by

    def to_internal_value(self, data):
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError:
            if not isinstance(data, str):
                raise
            raise serializers.ValidationError(self._sentence(data.strip())) from None

    def _sentence(self, text: str) -> str:
        names = list(self._rows().order_by("name").values_list("name", flat=True)[:_LOOKED_AT])
        fitting = _containing(text, names) or _near(text, names)
        if len(fitting) == 1:
            return f"There is no {self.what} {text[:80]!r}. Did you mean {fitting[0]!r}?"
        if fitting:
            return f"Several fit {text[:80]!r}: {', '.join(map(repr, fitting[:_SHOWN]))}. Name one of them."
        return f"There is no {self.what} {text[:80]!r}. {self.listed_by} shows those there are."


def _containing(text: str, names: list[str]) -> list[str]:
    return [name for name in names if text and text.lower() in name.lower()]


def _near(text: str, names: list[str]) -> list[str]:
    by_lower = {name.lower(): name for name in names}
    return [by_lower[each] for each in difflib.get_close_matches(text.lower(), by_lower, n=1)]
