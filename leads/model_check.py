"""Can the configured model be used? Asked at start and by `manage.py check_model`."""

from datetime import datetime

from leads.jobs import no_price
from leads.prices import price_list
from leads.writers import writer_for
from leads.writers.base import WriterBroken, WriterError


def model_problem(*, now: datetime) -> str:
    """A sentence for whoever runs this, "" where all is well: the model is there and has a price, or none is set."""
    writer = writer_for(workspace_is_test=False)
    if writer.name == "sandbox":
        return ""
    if price_list(writer.model, on=now.date()) is None:
        return no_price(writer.model)
    try:
        writer.check()
    except WriterBroken as error:
        return error.sentence
    except WriterError as error:
        return f"Whether the model {writer.model} is there cannot be told: {error.sentence}"
    return ""
