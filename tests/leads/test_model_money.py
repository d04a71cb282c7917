"""What a model writes is written once, paid once and entered to the last token, whatever fails on the way."""

from datetime import timedelta
from decimal import Decimal

import pytest

from leads import batches, jobs, spending
from leads.models import GenerationCall, GenerationJob, Lead, MessageBatch, ModelPrice, Variable, VariableValue
from leads.services import import_leads
from leads.writing import write_due
from outbound.clock import real_now
from tests import make
from tests.base import Api
from tests.vendors.anthropic import KEY
from tests.vendors.anthropic_service import AnthropicService, sample, schema_of

PROMPT = "Write a line for {{company_name}}."
KINDS = {
    "tokens_uncached": "input_tokens",
    "tokens_cache_write": "cache_creation_input_tokens",
    "tokens_cache_read": "cache_read_input_tokens",
    "tokens_output": "output_tokens",
}


@pytest.fixture
def serve(settings):
    """serve(latency=…): the vendor, and the product set to call it."""
    running = []

    def start(**how) -> AnthropicService:
        service = AnthropicService(**how).__enter__()
        running.append(service)
        settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL = KEY, service.url
        return service

    settings.ANTHROPIC_MODEL = "claude-haiku-5-5"
    yield start
    for service in running:
        service.__exit__()


@pytest.fixture
def live(db):
    return make.workspace("Live", livemode=True)


def people(workspace, count: int, *, companies: int | None = None) -> None:
    rows = [
        {"email": f"p{number}@people.example", "company_name": f"Company {number % (companies or count)}"}
        for number in range(count)
    ]
    for start in range(0, count, 5000):
        import_leads(workspace=workspace, rows=rows[start : start + 5000], now=make.NOW)


def generate(workspace, **body) -> dict:
    return Api(make.key(workspace)).data("post", "/variables/opening_line/generate", body, status=200)


def until_settled(*, rounds: int = 60) -> None:
    """As the beat does it, without its waits."""
    for _ in range(rounds):
        VariableValue.objects.update(retry_at=None)
        MessageBatch.objects.filter(poll_at__isnull=False).update(poll_at=real_now() - timedelta(seconds=1))
        write_due()
        batches.work_batches()
        if not VariableValue.objects.filter(state__in=["pending", "generating"]).exists():
            return
    raise AssertionError(states())


def states() -> dict:
    found: dict = {}
    for state in VariableValue.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def ledger() -> dict:
    """The settled calls' tokens in the vendor's words."""
    rows = GenerationCall.objects.filter(state="settled")
    return {vendor: sum(rows.values_list(ours, flat=True)) for ours, vendor in KINDS.items()}


def cost(service, *, factor=Decimal(1)) -> Decimal:
    bill = service.totals()
    return factor * (
        bill["input_tokens"] * Decimal("0.10") + bill["cache_creation_input_tokens"] * Decimal("0.125")
        + bill["cache_read_input_tokens"] * Decimal("0.01") + bill["output_tokens"] * Decimal("0.50")
    ) / 1_000_000  # fmt: skip


def charged() -> Decimal:
    return sum(GenerationCall.objects.values_list("charge", flat=True), Decimal(0))


def close(one: Decimal, other: Decimal) -> bool:
    """To a millionth of a dollar: each call is rounded up to a billionth."""
    return abs(one - other) < Decimal("0.00001")


