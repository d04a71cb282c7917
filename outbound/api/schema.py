"""Serializer → JSON Schema (2020-12), for tools. One description of an input serves REST and MCP alike.

What clients choke on is never written: no arrays of types, no `$ref`, no `anyOf` at the root. A field that may be sent
as null is `anyOf` of its type and null, unless blank text says the same. Tools leave nulls out of what they answer, so
an output is never null.
"""

import types
import typing

from rest_framework import serializers
from rest_framework.fields import empty

from outbound.api.serializers import OwnedField

# The first that fits counts, so the special ones stand before the classes they inherit from.
TYPES = (
    (serializers.BooleanField, {"type": "boolean"}),
    (serializers.IntegerField, {"type": "integer"}),
    (serializers.FloatField, {"type": "number"}),
    (serializers.DecimalField, {"type": "string", "format": "decimal"}),
    (serializers.EmailField, {"type": "string", "format": "email"}),
    (serializers.URLField, {"type": "string", "format": "uri"}),
    (serializers.UUIDField, {"type": "string", "format": "uuid"}),
    (serializers.DateTimeField, {"type": "string", "format": "date-time"}),
    (serializers.DateField, {"type": "string", "format": "date"}),
    (serializers.TimeField, {"type": "string", "format": "time"}),
    (serializers.DurationField, {"type": "string"}),
    (serializers.CharField, {"type": "string"}),
    (serializers.IPAddressField, {"type": "string"}),
    (serializers.RelatedField, {"type": "string"}),
    (OwnedField, {"type": "string"}),
)
LIMITS = (("min_length", "minLength"), ("max_length", "maxLength"), ("min_value", "minimum"), ("max_value", "maximum"))


def input_schema(serializer) -> dict:
    """What may be sent: closed, with what is required, every field described. Takes a class or an instance."""
    fields = {name: field for name, field in _fields(serializer).items() if not field.read_only}
    schema = {"type": "object", "properties": {name: _input(field) for name, field in fields.items()}}
    required = [name for name, field in fields.items() if field.required]
    return schema | ({"required": required} if required else {}) | {"additionalProperties": False}


def output_schema(serializer) -> dict:
    """What comes back: types only. Closed at the root; nothing is required, since what has no value is left out."""
    return _shown(serializer) | {"additionalProperties": False}


def _shown(serializer) -> dict:
    fields = {name: field for name, field in _fields(serializer).items() if not field.write_only}
    return {"type": "object", "properties": {name: _output(field) for name, field in fields.items()}}


def _fields(serializer) -> dict:
    return (serializer() if isinstance(serializer, type) else serializer).fields


def _input(field) -> dict:
    schema = _typed(field, input_schema)
    if isinstance(field, serializers.CharField) and "minLength" not in schema and schema.get("type") == "string":
        schema |= {} if field.allow_blank or "format" in schema else {"minLength": 1}
    if field.allow_null and not getattr(field, "allow_blank", False):
        schema = {"anyOf": [schema, {"type": "null"}]}
    if not field.required and field.default is not empty and _is_plain(field.default):
        schema["default"] = field.default
    if field.help_text:
        schema["description"] = str(field.help_text)
    return schema


def _output(field) -> dict:
    schema = _typed(field, _shown)
    return {key: value for key, value in schema.items() if key not in OUTPUT_SILENT}


# Limits are for those who send; and a client that validates what it reads must not fail on a status it does not know.
OUTPUT_SILENT = {"minLength", "maxLength", "minimum", "maximum", "pattern", "minItems", "maxItems", "format", "enum"}


def _typed(field, nested) -> dict:
    """The type and its limits, without description; `nested` makes the schema of a serializer inside."""
    own = getattr(field, "json_schema", None)
    if own is not None:
        return dict(own)
    if isinstance(field, serializers.ListSerializer):
        return _array(field, nested(field.child))
    if isinstance(field, serializers.BaseSerializer):
        return nested(field)
    if isinstance(field, serializers.ManyRelatedField):
        return {"type": "array", "items": _typed(field.child_relation, nested)}
    if isinstance(field, serializers.MultipleChoiceField):
        return {"type": "array", "items": _choice(field)}
    if isinstance(field, serializers.ChoiceField):
        return _choice(field)
    if isinstance(field, serializers.SerializerMethodField):
        return _said(_returned(field), nested)
    return _container(field, nested) or _scalar(field)


def _returned(field) -> object:
    """What the method behind a SerializerMethodField says it returns."""
    method = getattr(type(field.parent), field.method_name, None)
    return getattr(method, "__annotations__", {}).get("return")


def _said(hint, nested) -> dict:
    """A return annotation as a schema: str, int | None, list[str], dict[str, int], an Output class or instance."""
    if isinstance(hint, types.UnionType):
        kinds = [_said(each, nested) for each in hint.__args__ if each is not types.NoneType]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if isinstance(hint, serializers.ListSerializer):
        return {"type": "array", "items": nested(hint.child)}
    if isinstance(hint, serializers.BaseSerializer) or _is_serializer(hint):
        return nested(hint)
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is list:
        return {"type": "array", **({"items": _said(arguments[0], nested)} if arguments else {})}
    if origin is dict:
        return {"type": "object", **({"additionalProperties": _said(arguments[1], nested)} if arguments else {})}
    return {"type": PLAIN[origin]} if origin in PLAIN else {}


PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _is_serializer(hint) -> bool:
    return isinstance(hint, type) and issubclass(hint, serializers.BaseSerializer)


def _container(field, nested) -> dict:
    child = _input if nested is input_schema else _output
    if isinstance(field, serializers.ListField):
        return _array(field, child(field.child))
    if isinstance(field, serializers.DictField):
        values = child(field.child)
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if isinstance(field, serializers.JSONField) and nested is input_schema:
        return {"type": "object"}
    return {}


def _array(field, items: dict) -> dict:
    schema = {"type": "array", "items": items}
    for attribute, keyword in (("min_length", "minItems"), ("max_length", "maxItems")):
        if getattr(field, attribute, None) is not None:
            schema[keyword] = getattr(field, attribute)
    if getattr(field, "allow_empty", True) is False:
        schema.setdefault("minItems", 1)
    return schema


def _choice(field) -> dict:
    values = [value for value in field.choices if value != ""]
    if getattr(field, "allow_blank", False):
        values.append("")
    kind = "integer" if values and all(type(value) is int for value in values) else "string"
    return {"type": kind, "enum": values}


def _scalar(field) -> dict:
    schema = dict(next((found for kind, found in TYPES if isinstance(field, kind)), {}))
    for attribute, keyword in LIMITS:
        limit = getattr(field, attribute, None)
        if schema and limit is not None:
            schema[keyword] = limit
    if isinstance(field, serializers.RegexField):
        patterns = [validator.regex.pattern for validator in field.validators if hasattr(validator, "regex")]
        schema |= {"pattern": patterns[0]} if patterns else {}
    return schema


def _is_plain(value) -> bool:
    """A default that can be shown: not a callable, not an empty container that says nothing."""
    return isinstance(value, str | int | float | bool) and value != ""
