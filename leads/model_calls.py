"""One call to the model outside of jobs (a reply to judge, a text to check), through the same ledger and limits."""

from apikeys.models import Workspace
from leads import spending
from leads.jobs import no_price
from leads.models import GenerationJob
from leads.prices import price_list
from leads.writers import WriteRequest, writer_for
from leads.writers.base import Writer, WriterBroken, WriterBusy, WriterError, Written
from outbound.clock import real_now

UNTIL_THERE_IS_MONEY = 3600  # seconds


def call_model(*, workspace: Workspace, request: WriteRequest, purpose: str) -> Written:
    """The answer. Raises WriterErrors; a limit that is reached is WriterBusy. Call it outside of any transaction."""
    writer = writer_for(workspace_is_test=not workspace.livemode)
    if writer.name == "sandbox":
        return writer.write(request)
    now = real_now()
    prices = price_list(writer.model, on=now.date())
    if prices is None:
        raise WriterBroken(no_price(writer.model))
    most = prices.most(writer.payload_for(request), batch=False)
    wish = spending.Wish(most=most, model=writer.model, purpose=purpose)
    reserved = spending.reserve(workspace=workspace, wishes=[wish], mode=GenerationJob.Mode.LIVE, now=now)
    if wish.id in reserved.refused:
        raise WriterBusy(reserved.refused[wish.id], retry_after=UNTIL_THERE_IS_MONEY)
    answer = _answer(writer, request)
    spending.settle([spending.outcome_of(wish.id, answer, 0)], prices=prices, batch=False, now=real_now())
    if isinstance(answer, WriterError):
        raise answer
    return answer


def _answer(writer: Writer, request: WriteRequest) -> Written | WriterError:
    try:
        return writer.write(request)
    except WriterError as error:
        return error