class TestOncePerInput:
    @pytest.mark.parametrize(("leads", "companies"), [(300, 40), pytest.param(10_000, 800, marks=pytest.mark.slow)])
    def test_a_variable_of_company_fields_is_written_once_per_company(self, serve, live, leads, companies):
        service = serve()
        people(live, leads, companies=companies)
        make.variable(live, prompt=PROMPT)
        generate(live, urgent=True)
        until_settled()
        assert (len(service.bill), states()) == (companies, {"done": leads})
        assert sum(GenerationCall.objects.values_list("leads_served", flat=True)) == leads

        generate(live, urgent=True)
        until_settled()
        assert len(service.bill) == companies

        some = list(Lead.objects.order_by("id")[:10])
        api = Api(make.key(live))
        for number, lead in enumerate(some):
            api.data("patch", f"/leads/{lead.id}", {"company_name": f"New {number}", "city": "Rome"})
        assert generate(live, urgent=True)["to_do"] == 10
        until_settled()
        assert len(service.bill) == companies + 10

    def test_a_change_that_the_prompt_does_not_use_writes_nothing(self, serve, live):
        service = serve()
        people(live, 3)
        make.variable(live, prompt=PROMPT)
        generate(live)
        until_settled()
        lead = Lead.objects.first()
        Api(make.key(live)).data("patch", f"/leads/{lead.id}", {"city": "Rome"})
        assert generate(live)["to_do"] == 0
        assert len(service.bill) == 3

    def test_a_dry_run_says_what_it_takes_and_calls_nobody(self, serve, live):
        service = serve()
        people(live, 30, companies=4)
        make.lead(live, "nobody@people.example")
        make.variable(live, prompt=PROMPT)
        told = generate(live, dry_run=True)
        assert told["to_do"] == 31 and told["mode"] == "live"
        found = told["estimate"]
        assert (found["distinct_inputs"], found["cached"], found["skipped"], found["calls"]) == (4, 0, 1, 4)
        assert Decimal(found["money"]) > 0 and found["tokens_in"] > 0
        assert found["price"].startswith("claude-haiku-5-5 from 2026-10-07")
        assert not service.requests and not GenerationCall.objects.exists()

    def test_after_some_calls_it_learns_from_them(self, serve, live):
        serve()
        people(live, 4)
        make.variable(live, prompt=PROMPT)
        generate(live)
        until_settled()
        told = generate(live, dry_run=True, force=True)["estimate"]
        assert told["learned_from"] == "the last 4 calls"
        assert close(Decimal(told["money"]), charged())


class TestLedger:
    def test_it_equals_the_vendors_bill(self, serve, live):
        service = serve(cache_from=10)
        people(live, 25)
        make.variable(live, prompt="Always write a friendly, short opening line for {{company_name}}.")
        generate(live)
        until_settled()
        assert ledger() == service.totals()
        assert service.totals()["cache_read_input_tokens"] > 0
        assert close(charged(), cost(service))
        assert set(GenerationCall.objects.values_list("state", "mode", "model")) == {
            ("settled", "live", "claude-haiku-5-5")
        }
        shown = Api(make.key(live)).data("get", "/variables/opening_line")["money"]
        assert Decimal(shown["spent"]) == charged()
        assert shown["calls"] == 25 and shown["cache_note"] is None

    def test_where_nothing_was_cached_it_says_so(self, serve, live):
        serve(cache_from=100_000)
        people(live, 2)
        make.variable(live, prompt=PROMPT)
        generate(live)
        until_settled()
        shown = Api(make.key(live)).data("get", "/variables/opening_line")["money"]
        assert "Nothing was cached" in shown["cache_note"]

    def test_sharing_is_shown_as_saved(self, serve, live):
        serve()
        people(live, 10, companies=1)
        make.variable(live, prompt=PROMPT)
        generate(live)
        until_settled()
        shown = Api(make.key(live)).data("get", "/variables/opening_line")["money"]
        assert close(Decimal(shown["saved"]["sharing"]), 9 * charged())

    @pytest.mark.parametrize("leads", [60, pytest.param(1000, marks=pytest.mark.slow)])
    def test_a_busy_service_loses_and_doubles_nothing(self, serve, live, leads):
        service = serve(latency=0.005, busy={429: 0.05, 529: 0.02}, retry_after="0")
        people(live, leads)
        make.variable(live, prompt=PROMPT)
        generate(live, urgent=True)
        until_settled()
        assert states() == {"done": leads}
        assert max(service.asked.values()) == 1 and len(service.bill) == leads
        assert ledger() == service.totals()
        assert GenerationCall.objects.filter(state="free").count() == sum(service.refused.values())

    def test_rival_sees_none_of_it(self, serve, live, rival_api):
        serve()
        people(live, 2)
        make.variable(live, prompt=PROMPT)
        generate(live)
        until_settled()
        assert rival_api("get", "/variables/opening_line").status_code == 404


