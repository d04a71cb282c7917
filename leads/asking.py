"""A question to the model about a stranger's text, answered with one of the words we give it."""

from collections.abc import Sequence

from apikeys.models import Workspace
from leads.model_calls import call_model
from leads.models import GenerationCall
from leads.writers import WriteRequest, writer_for
from leads.writers.base import WriterBusy, WriterError, WriterFailed, fence

__all__ = ["ModelBusy", "choose", "has_model"]


class ModelBusy(Exception):
    """No answer this time; the next may have one."""


def has_model(workspace: Workspace) -> bool:
    """A live workspace with a key: a test workspace calls no model."""
    return writer_for(workspace_is_test=not workspace.livemode).name != "sandbox"


def choose(*, workspace: Workspace, question: str, text: str, among: Sequence[str], seed: str) -> str | None:
    """One of `among`, in the model's judgment; None when it says anything else or will never answer.

    `text` is data to it, fenced. Raises ModelBusy when it is worth asking again.
    """
    prompt = f"{question}\n\n{fence('reply', text)}\n\nAnswer with exactly one of these words: {', '.join(among)}."
    try:
        request = WriteRequest(prompt, "text", seed)
        written = call_model(workspace=workspace, request=request, purpose=GenerationCall.Purpose.REPLY)
    except (WriterBusy, WriterFailed) as error:
        raise ModelBusy(error.sentence) from error
    except WriterError:
        return None
    said = str(written.value).strip(" .\"'").lower()
    return said if said in among else None
