"""The mails: a sequence built over MCP, a look at one, and a run whose first mails leave."""

import textwrap
from datetime import timedelta

from outbound.demo.fortnight import read_mails, turn_clock
from outbound.demo.people import VARIABLE
from outbound.demo.screen import wait_for
from outbound.demo.stage import Stage

SENDER = "nora@outbound.sandbox.test"
SAMPLE = "ok+nora@sandbox.test"
STEPS = [
    {
        "variants": [
            {
                "label": "A",
                "weight": 50,
                "subject": "A question about {{company}}",
                "body_html": "<p>Hi {{first_name|there}},</p><p>{{opening_line}}</p>"
                "<p>We help teams like {{company}} answer their customers within a day. Worth a look?</p>",
            },
            {
                "label": "B",
                "weight": 50,
                "subject": "{{first_name|Hello}}, an idea for {{company}}",
                "body_html": "<p>{Hi|Hello} {{first_name|there}},</p><p>{{opening_line}}</p>"
                "<p>Ten minutes next week, and you know whether this is for {{company}}?</p>",
            },
        ],
    },
    {
        "subject": "",  # a blank subject stays in the thread: Re: …
        "body_html": "<p>Hi {{first_name|there}}, did my note about {{company}} reach you?</p>",
        "delay_days": 3,
    },
    {
        "subject": "",
        "body_html": "<p>Hi {{first_name|there}}, this is my last note. If it is not for {{company}}, just say so.</p>",
        "delay_days": 4,
    },
]
FALLBACK = "I will keep this short, since your week is surely full."
SCHEDULE = {
    "timezone": "UTC",
    "start_time": "00:00",
    "end_time": "24:00",
    "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "daily_limit": 1000,
    "send_gap_minutes": 0,
}


def build_sequence(stage: Stage) -> None:
    stage.screen.heading("4. Build a sequence of three mails   MCP create_sequence")
    stage.facts.sequence = stage.tools.call("create_sequence", name="Three friendly notes", steps=STEPS)
    stage.screen.say("   Mail 1 in two wordings, half the leads each; mail 2 after 3 days, mail 3 after 4 more.")


def preview(stage: Stage) -> None:
    stage.screen.heading("5. Look before you send   MCP preview_email")
    shown = stage.facts.preview = stage.tools.call(
        "preview_email", sequence_id=stage.facts.sequence["id"], lead_id=stage.facts.leads[SAMPLE]["id"],
        response_format="detailed",
    )  # fmt: skip
    stage.screen.say(f"   To:      {SAMPLE}\n   Subject: {shown['subject']}\n")
    for line in shown["text"].strip().splitlines():
        stage.screen.say(textwrap.fill(line, 84, initial_indent="   │ ", subsequent_indent="   │ ") or "   │")


def launch(stage: Stage) -> None:
    stage.screen.heading("6. Send   POST /runs")
    body = {
        "engine": "native", "sequence_id": stage.facts.sequence["id"], "sender_email": SENDER,
        "group_id": stage.facts.group["id"], "schedule": SCHEDULE,
    }  # fmt: skip
    key = f"demo-{stage.facts.group['id']}"
    stage.facts.run = stage.rest.post("/runs", body, idempotency_key=key)
    # A request whose answer got lost is simply sent again: with its key it has one effect.
    stage.facts.run_again = stage.rest.post("/runs", body, idempotency_key=key)
    _wait_for_first_mails(stage, but_the_held=True)
    stage.facts.held = dict(stage.facts.run["held"])
    for reason, leads in stage.facts.held.items():
        stage.screen.say(f"   {leads} wait: {reason}")


def help_the_held(stage: Stage) -> None:
    """No mail has holes: leads without a title got no line, so they wait until the step says what to write instead."""
    stage.screen.heading("7. Help those who wait   PATCH /sequences/:id")
    stage.rest.patch(f"/sequences/{stage.facts.sequence['id']}", {"steps": [_with_fallback(STEPS[0]), *STEPS[1:]]})
    stage.screen.say("   The line has a fallback now. The run takes the new version; nobody gets a mail twice.")
    turn_clock(stage, by=timedelta(minutes=2))
    _wait_for_first_mails(stage, but_the_held=False)


def _with_fallback(step: dict) -> dict:
    name, name_or_else = f"{{{{{VARIABLE}}}}}", f"{{{{{VARIABLE}|{FALLBACK}}}}}"
    return {
        "variants": [{**each, "body_html": each["body_html"].replace(name, name_or_else)} for each in step["variants"]]
    }


def _wait_for_first_mails(stage: Stage, *, but_the_held: bool) -> None:
    """Until everybody who is on the way has the first mail; the paused are shown in the run, and wait for a person."""

    def look() -> bool:
        run = stage.facts.run = stage.rest.get(f"/runs/{stage.facts.run['id']}")
        gone = sum(run["progress"][state] for state in ("sent", "unknown", "refused"))
        leads = run["lead_status_breakdown"]
        wanted = run["progress"]["total"] - leads["paused"]
        stage.screen.bar("first mails", gone, wanted)
        return gone + (leads["held"] if but_the_held else 0) >= wanted

    wait_for(look, why="the first mails")
    read_mails(stage)