class TestLimits:
    def test_the_months_limit_is_never_passed(self, serve, live):
        def long_winded(params):
            short = sample(schema_of(params), params)
            return {name: "all about it, " * 100 if isinstance(part, str) else part for name, part in short.items()}

        service = serve(latency=0.01, writes=long_winded)
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        limit = Decimal("0.01")
        type(live).objects.filter(pk=live.pk).update(ai_monthly_limit=limit)
        generate(live, urgent=True)
        write_due()
        job = GenerationJob.objects.get()
        assert job.state == "paused: budget" and "limit of" in job.reason and "dollars a month" in job.reason
        assert 0 < cost(service) <= limit
        # It stops at the limit: there was no room for one more call at the most it can cost.
        assert charged() + job.needed > limit
        assert states()["pending"] == 60 - len(service.bill)

        write_due()
        assert GenerationJob.objects.get().state == "paused: budget"
        type(live).objects.filter(pk=live.pk).update(ai_monthly_limit=5)
        until_settled()
        assert states() == {"done": 60}
        assert GenerationJob.objects.get().state == "done"

    def test_a_key_has_a_limit_of_its_own(self, serve, live):
        serve()
        people(live, 3)
        make.variable(live, prompt=PROMPT)
        raw = make.key(live, name="small")
        live.refresh_from_db()
        from apikeys.models import ApiKey

        ApiKey.objects.filter(name="small").update(ai_monthly_limit=0)
        Api(raw).data("post", "/variables/opening_line/generate", {}, status=200)
        write_due()
        assert "key's limit" in GenerationJob.objects.get().reason
        generate(live, force=True)
        assert generate(live)["to_do"] == 0

    def test_a_job_has_one_too(self, serve, live):
        serve()
        people(live, 40)
        make.variable(live, prompt=PROMPT)
        generate(live, max_cost="0.00")
        write_due()
        job = GenerationJob.objects.get()
        assert job.state == "paused: budget" and "job's limit" in job.reason
        assert charged() == 0

    def test_two_workspaces_do_not_share_a_limit(self, serve, live):
        serve()
        other = make.workspace("Other", livemode=True)
        for workspace in (live, other):
            people(workspace, 3)
            make.variable(workspace, prompt=PROMPT)
            generate(workspace)
        type(live).objects.filter(pk=live.pk).update(ai_monthly_limit=0)
        write_due()
        assert set(VariableValue.objects.filter(workspace=other).values_list("state", flat=True)) == {"done"}
        assert set(VariableValue.objects.filter(workspace=live).values_list("state", flat=True)) == {"pending"}

    def test_a_model_without_a_price_is_refused_with_a_sentence(self, serve, live, settings):
        serve()
        settings.ANTHROPIC_MODEL = "claude-sonnet-5-5"
        people(live, 1)
        make.variable(live, prompt=PROMPT)
        answer = Api(make.key(live))("post", "/variables/opening_line/generate", {})
        assert answer.status_code == 409
        assert "no price for claude-sonnet-5-5" in answer.json()["error"]

    def test_long_prompts_have_their_own_band(self, db):
        from leads.prices import Tokens, price_list

        prices = price_list("claude-haiku-5-5", on=make.NOW.date())
        assert prices.cost(Tokens(uncached=100_000), batch=False) == Decimal("0.01")
        assert prices.cost(Tokens(uncached=100_000, cache_read=1), batch=False) == Decimal("0.05000005")
        assert prices.cost(Tokens(uncached=100_000), batch=True) == Decimal("0.005")

    def test_prices_come_back_from_the_file(self, db):
        from leads.prices import price_list

        ModelPrice.objects.all().delete()
        assert price_list("claude-haiku-5-5", on=make.NOW.date()) is not None
        assert price_list("claude-haiku-5-5", on=make.NOW.date().replace(year=2020)) is None


class TestDeath:
    def test_a_call_whose_worker_died_keeps_the_most_it_can_have_cost(self, serve, live):
        service = serve()
        people(live, 2)
        variable = make.variable(live, prompt=PROMPT)
        generate(live)
        wish = spending.Wish(Decimal("0.002"), "claude-haiku-5-5", input_key="x", variable_id=variable.pk)
        spending.reserve(workspace=live, wishes=[wish], mode="live", now=real_now() - timedelta(hours=1))
        until_settled()
        lost = GenerationCall.objects.get(pk=wish.id)
        assert (lost.state, lost.charge) == ("unknown", Decimal("0.002"))
        assert ledger() == service.totals()
        assert Api(make.key(live)).data("get", "/variables/opening_line")["money"]["unknown"] == 1

    def test_two_workers_ask_once_for_the_same_input(self, serve, live):
        service = serve()
        people(live, 2, companies=1)
        variable = make.variable(live, prompt=PROMPT)
        generate(live)
        from leads.prompts import input_key

        key = input_key(variable, Lead.objects.first())
        wish = spending.Wish(Decimal("0.002"), "claude-haiku-5-5", input_key=key, variable_id=variable.pk)
        spending.reserve(workspace=live, wishes=[wish], mode="live", now=real_now())
        write_due()
        assert not service.bill and states() == {"pending": 2}


