"""AI variables: what is written, once, for whom, and what happens when a worker, a prompt or a person comes between."""

from datetime import timedelta

import pytest

from leads import writing
from leads.models import Lead, VariableValue
from leads.tasks import generate_due
from leads.variables import override_value, update_variable
from leads.writing import write_due
from outbound.clock import real_now
from tests import make
from tests.base import Api
from tests.vendors.anthropic import KEY, AnthropicStandIn, fails, says

PROMPT = "Write a line for {{company_name}}."


@pytest.fixture
def three(acme):
    return [
        make.lead(acme, f"{name}@people.example", company_name=company)
        for name, company in [("ann", "Acme"), ("bo", "Acme"), ("cy", "Umbrella")]
    ]


@pytest.fixture
def variable(acme, three):
    return make.variable(acme, "opening_line", PROMPT)


def generate(api, **body) -> dict:
    return api.data("post", "/variables/opening_line/generate", body, status=200)


def shown(api) -> dict:
    return api.data("get", "/variables/opening_line")


def values() -> dict:
    return {row.lead.email.partition("@")[0]: row for row in VariableValue.objects.select_related("lead")}


def states() -> dict:
    return {name: row.state for name, row in values().items()}


class TestDefinitions:
    def test_the_whole_life_of_one(self, api, acme):
        made = api.data("post", "/variables", {"name": "opening_line", "prompt_template": PROMPT}, status=201)
        assert set(made) == {"id", "name", "prompt_template", "output_type", "pct", "counts", "created_at"}
        assert (made["output_type"], made["pct"], made["counts"]["total"]) == ("text", None, 0)

        one = api.data("get", "/variables/opening_line")
        assert one == api.data("get", f"/variables/{made['id']}")
        assert made.items() <= one.items()
        assert one["money"]["spent"] == "0"
        assert api.data("get", "/variables") == [made]
        changed = api.data("patch", "/variables/opening_line", {"output_type": "html"})
        assert changed["output_type"] == "html"
        api.data("delete", "/variables/opening_line", status=204)
        assert api("get", "/variables/opening_line").status_code == 404

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "Opening",
            "1line",
            "opening-line",
            "a" * 51,
            "first_name",
            "company",
            "email",
            "custom",
            "random",
            "unsubscribe_url",
            "ä",
            "a b",
            "a\nb",
            "{{x}}",
        ],
    )
    def test_a_name_that_cannot_be_used_is_400_that_names_it(self, api, name):
        answer = api("post", "/variables", {"name": name, "prompt_template": PROMPT})

        assert answer.status_code == 400
        assert list(answer.json()["details"]) == ["name"]

    def test_a_name_that_leads_have_as_a_field_of_their_own_is_400(self, api, acme):
        make.lead(acme, custom={"plan": "pro"})

        assert api("post", "/variables", {"name": "plan", "prompt_template": PROMPT}).status_code == 400

    def test_a_name_is_taken_once(self, api, variable):
        assert api("post", "/variables", {"name": "opening_line", "prompt_template": "x"}).status_code == 409

    @pytest.mark.parametrize("prompt", ["", "   ", "x" * 8001, "Use {{opening_line}}."])
    def test_a_prompt_that_cannot_be_used_is_400_that_names_it(self, api, variable, prompt):
        for answer in (
            api("post", "/variables", {"name": "other", "prompt_template": prompt}),
            api("patch", "/variables/opening_line", {"prompt_template": prompt}) if "{{" not in prompt else None,
        ):
            if answer is not None:
                assert answer.status_code == 400
                assert list(answer.json()["details"]) == ["prompt_template"]

    def test_a_prompt_of_8000_characters_is_taken(self, api):
        api.data("post", "/variables", {"name": "long", "prompt_template": "x" * 8000}, status=201)

    @pytest.mark.parametrize(
        "prompt", ["{{", "}}{{", "{{}}", "{{a|", "{a|b", "{{first_name|}}", "{" * 8000, "{{x}}" * 1600, "\\{{x}}"]
    )
    def test_a_prompt_with_stray_braces_is_no_500(self, api, acme, prompt):
        make.lead(acme)
        answer = api("post", "/variables", {"name": "braces", "prompt_template": prompt})

        assert answer.status_code in (201, 400)
        if answer.status_code == 201:
            api.data("post", "/variables/braces/generate", {}, status=200)
            write_due()
            assert set(states().values()) <= {"done", "skipped", "failed"}


