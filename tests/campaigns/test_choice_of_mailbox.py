"""Which mailbox a lead gets: what is left of its day, and how its mail fares at the lead's provider."""

from datetime import timedelta

import pytest

from apikeys.services import now_for
from campaigns.models import Enrollment
from leads.models import DomainFact
from sending.models import Message
from sending.performance import Record, records
from tests import make
from tests.world import pass_time, run_until_idle

TWO_STEPS = [make.step("One"), make.step("Two", delay_days=1)]


def history(mailbox, address: str, *, sent: int, bounced: int = 0, days_ago: int = 3):
    """Mails as the ledger keeps them, a bounced one among those that were sent."""
    at = now_for(mailbox.workspace) - timedelta(days=days_ago)
    thread = make.thread(mailbox, make.lead(mailbox.workspace))
    Message.objects.bulk_create(
        Message(
            workspace=mailbox.workspace, direction="out", kind="campaign", state="sent", collected=True, thread=thread,
            mailbox=mailbox, from_email=mailbox.email, to_email=address, subject="Before", settled_at=at,
            hard_bounced_at=at if n < bounced else None, rfc_message_id=f"<{mailbox.pk}-{address}-{days_ago}-{n}@x>",
        )
        for n in range(sent)
    )  # fmt: skip
    thread.lead.delete()


def run_to(acme, email):
    lead = make.lead(acme, email)
    make.run(acme, sender_email="", steps=TWO_STEPS)
    run_until_idle()
    return Enrollment.objects.get(lead=lead)


@pytest.fixture
def boxes(acme):
    return make.mailbox(acme, "a@you.example"), make.mailbox(acme, "b@you.example")


def test_the_one_whose_mail_bounces_less_at_the_leads_provider(acme, boxes):
    worse, better = sorted(boxes, key=lambda box: str(box.pk))  # equal ones would go by id
    DomainFact.objects.create(workspace=acme, domain="shop.example", provider="google")
    DomainFact.objects.create(workspace=acme, domain="other.example", provider="google")
    history(worse, "x@gmail.com", sent=40, bounced=30)
    history(better, "x@other.example", sent=40)

    assert run_to(acme, "jo@shop.example").mailbox_id == better.pk


def test_what_happened_at_another_provider_counts_for_nothing(acme, boxes):
    first, second = sorted(boxes, key=lambda box: str(box.pk))
    history(first, "x@outlook.com", sent=40, bounced=30)
    history(second, "x@outlook.com", sent=40)

    assert run_to(acme, "jo@gmail.com").mailbox_id == first.pk


def test_a_few_mails_or_old_ones_say_nothing(acme, boxes):
    first, second = sorted(boxes, key=lambda box: str(box.pk))
    history(first, "x@gmail.com", sent=29, bounced=29)
    history(first, "x@gmail.com", sent=40, bounced=40, days_ago=31)

    assert run_to(acme, "jo@gmail.com").mailbox_id == first.pk


def test_a_lead_keeps_the_mailbox_it_began_with(acme, boxes):
    first, second = sorted(boxes, key=lambda box: str(box.pk))
    assert run_to(acme, "jo@gmail.com").mailbox_id == first.pk
    history(first, "x@gmail.com", sent=40, bounced=30, days_ago=0)
    pass_time(acme, days=2)
    mails = Message.objects.filter(direction="out", to_email="jo@gmail.com")
    assert [mail.mailbox_id for mail in mails] == [first.pk, first.pk]


def test_all_mailboxes_and_providers_are_read_in_two_statements(acme, boxes, django_assert_num_queries):
    for box in boxes:
        history(box, "x@gmail.com", sent=3, bounced=1)
        history(box, "x@nobody-knows.example", sent=3)
    with django_assert_num_queries(2):
        found = records(acme, [box.pk for box in boxes], now=now_for(acme) + timedelta(hours=1))
    assert found == {(box.pk, "google"): Record(3, 1) for box in boxes}
