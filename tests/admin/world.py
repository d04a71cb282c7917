"""A workspace in which something of everything has happened, made through the services and the sandbox."""

from datetime import timedelta

from django.contrib.auth import get_user_model

from apikeys import inbound, webhooks
from apikeys import services as access
from apikeys.models import StoredResponse
from apikeys.notices import note_facts
from campaigns import services as campaigns
from campaigns.routing_rules import create_rule
from leads import imports, variables
from leads import services as people
from leads.models import (
    Arrival,
    DomainFact,
    GenerationCall,
    GenerationJob,
    Group,
    Lead,
    MessageBatch,
    Suppression,
    ValidationCredits,
)
from leads.prices import seed_prices
from leads.writing import write_due
from outbound.models import BrokerMessage
from sending import services as post
from sending.hits import note_hit
from sending.inbound import read_mail
from sending.mailboxes import pause_mailbox, resume_mailbox
from sending.models import ImapFolder, ImapWatch, MailboxGrant, Message
from sending.strays import note_unmatched

CANARY = "canary-4f1c-must-never-be-shown"
STEPS = [
    {
        "subject": "A word about {{company|your company}}",
        "body_html": "<p>Hi {{first_name|there}},</p><p>{{opening_line|I liked what you do.}}</p>",
        "variants": [
            {"label": "A", "weight": 60, "subject": "A word about {{company|your company}}"},
            {"label": "B", "weight": 40, "subject": "{{first_name|Hello}}, one question"},
        ],
    },
    {"subject": "", "body_html": "<p>Did you see my last mail, {{first_name|there}}?</p>", "delay_days": 2},
    {"subject": "Last try", "body_html": "<p>I will leave it at that.</p>", "delay_days": 3},
]


def people_rows(name: str, count: int) -> list[dict]:
    special = ["reply+anna", "bounce+ben", "unsubscribe+carla", "ooo+dan", "timeout+eve"]
    locals_ = [special[n] if n < len(special) else f"lead{n}" for n in range(count)]
    return [
        {
            "email": f"{local}.{name.lower()}@sandbox.test", "first_name": f"Person{n}", "last_name": "Example",
            "company_name": f"{name} Client {n}", "groups": ["Prospects"],
        }
        for n, local in enumerate(locals_)
    ]  # fmt: skip