class TestGenerating:
    def test_everyone_gets_a_value_and_pct_says_how_far_it_is(self, api, variable):
        told = generate(api)
        assert (told["leads"], told["to_do"], told["already_done"], told["writer"]) == (3, 3, 0, "sandbox")
        assert shown(api)["pct"] == 0

        VariableValue.objects.filter(lead__email="ann@people.example").update(state="done", value="x")
        assert shown(api)["pct"] == 33  # rounded down
        write_due()

        assert shown(api)["pct"] == 100
        assert shown(api)["counts"]["done"] == 3
        assert all(row.value and row.writer == "sandbox" for row in values().values() if row.value != "x")

    def test_a_lead_shows_its_value_and_who_wrote_it(self, api, variable, three):
        generate(api)
        write_due()

        [value] = api.data("get", f"/leads/{three[0].id}")["variables"]
        assert set(value) == {"name", "state", "value", "reason", "writer"}
        assert (value["name"], value["state"], value["writer"], value["reason"]) == (
            "opening_line",
            "done",
            "sandbox",
            None,
        )

    def test_a_group_or_some_leads_are_enough(self, api, acme, variable, three):
        group = make.group(acme, "Some", members=three[:1])

        assert generate(api, group_id=str(group.id))["to_do"] == 1
        assert generate(api, group_id="some")["to_do"] == 0
        assert generate(api, lead_ids=[str(three[1].id)])["to_do"] == 1
        assert generate(api, lead_ids=[str(three[2].id)], group_id=str(group.id))["leads"] == 0
        assert VariableValue.objects.count() == 2

    def test_a_dry_run_counts_and_writes_nothing(self, api, variable):
        told = generate(api, dry_run=True)

        assert (told["to_do"], told["dry_run"]) == (3, True)
        assert not VariableValue.objects.exists()

    def test_asking_twice_changes_nothing(self, api, variable):
        generate(api)
        assert generate(api)["to_do"] == 0
        write_due()
        before = list(VariableValue.objects.order_by("id").values())

        assert generate(api)["to_do"] == 0
        generate_due()
        generate_due()

        assert list(VariableValue.objects.order_by("id").values()) == before

    def test_a_lead_without_the_fact_is_skipped_and_says_which(self, api, acme, variable):
        make.lead(acme, "empty@people.example")
        generate(api)
        write_due()

        row = values()["empty"]
        assert (row.state, row.reason) == ("skipped", "The lead has no company_name.")
        assert shown(api)["pct"] == 100

    def test_once_the_fact_is_there_asking_again_writes_it(self, api, acme, variable):
        lead = make.lead(acme, "empty@people.example")
        generate(api)
        write_due()
        api.data("patch", f"/leads/{lead.id}", {"company_name": "Found"})

        assert generate(api)["to_do"] == 1
        write_due()

        assert values()["empty"].state == "done"

    def test_a_fallback_makes_the_fact_unneeded(self, api, acme):
        make.lead(acme, "empty@people.example")
        make.variable(acme, "opening_line", "Write for {{company_name|a team}}.")
        generate(api)
        write_due()

        assert values()["empty"].state == "done"

    @pytest.mark.parametrize(
        ("output_type", "kind"), [("text", str), ("html", str), ("number", int), ("boolean", bool), ("json", dict)]
    )
    def test_each_type_of_output(self, api, acme, three, output_type, kind):
        make.variable(acme, "opening_line", PROMPT, output_type=output_type)
        generate(api)
        write_due()

        assert {type(row.value) for row in values().values()} == {kind}

    def test_a_failure_says_why_and_can_be_tried_again(self, api, acme, variable):
        lead = make.lead(acme, "bad@people.example", company_name="Bad [[fail]] Ltd")
        generate(api)
        for _ in range(3):
            VariableValue.objects.update(retry_at=None)
            write_due()

        row = values()["bad"]
        assert row.state == "failed"
        assert "[[fail]]" in row.reason
        assert shown(api)["counts"]["failed"] == 1
        assert shown(api)["pct"] == 100
        api.data("patch", f"/leads/{lead.id}", {"company_name": "Good Ltd"})
        assert generate(api)["to_do"] == 1
        write_due()
        assert (values()["bad"].state, values()["bad"].reason) == ("done", "")

    def test_a_retry_waits_and_nothing_else_waits_for_it(self, api, acme, variable):
        make.lead(acme, "bad@people.example", company_name="Bad [[fail]] Ltd")
        generate(api)
        write_due()

        assert states() == {"ann": "done", "bo": "done", "cy": "done", "bad": "pending"}
        assert values()["bad"].retry_at > real_now()


