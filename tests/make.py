"""Plain factory functions: make.lead(email=…). Defaults that work, everything else by name."""

import uuid
from datetime import UTC, datetime
from itertools import count

from apikeys import services as access
from apikeys.models import Workspace
from apikeys.scopes import ALL_SCOPES
from campaigns import services as campaigns
from leads import services as leads
from leads import variables as variable_services
from leads.models import Lead, VariableValue
from sending import services as sending
from sending.inbound import read_mail
from sending.models import Message, MessageBody, Thread
from sending.strays import note_unmatched

_number = count(1)
NOW = datetime.now(UTC)  # what is made was there before the test's first tick
ALL_HOURS = {
    "start_time": "00:00", "end_time": "24:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_gap_minutes": 0, "daily_limit": 10_000,
}  # fmt: skip


def workspace(name: str = "Acme", *, livemode: bool = False, **fields) -> Workspace:
    if livemode:
        fields.setdefault("postal_address", "Main Street 1, 12345 Town")
        fields.setdefault("public_url", "https://outbound.example")
    return access.create_workspace(name=name, livemode=livemode, **fields)


def key(workspace: Workspace, *, scopes=ALL_SCOPES, name: str = "tests") -> str:
    return access.create_key(workspace=workspace, name=name, scopes=scopes)[1]


def lead(workspace: Workspace, email: str = "", **fields) -> Lead:
    email = email or f"lead{next(_number)}@acme.example"
    return leads.add_lead(workspace=workspace, row={"email": email, "first_name": "Jo", **fields}, now=NOW)[0]


def group(workspace: Workspace, name: str = "Agencies", members=()):
    found = leads.create_group(workspace=workspace, name=name, now=NOW)
    if members:
        leads.add_leads_to_group(group=found, leads=members)
    return found


def variable(
    workspace: Workspace, name: str = "opening_line", prompt: str = "Write a line for {{company_name}}.", **fields
):
    return variable_services.create_variable(workspace=workspace, name=name, prompt_template=prompt, now=NOW, **fields)


def in_review(variable, lead: Lead, value: str = "How is Berlin?"):
    """A value that says what nothing supports."""
    evidence = {"claims": [{"field": "company_name", "quote": "Berlin", "holds": False}], "unsupported": ["Berlin"]}
    return VariableValue.objects.create(
        workspace=variable.workspace, variable=variable, lead=lead, state="review", value=value, evidence=evidence,
        reason="Nothing supports “Berlin”.", writer="anthropic", model="claude-haiku-5-5", created_at=NOW,
        settled_at=NOW,
    )  # fmt: skip


def step(subject: str = "Hello {{first_name}}", body: str = "<p>Hi {{first_name}}, about {{company}}.</p>", **fields):
    return {"subject": subject, "body_html": body, **fields}


def sequence(workspace: Workspace, name: str = "", steps=None):
    return campaigns.create_sequence(
        workspace=workspace, name=name or f"Sequence {next(_number)}", steps=steps or [step()], now=NOW
    )


def mailbox(workspace: Workspace, email: str = "hi@you.example", **fields):
    """One that may send as much as a test likes, at once."""
    fields.setdefault("warmup", False)
    fields.setdefault("send_gap_seconds", 0)
    fields.setdefault("daily_limit", 10_000)
    fields.setdefault("confirm_policy", fields.get("provider") == "resend")
    return sending.connect_mailbox(workspace=workspace, email=email, now=NOW, **fields)


def run(workspace: Workspace, *, steps=None, now=NOW, schedule=None, **fields):
    """A launched run to every lead, at all hours without a gap."""
    fields.setdefault("sender_email", "hi@you.example")
    return campaigns.start_run(
        workspace=workspace, sequence=fields.pop("sequence", None) or sequence(workspace, steps=steps),
        schedule=ALL_HOURS if schedule is None else schedule, now=now, **fields,
    )  # fmt: skip


def thread(mailbox, lead: Lead) -> Thread:
    return Thread.objects.create(
        workspace=mailbox.workspace, mailbox=mailbox, lead=lead, contact_email=lead.email, subject="Hi", created_at=NOW
    )


def reply(thread: Thread, text: str = "Tell me more") -> Message:
    """A person's answer on a thread, as it stands there."""
    message = Message.objects.create(
        workspace=thread.workspace, thread=thread, mailbox=thread.mailbox, lead=thread.lead, created_at=NOW,
        direction="in", kind="reply", state="received", collected=True, settled_at=NOW, subject="Re: Hi",
        from_email=thread.contact_email, to_email=thread.mailbox.email,
        rfc_message_id=f"<{next(_number)}@people.example>",
    )  # fmt: skip
    MessageBody.objects.create(message=message, text=text, raw=f"Subject: Re: Hi\n\n{text}".encode())
    return message


def parked(mailbox, lead: Lead) -> Message:
    """A mail that was handed over, as the ledger leaves it when nobody hears of it again."""
    return Message.objects.create(
        workspace=mailbox.workspace, created_at=NOW, direction="out", kind="manual", state="unknown", attempt=1,
        state_reason="The connection was lost.", thread=thread(mailbox, lead), mailbox=mailbox, lead=lead,
        from_email=mailbox.email, to_email=lead.email, subject="Lost", departed_at=NOW, token=uuid.uuid4(),
        rfc_message_id=f"<{next(_number)}@lost.example>",
    )  # fmt: skip


def stray(mailbox, sender: str = "stranger@else.example"):
    """A mail on the list of those that are on no thread."""
    number = next(_number)
    raw = f"From: <{sender}>\nSubject: Hello\nMessage-ID: <stray{number}@else.example>\n\nWho are you?\n".encode()
    note_unmatched(mailbox=mailbox, mail=read_mail(raw, received_at=NOW), raw=raw, folder="INBOX", now=NOW)
    return mailbox.strays.get(rfc_message_id=f"<stray{number}@else.example>")
