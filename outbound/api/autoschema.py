"""What drf-spectacular does not read off our fields by itself: closed bodies, lists that may not be empty."""

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from outbound.api.serializers import Input

LISTS = (serializers.ListField, serializers.ListSerializer)


class Schema(AutoSchema):
    def _map_serializer(self, serializer, direction, bypass_extensions=False):
        schema = super()._map_serializer(serializer, direction, bypass_extensions)
        if direction == "request" and isinstance(serializer, Input):
            schema["additionalProperties"] = False  # an unknown field is an error (decisions C21)
        return schema

    def _map_serializer_field(self, field, direction, bypass_extensions=False):
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if direction == "request" and isinstance(field, LISTS) and not getattr(field, "allow_empty", True):
            schema.setdefault("minItems", 1)
        return schema
