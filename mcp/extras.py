"""Parameters of the door and not of a use-case: they are taken off before the shared Input sees the rest."""

from functools import cache

from rest_framework import serializers


class _Shown(serializers.Serializer):
    response_format = serializers.ChoiceField(
        ["concise", "detailed"], default="concise", help_text="concise leaves out empty fields and shortens long text."
    )


class _Written(serializers.Serializer):
    idempotency_key = serializers.CharField(
        max_length=255, required=False, help_text="Any unique text; repeating a call with it has one effect."
    )


class _Previewed(serializers.Serializer):
    dry_run = serializers.BooleanField(
        default=False, help_text="Change nothing: show counts, a sample, the estimate and a confirm_token."
    )
    confirm_token = serializers.CharField(
        max_length=2000, required=False, help_text="From a dry run: do exactly what it showed, or refuse."
    )


@cache
def extras_for(*, writes: bool, previews: bool) -> type[serializers.Serializer]:
    kinds = [_Previewed] * previews + [_Written] * writes + [_Shown]
    return type("Extras", tuple(kinds), {})
