"""Who writes the text of variables: a model where there is a key, the sandbox otherwise."""

import os
from functools import lru_cache

from django.conf import settings

from leads.writers.anthropic import AnthropicWriter
from leads.writers.base import Writer, WriteRequest, WriterError, Written, fenced
from leads.writers.sandbox import SandboxWriter

__all__ = ["WriteRequest", "Writer", "WriterError", "Written", "fenced", "writer_for"]


def writer_for(*, workspace_is_test: bool) -> Writer:
    """The writer for a workspace. A test workspace calls no model, whatever the configuration holds."""
    if workspace_is_test or not settings.ANTHROPIC_API_KEY:
        return SandboxWriter()
    return _model(
        os.getpid(),
        settings.ANTHROPIC_API_KEY,
        settings.ANTHROPIC_BASE_URL,
        settings.ANTHROPIC_MODEL,
        settings.WRITER_CONCURRENCY,
    )


@lru_cache(maxsize=4)
def _model(process: int, api_key: str, base_url: str, model: str, most: int) -> Writer:
    """One client per process and configuration: a new one costs 38 ms of CPU, and sockets must not cross a fork."""
    return AnthropicWriter(api_key=api_key, base_url=base_url, model=model, most=most)