class TestWhatComesBetween:
    def test_an_edited_prompt_makes_what_was_written_stale(self, api, variable):
        generate(api)
        write_due()
        api.data("patch", "/variables/opening_line", {"prompt_template": PROMPT + " Be brief."})

        assert set(states().values()) == {"stale"}
        assert shown(api)["pct"] == 0
        assert generate(api)["to_do"] == 3
        write_due()
        assert set(states().values()) == {"done"}

    def test_the_same_prompt_again_makes_nothing_stale(self, api, variable):
        generate(api)
        write_due()
        api.data("patch", "/variables/opening_line", {"prompt_template": PROMPT})

        assert set(states().values()) == {"done"}

    def test_a_value_set_by_hand_is_kept_whatever_comes(self, api, variable, three):
        override_value(variable=variable, lead=three[0], value="By hand", now=make.NOW)
        generate(api)
        write_due()
        generate(api, force=True)
        api.data("patch", "/variables/opening_line", {"prompt_template": "Other {{company_name}}"})
        write_due()

        assert (values()["ann"].state, values()["ann"].value) == ("overridden", "By hand")

    def test_a_dead_workers_values_are_picked_up(self, api, variable):
        generate(api)
        claimed = writing._claim()
        assert len(claimed) == 3
        assert write_due() == 0
        VariableValue.objects.update(lease_until=real_now() - timedelta(seconds=1))

        assert write_due() == 3
        assert set(states().values()) == {"done"}

    def test_a_value_that_kills_its_worker_fails_and_those_beside_it_do_not(self, api, variable):
        generate(api)
        killer = values()["cy"].pk
        for _ in range(10):
            batch = writing._claim()
            if not batch:
                break
            if killer in {row.pk for row in batch} and batch[0].attempts < writing.TRIES:
                VariableValue.objects.filter(token=batch[0].token).update(lease_until=real_now() - timedelta(seconds=1))
            else:
                writing._write(batch)

        assert states() == {"ann": "done", "bo": "done", "cy": "failed"}
        assert values()["cy"].reason == writing.DEADLY

    def test_the_dead_worker_that_comes_back_overwrites_nothing(self, api, variable):
        generate(api)
        slow = writing._claim()
        VariableValue.objects.update(lease_until=real_now() - timedelta(seconds=1))
        write_due()
        VariableValue.objects.update(value="of the second")

        writing._write(slow)

        assert {row.value for row in values().values()} == {"of the second"}

    def test_a_value_edited_while_it_is_written_is_not_overwritten(self, api, variable, three):
        generate(api)
        batch = writing._claim()
        override_value(variable=variable, lead=three[0], value="By hand", now=make.NOW)

        writing._write(batch)

        assert values()["ann"].value == "By hand"
        assert states() == {"ann": "overridden", "bo": "done", "cy": "done"}

    def test_a_prompt_edited_while_it_is_written_leaves_nothing_of_the_old_one(self, api, variable):
        generate(api)
        batch = writing._claim()
        update_variable(variable=variable, prompt_template="Another {{company_name}}.")

        writing._write(batch)

        assert "done" not in states().values()

    def test_a_prompt_edited_between_reading_and_claiming_is_noticed_too(self, api, variable):
        """The claim may have read the variable an instant before the edit, with its values still pending."""
        generate(api)
        batch = writing._claim()
        type(variable).objects.update(prompt_template="Another {{company_name}}.", prompt_version=2)

        writing._write(batch)

        assert "done" not in states().values()

    def test_a_lead_deleted_while_it_is_written_is_no_failure(self, api, variable, three):
        generate(api)
        batch = writing._claim()
        Lead.objects.filter(pk=three[0].pk).delete()

        writing._write(batch)

        assert states() == {"bo": "done", "cy": "done"}

    def test_a_variable_deleted_while_it_is_written_is_no_failure(self, api, variable):
        generate(api)
        batch = writing._claim()
        api.data("delete", "/variables/opening_line", status=204)

        writing._write(batch)

        assert not VariableValue.objects.exists()