class TestBatches:
    @pytest.mark.parametrize("leads", [120, pytest.param(5000, marks=pytest.mark.slow)])
    def test_every_lead_is_settled_at_half_the_price(self, serve, live, leads):
        fates = ["errored"] * 3 + ["expired"] + ["succeeded"] * 96
        seen: dict = {}

        def fate(custom_id, params):
            text = params["messages"][0]["content"][-1]["text"]
            return fates[seen.setdefault(text, len(seen)) % 100]

        service = serve(fate=fate, polls_to_end=2)
        people(live, leads)
        make.variable(live, prompt=PROMPT)
        told = generate(live)
        assert told["mode"] == "batch"
        until_settled()
        expired = sum(fates[number % 100] == "expired" for number in range(leads))
        errored = sum(fates[number % 100] == "errored" for number in range(leads))
        assert states() == {"done": leads - expired - errored, "failed": expired + errored}
        reasons = dict.fromkeys(VariableValue.objects.filter(state="failed").values_list("reason", flat=True))
        assert sorted(reasons) == [
            "The model's service did not come to it within a day.",
            "The model's service did not take the request. The line cannot be worked off.",
        ]
        assert ledger() == service.totals()
        assert close(charged(), cost(service, factor=Decimal("0.5")))
        # What expired was asked for again, twice at most.
        assert sum(len(batch.requests) for batch in service.batches.values()) == leads + 2 * expired
        job = GenerationJob.objects.get()
        assert (job.state, job.total, job.mode) == ("done", leads, "batch")
        assert Decimal(Api(make.key(live)).data("get", "/variables/opening_line")["money"]["saved"]["batch"]) > 0

    def test_a_batch_that_nobody_heard_back_from_is_found(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        generate(live)
        batches.work_batches()
        # As if the worker had died before it could write down what the service answered.
        MessageBatch.objects.update(vendor_id="", state="submitting")
        until_settled()
        assert states() == {"done": 60}
        assert len(service.batches) == 1 and len(service.bill) == 60
        assert ledger() == service.totals()

    def test_one_that_never_arrived_is_submitted_anew(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        generate(live)
        batches.work_batches()
        MessageBatch.objects.update(vendor_id="", state="submitting")
        service.batches.clear()
        until_settled()
        assert states() == {"done": 60}
        assert max(service.asked.values()) == 1
        assert GenerationCall.objects.filter(state="free").count() == 60

    def test_results_read_twice_are_stored_once(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        generate(live)
        until_settled()
        before = list(GenerationCall.objects.order_by("id").values())
        MessageBatch.objects.update(state="in_progress", poll_at=real_now() - timedelta(seconds=1))
        batches.work_batches()
        assert list(GenerationCall.objects.order_by("id").values()) == before
        assert len(service.bill) == 60

    def test_a_canceled_job_leaves_nothing_open(self, serve, live):
        service = serve(polls_to_end=100)
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        generate(live)
        batches.work_batches()
        jobs.cancel(job=GenerationJob.objects.get(), now=real_now())
        until_settled()
        assert states() == {"skipped": 60}
        assert not service.bill and charged() == 0
        assert set(VariableValue.objects.values_list("reason", flat=True)) == {jobs.CANCELED}

    def test_a_paused_job_submits_nothing_until_it_is_resumed(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        generate(live)
        job = jobs.pause(job=GenerationJob.objects.get())
        batches.work_batches()
        assert not service.batches
        jobs.resume(job=job)
        until_settled()
        assert states() == {"done": 60}

    def test_the_limit_holds_for_batches_too(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        type(live).objects.filter(pk=live.pk).update(ai_monthly_limit=Decimal("0.02"))
        generate(live)
        batches.work_batches()
        job = GenerationJob.objects.get()
        assert job.state == "paused: budget"
        assert charged() <= Decimal("0.02")
        assert 0 < sum(len(batch.requests) for batch in service.batches.values()) < 60

    def test_urgent_ones_are_written_at_once(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        assert generate(live, urgent=True)["mode"] == "live"
        write_due()
        assert len(service.bill) == 60 and not service.batches

    def test_a_deleted_variable_still_pays_what_was_written(self, serve, live):
        service = serve()
        people(live, 60)
        make.variable(live, prompt=PROMPT)
        generate(live)
        batches.work_batches()
        Variable.objects.all().delete()
        MessageBatch.objects.update(poll_at=real_now() - timedelta(seconds=1))
        batches.work_batches()
        assert len(service.batches) == 1
        assert GenerationCall.objects.count() == 60
