"""Parameters of the door and not of a use-case: they are taken off before the shared Input sees the rest."""

from functools import cache

from rest_framework import serializers


class _Shown(serializers.Serializer):
    response_format = serializers.ChoiceField(
        ["concise", "detailed"], default="concise", help_text="detailed: empty fields and long texts too."
    )


class _Written(serializers.Serializer):
    idempotency_key = serializers.CharField(
        max_length=255, required=False, allow_blank=True, help_text="Unique text; a repeated call has one effect."
    )


class _Previewed(serializers.Serializer):
    dry_run = serializers.BooleanField(
        default=False, help_text="Change nothing; show what would happen and a confirm_token."
    )
    confirm_token = serializers.CharField(
        required=False, allow_blank=True, help_text="From the dry run: do what it showed, or refuse."
    )


@cache
def extras_for(*, writes: bool, previews: bool) -> type[serializers.Serializer]:
    """Reading tools can be asked for more; what writes answers in full, it is short."""
    kinds = [_Previewed] * previews + [_Written] * writes + [_Shown] * (not writes)
    return type("Extras", tuple(kinds), {})
