"""The model's stand-in is one of the vendors."""

from tests.vendors.anthropic import KEY, Answer, AnthropicStandIn, fails, message, obeys, refuses, says

__all__ = ["KEY", "Answer", "AnthropicStandIn", "fails", "message", "obeys", "refuses", "says"]
