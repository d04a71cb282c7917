"""The sandbox clock from outside."""

from rest_framework import serializers

from outbound.api.serializers import Input, Moment, Output


class ClockInput(Input):
    advance_seconds = serializers.IntegerField(
        min_value=0, max_value=366 * 86400, required=False, help_text="Turn the clock forward by so many seconds."
    )
    to = serializers.DateTimeField(required=False, help_text="Or to this moment, ISO 8601.")

    def validate(self, data):
        if len(data) != 1:
            raise serializers.ValidationError({"advance_seconds": ["Give either advance_seconds or to."]})
        return data


class ClockOutput(Output):
    now = Moment()
    turned_by_seconds = serializers.IntegerField()
