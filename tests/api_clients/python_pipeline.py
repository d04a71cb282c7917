"""Import → group → variable → sequence → run → report, with the client generated into the package `outbound_client`.

OUTBOUND_URL and OUTBOUND_KEY (a test key) say where. Prints "ok: …" at the end.
"""

import io
import os
import time
from collections.abc import Callable
from typing import TypeVar

from outbound_client.api.campaigns import get_campaign_report
from outbound_client.api.groups import list_groups
from outbound_client.api.imports import create_import, get_import
from outbound_client.api.runs import create_run, get_run
from outbound_client.api.sandbox import get_sandbox_clock, turn_sandbox_clock
from outbound_client.api.sequences import create_sequence, preview_email
from outbound_client.api.variables import create_variable, generate_variable, get_variable
from outbound_client.client import AuthenticatedClient
from outbound_client.models import (
    ClockInputRequest,
    ErrorOutput,
    GenerateInputRequest,
    PreviewInputRequest,
    RunDetailOutput,
    RunInputRequest,
    RunStatus,
    SequenceInputRequest,
    StepInputRequest,
    VariableInputRequest,
)
from outbound_client.types import File

TAG = os.environ["OUTBOUND_TAG"]
LEADS = f"""email,first_name,company_name
ok+jo-{TAG}@sandbox.test,Jo,Acme
ok+ana-{TAG}@sandbox.test,Ana,Birch
bounce+bo-{TAG}@sandbox.test,Bo,Cedar
not an address,No,One
"""
Answer = TypeVar("Answer")


def fine(answer: Answer | ErrorOutput | None) -> Answer:
    assert answer is not None, "an answer that the document does not name"
    assert not isinstance(answer, ErrorOutput), answer.error
    return answer


def until(ask: Callable[[], Answer], done: Callable[[Answer], bool]) -> Answer:
    for _ in range(120):
        answer = ask()
        if done(answer):
            return answer
        time.sleep(1)  # three requests a turn stay below the limit of 60 in ten seconds
    raise AssertionError(f"not within two minutes: {answer}")


def turned(client: AuthenticatedClient, run_id: str) -> RunDetailOutput:
    """The run, after its test workspace's clock was turned to the next mail's time."""
    run = fine(get_run.sync(run_id, client=client)).data
    now = fine(get_sandbox_clock.sync(client=client)).data.now
    if run.next_send_at is not None and run.next_send_at > now:
        fine(turn_sandbox_clock.sync(client=client, body=ClockInputRequest(to=run.next_send_at)))
    return run


def main(client: AuthenticatedClient) -> None:
    csv = File(payload=io.BytesIO(LEADS.encode()), mime_type="text/csv")
    begun = fine(create_import.sync(client=client, body=csv, filename="leads.csv", groups=f"Agencies {TAG}")).data
    imported = until(
        lambda: fine(get_import.sync(begun.id, client=client)).data, lambda found: found.finished_at is not None
    )
    assert (imported.created, imported.rejected) == (3, 1), imported

    group = next(group for group in fine(list_groups.sync(client=client)).data if group.name == f"Agencies {TAG}")
    assert group.leads_count == 3

    opening = VariableInputRequest(name=f"opening_{TAG}", prompt_template="One sentence about {{company_name}}.")
    fine(create_variable.sync(client=client, body=opening))
    fine(generate_variable.sync(opening.name, client=client, body=GenerateInputRequest(group_id=group.id)))
    until(lambda: fine(get_variable.sync(opening.name, client=client)).data, lambda found: found.pct == 100)

    body = f"<p>{{{{opening_{TAG}}}}} How is {{{{company_name}}}}?</p>"
    steps = [
        StepInputRequest(subject="Hello {{first_name}}", body_html=body),
        StepInputRequest(subject="Once more", body_html="<p>Did you see this, {{first_name}}?</p>", delay_days=2),
    ]
    sequence = fine(
        create_sequence.sync(client=client, body=SequenceInputRequest(name=f"Hello {TAG}", steps=steps))
    ).data
    shown = fine(preview_email.sync(sequence.id, client=client, body=PreviewInputRequest())).data
    assert shown.subject.startswith("Hello ")

    order = RunInputRequest(sequence_id=sequence.id, group_id=group.id, sender_email="hi@sandbox.test")
    run = fine(create_run.sync(client=client, body=order)).data
    done = until(lambda: turned(client, run.id), lambda found: found.status != RunStatus.RUNNING)
    report = fine(get_campaign_report.sync(run.id, client=client)).data
    assert (done.status, report.total_leads, report.emails_sent) == (RunStatus.COMPLETED, 3, 5), report
    assert report.lead_status_breakdown["bounced"] == 1

    refused = get_run.sync("no-such-run", client=client)
    assert isinstance(refused, ErrorOutput) and refused.code == "not_found"
    print(f"ok: {report.emails_sent} mails, reply rate {report.reply_rate}")


if __name__ == "__main__":
    main(AuthenticatedClient(base_url=os.environ["OUTBOUND_URL"], token=os.environ["OUTBOUND_KEY"]))