def build_world(name: str, *, leads: int = 6, days: int = 4):
    """The workspace. Mail went out, answers came in, one file was refused in part."""
    workspace = access.create_workspace(name=name, livemode=False)
    now = access.now_for(workspace)
    colleague = get_user_model().objects.create_user(f"colleague@{name.lower()}.test", is_staff=True)
    access.add_member(workspace=workspace, user=colleague)
    owner = get_user_model().objects.create_user(f"boss@{name.lower()}.test", is_staff=True)
    access.add_member(workspace=workspace, user=owner, role="owner")
    access.create_key(workspace=workspace, name=f"{name} agent", scopes=["leads:read"])
    people.import_leads(workspace=workspace, rows=people_rows(name, leads), now=now)
    variable = variables.create_variable(
        workspace=workspace, name="opening_line", prompt_template="Write one line to {{first_name}}.", now=now
    )
    variables.queue_generation(variable=variable, leads=Lead.objects.for_workspace(workspace), now=now)
    write_due()
    mailbox = post.connect_mailbox(
        workspace=workspace, email=f"sam@{name.lower()}.test", provider="sandbox", now=now, password=CANARY,
        daily_limit=1000, send_gap_seconds=0, display_name="Sam", warmup=False, imap_host="imap.sam.test",
        imap_password=CANARY,
    )  # fmt: skip
    _a_rest(mailbox, now)
    _reading(mailbox, name, now)
    sequence = campaigns.create_sequence(workspace=workspace, name="Welcome", steps=STEPS, now=now)
    run = campaigns.start_run(
        workspace=workspace, sequence=sequence, group=Group.objects.get(workspace=workspace), now=now,
        sender_email=mailbox.email,
        schedule={
            "start_time": "00:00", "end_time": "23:59", "send_gap_minutes": 0, "daily_limit": 1000,
            "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        },
    )  # fmt: skip
    for _ in range(days):
        _a_day(workspace)
    batch = imports.start_import(
        workspace=workspace, content=b"email,first name\nnew@sandbox.test,Nora\nnot an address,Olaf\n",
        filename="people.csv", now=now,
    )  # fmt: skip
    imports.run_import(batch.pk, now=now)
    _doors(workspace, name, now)
    sent = Message.objects.filter(workspace=workspace, direction="out", departed_at__isnull=False).first()
    note_hit(message=sent, kind="open", machine=False, now=now)
    note_facts(now=access.now_for(workspace))
    _money(workspace, name, variable)
    DomainFact.objects.create(workspace=workspace, domain=f"{name.lower()}.test", outcome="mx")
    ValidationCredits.objects.create(workspace=workspace, month=now.date(), spent=1)
    create_rule(campaign=run, now=now, persona="Founder", enabled=False)
    Arrival.objects.create(workspace=workspace, lead=Lead.objects.filter(workspace=workspace).first(), source="clay")
    people.suppress(workspace=workspace, value="@never.test", kind=Suppression.Kind.MANUAL, now=now, reason="asked")
    return run


def _a_rest(mailbox, now) -> None:
    """Its phases have a history."""
    pause_mailbox(mailbox=mailbox, now=now)
    resume_mailbox(mailbox=mailbox, now=now)


def _reading(mailbox, name: str, now) -> None:
    """As if it had been looked into: a test workspace reads nobody's mail."""
    MailboxGrant.objects.create(
        workspace=mailbox.workspace, mailbox=mailbox, vendor="google", refresh_token=CANARY, access_token=CANARY
    )
    watch = ImapWatch.objects.create(workspace=mailbox.workspace, mailbox=mailbox, sent_folder=f"{name} Sent")
    ImapFolder.objects.create(workspace=mailbox.workspace, watch=watch, name=f"{name} INBOX", uidvalidity=1, uid=7)
    raw = f"From: Zoe <zoe@{name.lower()}.test>\nMessage-ID: <z@{name.lower()}.test>\nSubject: Hi\n\nHi".encode()
    note_unmatched(mailbox=mailbox, mail=read_mail(raw, received_at=now), raw=raw, folder="INBOX", now=now)


def _money(workspace, name: str, variable) -> None:
    """As a model would have left it: a test workspace calls none."""
    job = GenerationJob.objects.get(variable=variable)
    batch = MessageBatch.objects.create(workspace=workspace, job=job, vendor_id=f"msgbatch_{name}", requests=1)
    GenerationCall.objects.create(
        workspace=workspace, variable=variable, job=job, batch=batch, model="claude-haiku-5-5", charge="0.0001",
        state="settled", request_id=f"req_{name}",
    )  # fmt: skip


def _doors(workspace, name: str, now) -> None:
    """Webhooks out and senders in, with secrets that no page may show."""
    endpoint = webhooks.create_endpoint(
        workspace=workspace, url=f"https://hooks.{name.lower()}.test/in", kinds=["*"], now=now
    )
    endpoint.secret = endpoint.old_secret = CANARY
    endpoint.save(update_fields=["secret", "old_secret"])
    webhooks.send_test(endpoint=endpoint, now=now)
    connection = inbound.create_connection(workspace=workspace, source="clay", name=f"{name} table", now=now)
    connection.secret = CANARY
    connection.save(update_fields=["secret"])
    inbound.keep(connection=connection, dedupe_key=name, body=b"{}", now=now)


def _a_day(workspace) -> None:
    for hours in (1, 23):
        note_facts(now=access.now_for(workspace))
        campaigns.tick(workspace=workspace)
        post.dispatch()
        access.turn_clock(workspace=workspace, by=timedelta(hours=hours))
        workspace.refresh_from_db()
        post.dispatch()


def plumbing() -> None:
    """Rows that no workspace owns."""
    StoredResponse.objects.create(
        caller="key:1", key="k", method="POST", path="/api/v1/keys", body_digest="x", data={"key": CANARY}
    )
    BrokerMessage.objects.create(queue="default", payload="{}")
    seed_prices()


def parked(workspace) -> Message:
    return Message.objects.filter(workspace=workspace, state="unknown").first()
