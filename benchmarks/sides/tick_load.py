"""So many enrollments in ten campaigns, each with a mail that was sent: python -m benchmarks.sides.tick_load COUNT

Four in ten are over, the others wait for a step that is due in the coming week.
"""

import sys

import django
from django.utils import timezone

django.setup()

from django.db import connection  # noqa: E402

from apikeys.services import create_workspace  # noqa: E402
from benchmarks.multiply import analyze, multiply  # noqa: E402
from campaigns.models import Enrollment  # noqa: E402
from campaigns.services import create_sequence, start_run  # noqa: E402
from leads.models import Lead  # noqa: E402
from leads.services import add_lead, add_leads_to_group, create_group  # noqa: E402
from sending.models import Message, Thread  # noqa: E402
from sending.services import Draft, connect_mailbox, queue_messages  # noqa: E402

CAMPAIGNS, PLENTY = 10, 10_000
ALWAYS = {
    "start_time": "00:00", "end_time": "24:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_gap_minutes": 0, "daily_limit": PLENTY,
}  # fmt: skip
STEPS = [
    {"subject": "Hello {{first_name}}", "body_html": "<p>Hi {{first_name}}.</p>"},
    {"subject": "", "body_html": "<p>Once more, {{first_name}}.</p>", "delay_days": 3},
]
ENROLL = f"""
    INSERT INTO {Enrollment._meta.db_table}
        (id, campaign_id, lead_id, status, reason, position, due_at, mailbox_id, thread_id, created_at)
    SELECT gen_random_uuid(), %s, id, CASE WHEN n %% 5 < 2 THEN 'completed' ELSE 'active' END, '', 1,
        CASE WHEN n %% 5 >= 2 THEN now() + interval '1 hour' + random() * interval '7 days' END,
        %s, %s, now() - interval '2 days'
    FROM (SELECT id, row_number() OVER () AS n FROM {Lead._meta.db_table} WHERE email LIKE %s) AS people
"""
count = int(sys.argv[1])
now = timezone.now()
workspace = create_workspace(
    name="Bench", livemode=True, postal_address="Main Street 1, 12345 Town", public_url="https://outbound.example"
)
sequence = create_sequence(workspace=workspace, name="Two steps", steps=STEPS, now=now)
for number in range(CAMPAIGNS):
    email = f"hi{number}@you.example"
    mailbox = connect_mailbox(
        workspace=workspace, email=email, now=now, warmup=False, send_gap_seconds=0, daily_limit=PLENTY,
        smtp_host="127.0.0.1", smtp_security="none",
    )  # fmt: skip
    lead, _ = add_lead(workspace=workspace, row={"email": f"first{number}@acme.example", "first_name": "Jo"}, now=now)
    group = create_group(workspace=workspace, name=f"Group {number}", now=now)
    add_leads_to_group(group=group, leads=[lead])
    campaign = start_run(
        workspace=workspace, sequence=sequence, group=group, sender_email=email, schedule=ALWAYS, now=now
    )
    share = count // CAMPAIGNS
    walk = Enrollment.objects.get(campaign=campaign)
    Enrollment.objects.filter(pk=walk.pk).update(status="completed", due_at=None)
    multiply(
        lead, share, id="gen_random_uuid()", email=f"'lead' || n || '.{number}@acme' || mod(n, 5000) || '.example'",
        email_domain="'acme' || mod(n, 5000) || '.example'",
    )  # fmt: skip
    thread = Thread.objects.create(
        workspace=workspace, mailbox=mailbox, lead=lead, contact_email=lead.email, subject="Hello", created_at=now
    )
    with connection.cursor() as cursor:
        cursor.execute(ENROLL, [campaign.pk, mailbox.pk, thread.pk, f"lead%.{number}@acme%"])
    draft = Draft(
        id=thread.pk, mailbox=mailbox, thread=thread, lane=campaign.lane, lead=lead, subject="Hello", html="<p>Hi.</p>",
        text="Hi.", send_at=now, not_after=None, stops_after=now,
    )  # fmt: skip
    (message,) = queue_messages([draft], now=now)
    Message.objects.filter(pk=message.pk).update(state="canceled", collected=True, settled_at=now)
    multiply(
        message, share, id="gen_random_uuid()", state="'sent'", rfc_message_id="'<' || n || '@you.example>'",
        settled_at="now() - random() * interval '30 days'", departed_at="now() - random() * interval '30 days'",
    )  # fmt: skip
analyze()
