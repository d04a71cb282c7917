"""The shape of a conversation's two halves: Input refuses what it does not know, Output shows nulls and UTC."""

import uuid

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

MAX_NAME = 255


class Input(serializers.Serializer):
    """What may be sent. Unknown fields are errors: a misspelt one must not be ignored (decisions C21)."""

    def to_internal_value(self, data):
        if isinstance(data, dict):
            unknown = sorted(str(key) for key in set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({name: ["Unknown field."] for name in unknown})
            self.refuse_mended_text(data)
        return super().to_internal_value(data)

    def refuse_mended_text(self, data: dict) -> None:
        """What the framework would put right in silence, although the document forbids it."""
        said = {name: _mended(field, data.get(name)) for name, field in self.fields.items()}
        if any(said.values()):
            raise serializers.ValidationError({name: [sentence] for name, sentence in said.items() if sentence})


def _mended(field, value) -> str | None:
    """A number would be written as text or read as money, and text be measured after its blanks are gone; in a list as
    well."""
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return next(filter(None, (_mended(field.child, each) for each in value)), None)
    if isinstance(field, serializers.DecimalField) and isinstance(value, int | float):
        return 'An amount is written as text, such as "20.00".'
    if not isinstance(field, serializers.CharField):
        return None
    if isinstance(value, int | float):
        return "Not a valid string."
    longest = field.max_length if isinstance(value, str) else None
    if longest is not None and len(value.strip()) <= longest < len(value):
        return f"Ensure this field has no more than {longest} characters, blanks around it included."
    return None


class Output(serializers.Serializer):
    """What is shown. Every property is there, null when it has no value."""


class Flag(serializers.BooleanField):
    """JSON's true or false and nothing that merely looks like it. A query string has text: BooleanField."""

    def to_internal_value(self, data):
        return data if isinstance(data, bool) else self.fail("invalid", input=data)


class Moment(serializers.DateTimeField):
    """ISO 8601, UTC, milliseconds, Z: 2026-04-24T14:32:10.000Z."""

    def __init__(self, **kwargs):
        kwargs.setdefault("read_only", True)
        super().__init__(**kwargs)

    def to_representation(self, value):
        return moment(value)


def moment(value) -> str | None:
    if value is None:
        return None
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


@extend_schema_field(OpenApiTypes.STR)
class OwnedField(serializers.Field):
    """An id (or, where people speak names, a name) of a row of the caller's workspace, as that row.

    `context["workspace"]` decides whose. A stranger's id, a deleted one and a random one give the same sentence.
    """

    default_error_messages = {"unknown": "Unknown: {value}.", "type": "Give an id as text."}

    def __init__(self, queryset, *, by_name: bool = False, **kwargs):
        self.queryset = queryset
        self.by_name = by_name
        super().__init__(**kwargs)

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("type")
        row = self._by_id(data) or (self._by_name(data) if self.by_name else None)
        return row or self.fail("unknown", value=data[:80])

    def to_representation(self, value):
        return str(value.pk)

    def _rows(self):
        return self.queryset.all().for_workspace(self.context["workspace"])

    def _by_id(self, text):
        row_id = as_uuid(text)
        return self._rows().filter(pk=row_id).first() if row_id else None

    def _by_name(self, text):
        # No name is longer, and SQLite refuses to compare by a pattern of 50,000 characters.
        return self._rows().filter(name__iexact=text.strip()).first() if len(text) <= MAX_NAME else None


@extend_schema_field({"type": "array", "items": {"type": "string", "maxLength": 64}, "minItems": 1, "maxItems": 5000})
class OwnedListField(serializers.ListField):
    """Ids of rows of the caller's workspace, as those rows: one query for all; the unknown ones are listed."""

    child = serializers.CharField(max_length=64)

    def __init__(self, queryset, **kwargs):
        self.queryset = queryset
        kwargs.setdefault("allow_empty", False)
        kwargs.setdefault("max_length", 5000)
        super().__init__(**kwargs)

    def to_internal_value(self, data):
        texts = super().to_internal_value(data)
        ids = {text: as_uuid(text) for text in texts}
        wanted = {row_id for row_id in ids.values() if row_id}
        rows = {
            row.pk: row for row in self.queryset.all().for_workspace(self.context["workspace"]).filter(pk__in=wanted)
        }
        unknown = [text for text, row_id in ids.items() if row_id not in rows]
        if unknown:
            shown = ", ".join(unknown[:20])
            raise serializers.ValidationError([f"Unknown: {shown}" + (" …" if len(unknown) > 20 else "") + "."])
        return list(rows.values())

    def to_representation(self, value):
        return [str(row.pk) for row in value]


class Text(serializers.CharField):
    """Text out: blank is shown as null (Superkabe §4, nulls and omitted fields)."""

    def __init__(self, **kwargs):
        super().__init__(read_only=True, allow_null=True, **kwargs)

    def to_representation(self, value):
        return str(value) or None


def as_uuid(text: str):
    """The UUID in the text, or None: ids are opaque, so a wrong one is merely unknown."""
    try:
        return uuid.UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None
