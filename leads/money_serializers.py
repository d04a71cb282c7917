"""What the money of generated text looks like from outside."""

from rest_framework import serializers

from outbound.api.serializers import Output, Text


class Money(serializers.DecimalField):
    """Dollars as text, without trailing zeros: "0.0123"."""

    def __init__(self, **kwargs):
        super().__init__(max_digits=16, decimal_places=9, read_only=True, coerce_to_string=True, **kwargs)

    def to_representation(self, value):
        return f"{value.normalize():f}"


class ModelTokensOutput(Output):
    uncached = serializers.IntegerField()
    cache_write = serializers.IntegerField()
    cache_read = serializers.IntegerField()
    output = serializers.IntegerField()


class SavedOutput(Output):
    prompt_cache = Money(help_text="By what the service had cached of the prompts.")
    sharing = Money(help_text="By writing equal inputs once.")
    batch = Money(help_text="By the vendor's batches.")


class MoneyOutput(Output):
    """Dollars, as text, so that nothing is lost to rounding."""

    spent = Money(help_text="What the calls cost, with the most that those under way can cost.")
    calls = serializers.IntegerField(help_text="Answered calls.")
    unknown = serializers.IntegerField(help_text="Calls of which nobody knows whether they were charged.")
    tokens = ModelTokensOutput()
    saved = SavedOutput()
    cache_note = Text(help_text="Says so where nothing was cached.")


class EstimateOutput(Output):
    distinct_inputs = serializers.IntegerField(help_text="Leads with equal inputs share one text.")
    cached = serializers.IntegerField(help_text="Distinct inputs written before: they cost nothing.")
    skipped = serializers.IntegerField(help_text="Leads that lack what the prompt needs.")
    calls = serializers.IntegerField(help_text="Calls to the model.")
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    money = Money(allow_null=True, help_text="Dollars, as text; null where the price table has no price.")
    price = serializers.CharField(allow_null=True, help_text="The row of the price table.")
    learned_from = serializers.CharField(help_text="What the tokens of a call are guessed from.")
