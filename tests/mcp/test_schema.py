"""Serializer → JSON Schema, in words every client understands."""

import jsonschema
import pytest
from rest_framework import serializers

from leads.models import Group
from outbound.api.schema import input_schema, output_schema
from outbound.api.serializers import Input, Moment, Output, OwnedField


class PartInput(Input):
    name = serializers.CharField(max_length=5)


class EverythingInput(Input):
    text = serializers.CharField(max_length=9, help_text="Nine at most.")
    blank = serializers.CharField(allow_blank=True, allow_null=True, required=False)
    owned = OwnedField(Group.objects, required=False)
    number = serializers.IntegerField(min_value=1, max_value=9, default=5)
    share = serializers.FloatField(required=False)
    price = serializers.DecimalField(max_digits=9, decimal_places=2, required=False)
    truth = serializers.BooleanField(default=False)
    choice = serializers.ChoiceField(["a", "b"], required=False, allow_null=True)
    several = serializers.MultipleChoiceField(choices=["a", "b"], required=False)
    email = serializers.EmailField(required=False)
    when = serializers.DateTimeField(required=False)
    key = serializers.UUIDField(required=False)
    part = PartInput(required=False)
    parts = PartInput(many=True, allow_empty=False, max_length=3, required=False)
    words = serializers.ListField(child=serializers.CharField(max_length=3), max_length=2, required=False)
    map = serializers.DictField(child=serializers.IntegerField(), required=False)
    anything = serializers.JSONField(required=False)
    pattern = serializers.RegexField(r"^[a-z]+$", required=False)
    shown = serializers.CharField(read_only=True)


PROPERTIES = input_schema(EverythingInput)["properties"]


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("text", {"type": "string", "maxLength": 9, "minLength": 1, "description": "Nine at most."}),
        ("blank", {"type": "string"}),
        ("owned", {"type": "string"}),
        ("number", {"type": "integer", "minimum": 1, "maximum": 9, "default": 5}),
        ("share", {"type": "number"}),
        ("price", {"type": "string", "format": "decimal"}),
        ("truth", {"type": "boolean", "default": False}),
        ("choice", {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]}),
        ("several", {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}),
        ("email", {"type": "string", "format": "email"}),
        ("when", {"type": "string", "format": "date-time"}),
        ("key", {"type": "string", "format": "uuid"}),
        ("words", {"type": "array", "items": {"type": "string", "maxLength": 3, "minLength": 1}, "maxItems": 2}),
        ("map", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("anything", {"type": "object"}),
        ("pattern", {"type": "string", "pattern": "^[a-z]+$", "minLength": 1}),
    ],
)
def test_each_field_says_what_it_takes(name, schema):
    assert PROPERTIES[name] == schema


def test_nested_inputs_are_closed_too():
    part = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 5, "minLength": 1}},
        "required": ["name"],
        "additionalProperties": False,
    }
    assert PROPERTIES["part"] == part
    assert PROPERTIES["parts"] == {"type": "array", "items": part, "minItems": 1, "maxItems": 3}


def test_what_is_only_shown_is_not_asked_for():
    assert "shown" not in PROPERTIES
    assert input_schema(EverythingInput)["required"] == ["text"]


def test_it_is_a_valid_schema():
    jsonschema.Draft202012Validator.check_schema(input_schema(EverythingInput))


class ThingOutput(Output):
    name = serializers.CharField(max_length=5)
    color = serializers.ChoiceField(["red"], allow_null=True)
    seen_at = Moment(allow_null=True)
    more = serializers.JSONField()
    parts = PartInput(many=True)
    count = serializers.SerializerMethodField()
    words = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField()
    nested = serializers.SerializerMethodField()
    unsaid = serializers.SerializerMethodField()

    def get_count(self, thing) -> int | None: ...

    def get_words(self, thing) -> list[str]: ...

    def get_counts(self, thing) -> dict[str, int]: ...

    def get_nested(self, thing) -> PartInput(many=True): ...

    def get_unsaid(self, thing): ...


def test_a_method_says_its_type_by_its_annotation():
    shown = output_schema(ThingOutput)["properties"]

    assert shown["count"] == {"type": "integer"}
    assert shown["words"] == {"type": "array", "items": {"type": "string"}}
    assert shown["counts"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert shown["nested"]["items"]["properties"] == {"name": {"type": "string"}}
    assert shown["unsaid"] == {}


@pytest.mark.parametrize(
    "data",
    [
        {"name": "longer than five", "more": [1], "parts": []},
        {"name": "a", "color": "red", "seen_at": "2026-01-01T00:00:00.000Z", "more": {}, "parts": [{"name": "b"}]},
        {},
    ],
)
def test_an_output_may_leave_out_what_has_no_value(data):
    jsonschema.validate(data, output_schema(ThingOutput))


def test_an_output_names_no_values_a_client_could_fail_on():
    assert output_schema(ThingOutput)["properties"]["color"] == {"type": "string"}


def test_an_output_is_closed():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"secret": 1}, output_schema(ThingOutput))