@pytest.fixture
def model(settings):
    """A live workspace whose variables are written by a model: the stand-in counts the calls."""
    settings.ANTHROPIC_API_KEY = KEY
    with AnthropicStandIn(says("Later.")) as server:
        settings.ANTHROPIC_BASE_URL = server.url
        yield server


class TestCalls:
    @pytest.fixture
    def live(self, db):
        workspace = make.workspace("Live", livemode=True)
        for name, company in [("ann", "Acme"), ("bo", "Acme"), ("cy", "Acme"), ("di", "Umbrella")]:
            make.lead(workspace, f"{name}@people.example", company_name=company)
        make.variable(workspace, "opening_line", PROMPT)
        return Api(make.key(workspace))

    def test_one_call_for_each_distinct_input(self, model, live):
        generate(live)
        write_due()

        assert set(states().values()) == {"done"}
        assert len(model.requests) == 2
        assert {row.writer for row in values().values()} == {"anthropic"}

    def test_an_input_that_was_written_before_costs_no_call(self, model, live):
        lead = str(Lead.objects.get(email="ann@people.example").id)
        generate(live, lead_ids=[lead])
        write_due()
        generate(live)
        write_due()

        assert len(model.requests) == 2

    def test_forced_it_is_written_anew(self, model, live):
        generate(live)
        write_due()
        generate(live, force=True)
        write_due()

        assert len(model.requests) == 4

    def test_forced_for_one_of_several_with_the_same_input_too(self, model, live):
        generate(live)
        write_due()
        generate(live, lead_ids=[str(Lead.objects.get(email="ann@people.example").id)], force=True)
        write_due()

        assert len(model.requests) == 3
        assert set(states().values()) == {"done"}

    def test_a_broken_key_fails_with_its_reason_and_asks_once(self, model, live):
        model.key = "another"
        generate(live)
        write_due()

        assert set(states().values()) == {"failed"}
        assert all(row.reason for row in values().values())

    def test_a_busy_model_puts_it_off(self, model, live):
        model.answers = [fails(529)]
        generate(live)
        write_due()

        assert set(states().values()) == {"pending"}
        assert all(row.retry_at for row in values().values())
        model.answers = [says("Later.")]
        VariableValue.objects.update(retry_at=None)
        write_due()
        assert {row.value for row in values().values()} == {"Later."}

    def test_a_test_workspace_calls_no_model(self, model, api, variable):
        generate(api)
        write_due()

        assert not model.requests
        assert {row.writer for row in values().values()} == {"sandbox"}
