"""From POST /leads/validate to the verdict on the lead: queued by domain, asked once, judged, told."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apikeys.models import Event
from apikeys.services import now_for, turn_clock
from leads import domain_facts, services
from leads.models import DomainFact, Lead, ValidationCredits
from leads.queries import validation_summary
from leads.services import queue_validation
from leads.validation import validate_due
from leads.verdicts import Verdict
from outbound.clock import real_now
from tests import make
from tests.base import Api
from tests.servers.dns import NULL_MX, NXDOMAIN, SERVFAIL, DnsServer, Mx, Silence

GOOD = [Mx("mx.good.test")]


@pytest.fixture
def live(db):
    return make.workspace("Live", livemode=True)


@pytest.fixture
def dns(settings):
    """A DNS in which every domain takes mail unless the test says otherwise: dns.zone["x.test"] = …"""
    with DnsServer(otherwise=lambda name: GOOD) as server:
        settings.DNS_NAMESERVERS = server.addresses
        yield server


@pytest.fixture
def impatient(settings):
    """For the tests in which somebody is silent: a time-out that does not wait for a busy machine."""
    settings.DNS_TIMEOUT_SECONDS = 0.2


def queue(workspace, *leads, now=None):
    return queue_validation(workspace=workspace, leads=list(leads), now=now or real_now())


def validated(workspace, *emails) -> list[Lead]:
    leads = [make.lead(workspace, email) for email in emails]
    queue(workspace, *leads)
    validate_due()
    return [fresh(lead) for lead in leads]


def fresh(lead: Lead) -> Lead:
    return Lead.objects.get(pk=lead.pk)


def later(workspace, **duration):
    return turn_clock(workspace=workspace, by=timedelta(**duration))


def events(kind: str) -> list[Event]:
    return list(Event.objects.filter(kind=kind).order_by("id"))


class TestThePipeline:
    @pytest.mark.parametrize(
        ("answer", "status", "score"),
        [
            (GOOD, "valid", 85), (NULL_MX, "invalid", 10), (NXDOMAIN, "invalid", 10), ([], "invalid", 10),
            (SERVFAIL, "unknown", None), (Silence(), "unknown", None),
        ],
        ids=["mx", "null-mx", "nxdomain", "no-answer", "servfail", "time-out"],
    )  # fmt: skip
    def test_what_the_dns_says_becomes_the_verdict(self, live, dns, impatient, answer, status, score):
        dns.zone["x.example"] = answer
        (lead,) = validated(live, "jo@x.example")
        assert (lead.validation_status, lead.validation_score) == (status, score)
        assert lead.validated_at and (lead.validation_reason or status == "valid")

    def test_a_disposable_address_is_invalid(self, live, dns):
        (lead,) = validated(live, "jo@mailinator.com")
        assert (lead.validation_status, lead.validation_score) == ("invalid", 5)

    def test_leads_that_nobody_asked_about_stay_as_they_are(self, live, dns):
        bystander = make.lead(live, "other@x.example")
        validated(live, "jo@x.example")
        assert fresh(bystander).validation_status is None

    def test_many_leads_of_a_domain_cost_one_question(self, live, dns):
        leads = validated(live, *(f"p{number}@x.example" for number in range(25)))
        assert {lead.validation_status for lead in leads} == {"valid"}
        assert dns.total() == 1

    def test_a_catch_all_probe_is_believed(self, live, dns, settings):
        settings.VALIDATION_CATCH_ALL_PROBE = f"{__name__}.probe"
        everything, nothing = validated(live, "jo@all.example", "jo@x.example")
        assert (everything.is_catch_all, everything.validation_score) == (True, 85)
        assert (nothing.is_catch_all, nothing.validation_score) == (False, 100)

    def test_a_third_party_has_the_last_word_but_not_on_what_is_invalid(self, live, dns, settings):
        settings.VALIDATION_THIRD_PARTY = f"{__name__}.third_party"
        dns.zone["gone.example"] = NXDOMAIN
        full, good, gone = validated(live, "full@x.example", "broken@x.example", "full@gone.example")
        assert (full.validation_status, full.validation_reason) == ("risky", "The mailbox is full.")
        assert (good.validation_status, gone.validation_status) == ("valid", "invalid")


def probe(domain, hosts):
    return domain == "all.example"


def third_party(email, verdict):
    if email.startswith("broken"):
        raise OSError("no answer")
    return Verdict("risky", 55, "The mailbox is full.") if email.startswith("full") else None


class TestCaches:
    def test_a_fact_serves_for_24_hours_and_is_then_asked_again(self, live, dns):
        validated(live, "a@x.example")
        validated(live, "b@x.example")
        assert dns.total() == 1
        DomainFact.objects.update(fresh_until=real_now())
        validated(live, "c@x.example")
        assert dns.total() == 2

    def test_a_fact_is_fresh_for_24_hours(self, live, dns):
        before = real_now()
        validated(live, "a@x.example")
        fact = DomainFact.objects.get()
        assert before + timedelta(hours=24) <= fact.fresh_until <= real_now() + timedelta(hours=24)

    def test_a_verdict_stands_for_30_days(self, acme):
        (lead,) = validated(acme, "a@x.example")
        assert queue(acme, lead, now=lead.validated_at + timedelta(days=29, hours=23)).standing == 1
        assert queue(acme, lead, now=lead.validated_at + timedelta(days=30)).lead_ids == [str(lead.id)]

    def test_unknown_is_no_verdict_and_is_looked_for_again_at_once(self, live, dns):
        dns.zone["x.example"] = SERVFAIL
        (lead,) = validated(live, "a@x.example")
        dns.zone["x.example"] = GOOD
        assert queue(live, lead).lead_ids
        validate_due()
        assert fresh(lead).validation_status == "valid"

    def test_another_address_is_another_verdict(self, api, acme):
        (lead,) = validated(acme, "a@x.example")
        answer = api.data("PATCH", f"/leads/{lead.id}", {"email": "a@nomx.test"})
        assert (answer["validation_status"], answer["validation_score"], answer["is_catch_all"]) == (None, None, None)

    def test_one_workspaces_facts_are_not_anothers(self, live, dns):
        validated(live, "a@x.example")
        validated(make.workspace("Second", livemode=True), "a@x.example")
        assert dns.total() == DomainFact.objects.count() == 2


class TestSilence:
    """A test workspace, whose clock turns; slow.test never answers."""

    def test_a_silent_domain_is_asked_again_after_24_hours_three_times(self, acme):
        validated(acme, "jo@slow.test")
        for retry in (1, 2, 3):
            assert DomainFact.objects.get().retries == retry
            turned = later(acme, hours=23, minutes=59)
            assert domain_facts.claim(turned, now=now_for(turned)) is None
            later(acme, minutes=2)
            validate_due()
        fact = DomainFact.objects.get()
        assert (fact.due_at, fact.retries) == (None, 0)

    def test_a_domain_that_speaks_later_settles_its_leads(self, live, dns, impatient):
        dns.zone["x.example"] = Silence()
        (lead,) = validated(live, "jo@x.example")
        assert lead.validation_status == "unknown"
        dns.zone["x.example"] = GOOD
        DomainFact.objects.update(due_at=real_now())  # 24 h later
        validate_due()
        assert fresh(lead).validation_status == "valid"
        assert DomainFact.objects.get().due_at is None

    def test_the_same_unknown_is_told_once(self, acme):
        validated(acme, "jo@slow.test")
        later(acme, hours=25)
        validate_due()
        assert len(events("lead.validated")) == 1


class TestCredits:
    @pytest.fixture
    def two_credits(self, settings, live):
        settings.TIER_LIMITS = {live.tier: {"validation_credits": 2}}

    def test_one_credit_for_each_domain_that_must_be_asked(self, live, dns):
        validated(live, "a@x.example", "b@x.example", "a@y.example")
        assert ValidationCredits.objects.get().spent == 2
        validated(live, "c@x.example")
        assert ValidationCredits.objects.get().spent == 2

    def test_without_credits_the_rest_is_unknown_with_that_reason_and_nothing_fails(self, live, dns, two_credits):
        leads = validated(live, "a@a.example", "a@b.example", "a@c.example", "b@a.example")
        assert [lead.validation_status for lead in leads] == ["valid", "valid", "unknown", "valid"]
        assert leads[2].validation_reason == "No validation credits are left."
        assert dns.questions("c.example") == 0

    def test_a_new_month_has_new_credits(self, live, dns, two_credits):
        validated(live, "a@a.example", "a@b.example")
        ValidationCredits.objects.update(month="2020-01-01")
        (lead,) = validated(live, "a@c.example")
        assert lead.validation_status == "valid"
        assert ValidationCredits.objects.get().spent == 1

    def test_silence_costs_nothing_twice(self, live, dns):
        dns.zone["x.example"] = SERVFAIL
        (lead,) = validated(live, "a@x.example")
        queue(live, lead)
        assert ValidationCredits.objects.get().spent == 1


class TestEvents:
    def test_a_verdict_is_told_with_its_score(self, acme):
        (lead,) = validated(acme, "jo@acme.com")
        (event,) = events("lead.validated")
        assert (event.lead_id, event.data["status"], event.data["score"]) == (lead.id, "valid", 100)

    def test_a_changed_colour_is_told_with_its_reasons(self, acme):
        validated(acme, "jo@nomx.test", "jo@acme.com", "jo@catchall.test")
        told = {event.summary.split("@")[1].split(" ")[0]: event.data for event in events("lead.health_changed")}
        assert {domain: (data["before"], data["health"]) for domain, data in told.items()} == {
            "nomx.test": ("green", "red"), "catchall.test": ("green", "yellow"),
        }  # fmt: skip
        assert told["nomx.test"]["reasons"] == ["The address is invalid."]


class TestATestWorkspace:
    def test_it_asks_nobody(self, acme, dns):
        leads = validated(acme, "a@nomx.test", "a@catchall.test", "a@slow.test", "a@mailinator.com", "a@acme.com")
        assert dns.total() == 0
        assert [(lead.validation_status, lead.validation_score, lead.is_catch_all) for lead in leads] == [
            ("invalid", 10, None), ("valid", 85, True), ("unknown", None, None), ("invalid", 5, False),
            ("valid", 100, False),
        ]  # fmt: skip

    def test_its_plugs_are_not_called(self, acme, settings):
        settings.VALIDATION_THIRD_PARTY = settings.VALIDATION_CATCH_ALL_PROBE = "nowhere.at_all"
        assert validated(acme, "full@acme.com")[0].validation_score == 100


class TestDeathsAndRaces:
    def test_a_dead_workers_domains_are_taken_over_when_its_lease_ends(self, live, dns):
        lead = make.lead(live, "jo@x.example")
        queue(live, lead)
        assert domain_facts.claim(live, now=real_now())
        validate_due()
        assert fresh(lead).validation_status == "pending"
        DomainFact.objects.update(lease_until=real_now() - timedelta(seconds=1))
        validate_due()
        assert fresh(lead).validation_status == "valid"

    def test_who_died_after_asking_has_not_asked_in_vain(self, live, dns):
        lead = make.lead(live, "jo@x.example")
        queue(live, lead)
        taken = domain_facts.claim(live, now=real_now())
        domain_facts.keep(taken, {"x.example": domain_facts.Finding("none", "Gone.")}, now=real_now())
        DomainFact.objects.update(lease_until=real_now() - timedelta(seconds=1))
        validate_due()
        assert (fresh(lead).validation_status, dns.total()) == ("invalid", 0)

    def test_who_lost_the_lease_writes_nothing(self, live, dns):
        queue(live, make.lead(live, "jo@x.example"))
        taken = domain_facts.claim(live, now=real_now())
        DomainFact.objects.update(token=None)
        domain_facts.keep(taken, {"x.example": domain_facts.Finding("none")}, now=real_now())
        assert not taken.still_ours() and DomainFact.objects.get().outcome == ""

    def test_a_request_that_comes_in_meanwhile_is_not_forgotten(self, live, dns):
        queue(live, make.lead(live, "a@x.example"))
        taken = domain_facts.claim(live, now=real_now())
        queue(live, make.lead(live, "b@x.example"))
        domain_facts.release(taken, now=real_now())
        assert DomainFact.objects.get().due_at is not None
        validate_due()
        assert not Lead.objects.filter(validation_status="pending").exists()

    def test_a_lead_that_moves_meanwhile_keeps_no_verdict_of_the_old_address(self, acme, api):
        lead = make.lead(acme, "jo@nomx.test")
        queue(acme, lead)
        api.data("PATCH", f"/leads/{lead.id}", {"email": "jo@acme.com"})
        validate_due()
        assert fresh(lead).validation_status is None

    @pytest.mark.django_db(transaction=True)
    def test_four_workers_at_once_ask_each_domain_once(self, dns):
        live = make.workspace("Live", livemode=True)
        rows = [{"email": f"p{number}@d{number % 300}.example"} for number in range(600)]
        services.import_leads(workspace=live, rows=rows, now=make.NOW)
        queue(live, *Lead.objects.all())
        at_once(4, validate_due)
        assert set(Lead.objects.values_list("validation_status", flat=True)) == {"valid"}
        assert set(dns.asked.values()) == {1} and dns.total() == 300

    @pytest.mark.django_db(transaction=True)
    def test_two_requests_at_once_spend_each_credit_once(self, dns, settings):
        live = make.workspace("Live", livemode=True)
        settings.TIER_LIMITS = {live.tier: {"validation_credits": 5}}
        leads = [make.lead(live, f"a@d{number}.example") for number in range(8)]
        halves = iter([leads[:4], leads[4:]])
        at_once(2, lambda: queue(live, *next(halves)))
        validate_due()
        assert ValidationCredits.objects.get().spent == dns.total() == 5
        assert Lead.objects.filter(validation_status="valid").count() == 5
        assert Lead.objects.filter(validation_status="unknown").count() == 3


def at_once(count: int, work) -> None:
    failures = []

    def run():
        try:
            start.wait(10)
            work()
        except Exception as error:  # noqa: BLE001  it must reach the test's own thread
            failures.append(error)
        finally:
            connections.close_all()

    start = threading.Barrier(count)
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


class TestSize:
    def run(self, live, dns, *, leads: int, domains: int) -> int:
        """Import, queue and judge so many; how many statements the judging took."""
        for start in range(0, leads, 5000):
            rows = [{"email": f"p{n}@d{n % domains}.example"} for n in range(start, min(leads, start + 5000))]
            report = services.import_leads(workspace=live, rows=rows, now=make.NOW)
            ids = [row["id"] for row in report.results]
            queue(live, *Lead.objects.filter(pk__in=ids))
        with CaptureQueriesContext(connection) as statements:
            assert validate_due() == leads
        assert dns.total() == domains and set(dns.asked.values()) == {1}
        assert not Lead.objects.exclude(validation_status="valid").exists()
        return len([each for each in statements if "apikeys_event" not in each["sql"]])

    def test_3000_leads_over_150_domains_ask_150_questions_in_few_statements(self, live, dns):
        assert self.run(live, dns, leads=3000, domains=150) <= 60

    @pytest.mark.slow
    def test_100000_leads_over_5000_domains_ask_5000_questions(self, live, dns):
        self.run(live, dns, leads=100_000, domains=5000)

    def test_queueing_5000_leads_takes_a_handful_of_statements(self, live):
        rows = [{"email": f"p{n}@d{n % 500}.example"} for n in range(5000)]
        services.import_leads(workspace=live, rows=rows, now=make.NOW)
        leads = list(Lead.objects.all())
        with CaptureQueriesContext(connection) as statements:
            queue(live, *leads)
        assert len(statements) <= 12, [each["sql"][:80] for each in statements]


class TestTheDoor:
    def test_by_ids_its_answer_is_the_seeds(self, api, acme):
        leads = [make.lead(acme, "jane@acme.com"), make.lead(acme, "bob@acme.com")]
        ids = [str(lead.id) for lead in leads]
        assert api.data("POST", "/leads/validate", {"lead_ids": ids}, status=200) == {
            "queued": 2,
            "lead_ids": ids,
            "message": "Validation has been queued. Poll GET /api/v1/leads to check results.",
        }
        assert len(api.data("GET", "/leads?validation_status=pending")) == 2

    def test_by_addresses_case_does_not_matter(self, api, acme):
        lead = make.lead(acme, "jane@acme.com")
        answer = api.data("POST", "/leads/validate", {"emails": ["JANE@acme.com ", "jane@acme.com"]})
        assert answer["lead_ids"] == [str(lead.id)]

    def test_polling_shows_the_verdict(self, api, acme):
        make.lead(acme, "jane@acme.com")
        api.data("POST", "/leads/validate", {"emails": ["jane@acme.com"]})
        validate_due()
        (lead,) = api.data("GET", "/leads?validation_status=valid")
        assert (lead["validation_status"], lead["validation_score"], lead["is_catch_all"]) == ("valid", 100, False)
        assert lead["validated_at"] and lead["validation_reason"] is None

    def test_a_standing_verdict_is_said_and_not_queued(self, api, acme):
        (lead,) = validated(acme, "jane@acme.com")
        answer = api.data("POST", "/leads/validate", {"lead_ids": [str(lead.id)]})
        assert (answer["queued"], answer["lead_ids"]) == (0, [])
        assert "last 30 days" in answer["message"]

    @pytest.mark.parametrize(
        "body", [{}, {"lead_ids": []}, {"emails": []}, {"lead_ids": None}, {"emails": "a@b.com"}, {"ids": []}]
    )
    def test_neither_ids_nor_addresses_is_a_400(self, api, body):
        assert api("POST", "/leads/validate", body).status_code == 400

    def test_both_at_once_is_a_400(self, api, acme):
        lead = make.lead(acme)
        body = {"lead_ids": [str(lead.id)], "emails": [lead.email]}
        answer = api("POST", "/leads/validate", body)
        assert answer.status_code == 400 and "either" in answer.json()["error"]

    def test_unknown_ids_are_listed_and_nothing_is_queued(self, api, acme, rival):
        mine, theirs = make.lead(acme), make.lead(rival)
        answer = api("POST", "/leads/validate", {"lead_ids": [str(mine.id), str(theirs.id)]})
        assert answer.status_code == 400 and str(theirs.id) in answer.json()["error"]
        assert fresh(mine).validation_status is None

    def test_unknown_addresses_are_listed_and_nothing_is_queued(self, api, acme, rival):
        mine, theirs = make.lead(acme), make.lead(rival, "them@rival.example")
        answer = api("POST", "/leads/validate", {"emails": [mine.email, theirs.email, "no address"]})
        assert answer.status_code == 400 and "Unknown: them@rival.example, no address." in answer.json()["error"]
        assert fresh(mine).validation_status is None

    def test_5001_are_refused(self, api):
        answer = api("POST", "/leads/validate", {"emails": [f"p{number}@b.com" for number in range(5001)]})
        assert answer.status_code == 400

    def test_it_needs_validation_trigger(self, acme):
        answer = Api(make.key(acme, scopes=["leads:write"]))("POST", "/leads/validate", {"emails": ["a@b.com"]})
        assert answer.json()["error"] == "Missing required scope: validation:trigger"


class TestResults:
    def test_nobody_validated_is_all_zeros(self, api):
        assert api.data("GET", "/validation/results") == {
            "total_validated": 0, "status_breakdown": {"valid": 0, "risky": 0, "invalid": 0, "unknown": 0},
        }  # fmt: skip

    def test_verdicts_are_counted_and_the_pending_are_not(self, api, acme, rival):
        validated(acme, "a@acme.com", "b@acme.com", "a@nomx.test", "a@slow.test", "a@acme.xyz")
        validated(rival, "c@acme.com")
        queue(acme, make.lead(acme, "later@acme.com"))
        assert api.data("GET", "/validation/results") == {
            "total_validated": 5, "status_breakdown": {"valid": 3, "risky": 0, "invalid": 1, "unknown": 1},
        }  # fmt: skip

    def test_it_is_one_statement_on_an_index(self, acme):
        rows = [{"email": f"p{number}@acme.com"} for number in range(3000)]
        services.import_leads(workspace=acme, rows=rows, now=make.NOW)
        queue(acme, *Lead.objects.all()[:100])
        with CaptureQueriesContext(connection) as statements:
            validation_summary(acme)
        assert len(statements) == 1
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("ANALYZE leads_lead")
            cursor.execute(f"{explain} {statements[0]['sql']}")
            assert "lead_by_verdict" in str(cursor.fetchall())

    def test_it_needs_validation_read(self, acme):
        answer = Api(make.key(acme, scopes=["leads:read"]))("GET", "/validation/results")
        assert answer.json()["error"] == "Missing required scope: validation:read"
