"""Copy that nobody has to trust blindly: what a text rests on, who looks at the rest, and what they can do."""

import pytest

from leads.models import Lead, VariableValue
from leads.variables import update_variable
from leads.writing import write_due
from tests import make
from tests.base import Api
from tests.vendors.anthropic import KEY, AnthropicStandIn, says

PROMPT = "Write a line for {{first_name}} at {{company}}."
GOOD = ("Hello Ann, how is Nova Labs?", [("first_name", "Ann"), ("company_name", "Nova Labs")])
INVENTED = (
    "Hello Ann, congratulations on your office in Berlin.",
    [("first_name", "Ann"), ("company_name", "in Berlin")],
)


@pytest.fixture
def live(db):
    return make.workspace("Live", livemode=True)


@pytest.fixture
def api(live):
    return Api(make.key(live))


@pytest.fixture
def model(settings):
    settings.ANTHROPIC_API_KEY = KEY
    with AnthropicStandIn(says(*GOOD[:1], claims=GOOD[1])) as server:
        settings.ANTHROPIC_BASE_URL = server.url
        yield server


@pytest.fixture
def written(live, api, model):
    """written(answer, **of the variable): the value that a lead gets for it."""

    def write(answer=INVENTED, *, prompt=PROMPT, leads=("ann",), **fields) -> VariableValue:
        for name in leads:
            make.lead(live, f"{name}@people.example", first_name="Ann", company_name="Nova Labs", title="CEO")
        make.variable(live, "opening_line", prompt, **fields)
        model.answers = [says(answer[0], claims=answer[1])]
        api.data("post", "/variables/opening_line/generate", {}, status=200)
        write_due()
        return VariableValue.objects.get(lead__email=f"{leads[0]}@people.example")

    return write


def value(email="ann@people.example") -> VariableValue:
    return VariableValue.objects.get(lead__email=email)


def at(email="ann@people.example") -> str:
    return f"/variables/opening_line/values/{Lead.objects.get(email=email).pk}"


class TestSettling:
    def test_what_is_supported_goes_out_with_its_evidence(self, written):
        row = written(GOOD)

        assert (row.state, row.value, row.reason) == ("done", GOOD[0], "")
        assert row.evidence["claims"][1] == {"field": "company_name", "quote": "Nova Labs", "holds": True}

    def test_what_is_not_waits_for_a_person(self, written):
        row = written()

        assert (row.state, row.value) == ("review", INVENTED[0])
        assert row.reason == "Nothing supports “Berlin”."
        assert row.evidence["unsupported"] == ["Berlin"]
        assert row.settled_at

    def test_or_the_authors_line_goes_out(self, written):
        row = written(unsupported="fallback", fallback="Hello {{first_name}}, I write because of {{company}}.")

        assert (row.state, row.value) == ("done", "Hello Ann, I write because of Nova Labs.")
        assert (row.writer, row.reason) == ("fallback", "Nothing supports “Berlin”.")
        assert row.evidence["written"] == INVENTED[0]

    def test_a_fallback_that_lacks_a_name_waits_for_a_person_too(self, written):
        row = written(unsupported="fallback", fallback="Hello {{first_name}} in {{city}}.")

        assert row.state == "review"
        assert "the lead has no city" in row.reason

    def test_a_fallback_brings_no_link_that_a_lead_wrote(self, live, written):
        row = written(prompt="Write.", unsupported="fallback", fallback="Hello {{company}}.")
        Lead.objects.update(company_name="Pay at https://evil.test/now")
        make.lead(live, "bo@people.example", company_name="Pay at https://evil.test/now")
        update_variable(variable=row.variable, prompt_template="Write again.")
        Api(make.key(live)).data("post", "/variables/opening_line/generate", {}, status=200)
        write_due()

        assert value().state == "review"
        assert "link or an address" in value().reason

    def test_equal_inputs_share_a_text_in_review_and_its_call(self, written, model, api, live):
        written(leads=("ann", "bo"))
        make.lead(live, "cy@people.example", first_name="Ann", company_name="Nova Labs")
        api.data("post", "/variables/opening_line/generate", {}, status=200)
        write_due()

        assert len(model.requests) == 1
        assert set(VariableValue.objects.values_list("state", flat=True)) == {"review"}

    def test_each_of_them_gets_the_fallback_of_their_own(self, written, live, api, model):
        written(leads=("ann", "bo"), unsupported="fallback", fallback="Hello {{email}}".replace("email", "title"))
        make.lead(live, "cy@people.example", first_name="Ann", company_name="Nova Labs", title="Owner")
        api.data("post", "/variables/opening_line/generate", {}, status=200)
        write_due()

        assert (value().value, value("cy@people.example").value) == ("Hello CEO", "Hello Owner")
        assert len(model.requests) == 1

    def test_what_was_approved_is_approved_for_equal_inputs(self, written, live, api):
        written()
        api.data("patch", at(), {"action": "approve"})
        make.lead(live, "cy@people.example", first_name="Ann", company_name="Nova Labs")
        api.data("post", "/variables/opening_line/generate", {}, status=200)
        write_due()

        assert (value("cy@people.example").state, value("cy@people.example").value) == ("done", INVENTED[0])

    def test_a_claim_may_not_rest_on_what_the_prompt_does_not_use(self, written):
        row = written(("As CEO you know.", [("title", "CEO")]))

        assert row.state == "review"

    def test_numbers_are_taken_as_they_are(self, written):
        assert written((7, None), output_type="number").state == "done"

    def test_too_long_a_text_is_not_taken(self, written):
        row = written(GOOD, max_length=10)

        assert (row.state, row.reason) == ("pending", "The text is longer than 10 characters.")


class TestSettings:
    def test_they_are_shown_and_changed(self, api, live):
        make.variable(live, "opening_line", PROMPT)
        shown = api.data("get", "/variables/opening_line")
        assert (shown["unsupported"], shown["fallback"], shown["max_length"]) == ("review", None, None)

        body = {"unsupported": "fallback", "fallback": "Hello {{first_name}}.", "max_length": 200}
        assert body.items() <= api.data("patch", "/variables/opening_line", body).items()

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"unsupported": "fallback"}, "fallback"),
            ({"unsupported": "maybe"}, "unsupported"),
            ({"fallback": "Use {{opening_line}}"}, "fallback"),
            ({"fallback": "x" * 2001}, "fallback"),
            ({"fallback": "x", "output_type": "number"}, "fallback"),
            ({"max_length": 9}, "max_length"),
            ({"max_length": 4001}, "max_length"),
        ],
    )
    def test_what_cannot_be_is_400_that_names_the_field(self, api, live, body, field):
        make.variable(live, "opening_line", PROMPT)
        for answer in (
            api("patch", "/variables/opening_line", body),
            api("post", "/variables", {"name": "other", "prompt_template": "x", **body}),
        ):
            if "{{opening_line}}" in str(body) or answer.status_code != 201:
                assert answer.status_code == 400
                assert list(answer.json()["details"]) == [field]

    def test_how_it_is_checked_makes_nothing_stale_and_what_is_asked_does(self, api, written):
        written()
        api.data("patch", "/variables/opening_line", {"unsupported": "fallback", "fallback": "Hello."})
        assert value().state == "review"
        api.data("patch", "/variables/opening_line", {"max_length": 100})
        assert value().state == "stale"


class TestReview:
    def test_a_value_is_shown_with_what_it_rests_on(self, api, written):
        written()
        [row] = api.data("get", "/variables/opening_line/values?state=review")

        assert row["lead"]["email"] == "ann@people.example"
        assert (row["value"], row["reason"]) == (INVENTED[0], "Nothing supports “Berlin”.")
        assert row["unsupported"] == ["Berlin"]
        assert row["claims"][0] == {
            "field": "first_name",
            "quote": "Ann",
            "holds": True,
            "says": "Ann",
            "source": "api",
        }
        assert (row["claims"][1]["holds"], row["claims"][1]["says"]) == (False, "Nova Labs")

    def test_pages_go_on_where_they_ended(self, api, written):
        written(leads=("ann", "bo", "cy"))
        first = api("get", "/variables/opening_line/values?limit=2").json()
        cursor = first["meta"]["next_cursor"]
        rest = api("get", f"/variables/opening_line/values?limit=2&after={cursor}").json()

        emails = [row["lead"]["email"] for row in first["data"] + rest["data"]]
        assert sorted(emails) == ["ann@people.example", "bo@people.example", "cy@people.example"]
        assert api.data("get", "/variables/opening_line/values?state=done") == []

    def test_a_page_costs_the_same_for_one_and_for_many(self, api, written, django_assert_max_num_queries):
        written(leads=[f"p{n}" for n in range(12)])
        with django_assert_max_num_queries(14):
            api.data("get", "/variables/opening_line/values")

    def test_approved_it_goes_out(self, api, written):
        written()
        assert api.data("patch", at(), {"action": "approve"})["state"] == "done"
        answer = api("patch", at(), {"action": "approve"})

        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")

    def test_edited_it_goes_out_as_edited_for_ever(self, api, written):
        written()
        assert api.data("patch", at(), {"value": "Hello Ann."})["state"] == "overridden"
        api.data("post", "/variables/opening_line/generate", {"force": True}, status=200)
        write_due()

        assert (value().state, value().value) == ("overridden", "Hello Ann.")

    @pytest.mark.parametrize(
        "body", [{}, {"value": 7}, {"value": " "}, {"value": "x" * 2001}, {"value": "x", "action": "approve"},
                 {"action": "delete"}, {"value": None}]
    )  # fmt: skip
    def test_an_edit_that_is_none_is_400(self, api, written, body):
        written()
        assert api("patch", at(), body).status_code == 400
        assert value().state == "review"

    def test_retried_it_is_written_anew(self, api, written, model):
        written(leads=("ann", "bo"))
        model.answers = [says(GOOD[0], claims=GOOD[1])]
        assert api.data("patch", at(), {"action": "retry"})["state"] == "pending"
        write_due()

        assert (value().state, value("bo@people.example").state) == ("done", "review")

    def test_retrying_costs_money_and_needs_its_scope(self, live, api, written):
        written()
        answer = Api(make.key(live, scopes=["leads:write"]))("patch", at(), {"action": "retry"})

        assert (answer.status_code, answer.json()["error"]) == (403, "Missing required scope: variables:generate")
        assert value().state == "review"

    def test_many_are_approved_at_once(self, api, written):
        written(leads=("ann", "bo", "cy"))
        one = [str(Lead.objects.get(email="bo@people.example").pk)]

        assert api.data("post", "/variables/opening_line/values/approve", {"lead_ids": one}, status=200) == {
            "variable": "opening_line", "approved": 1, "in_review": 2,
        }  # fmt: skip
        told = api.data("post", "/variables/opening_line/values/approve", {"all": True}, status=200)
        assert (told["approved"], told["in_review"]) == (2, 0)

    @pytest.mark.parametrize("body", [{}, {"all": False}, {"all": True, "lead_ids": []}, {"lead_ids": []}])
    def test_many_means_some_or_all(self, api, written, body):
        written()
        assert api("post", "/variables/opening_line/values/approve", body).status_code == 400
        assert value().state == "review"

    def test_rival_sees_none_of_it(self, written):
        written()
        rival = Api(make.key(make.workspace("Rival")))
        for answer in (
            rival("get", "/variables/opening_line/values"),
            rival("patch", at(), {"action": "approve"}),
            rival("post", "/variables/opening_line/values/approve", {"all": True}),
        ):
            assert answer.status_code == 404
        assert value().state == "review"


class TestSample:
    def test_ten_are_written_over_the_whole_list_and_no_more(self, api, live, model):
        leads = [make.lead(live, f"p{n:03}@people.example", company_name=f"C{n}") for n in range(40)]
        make.variable(live, "opening_line", PROMPT)
        told = api.data("post", "/variables/opening_line/generate", {"sample": 10}, status=200)
        write_due()

        chosen = sorted(VariableValue.objects.values_list("lead__email", flat=True))
        assert (told["leads"], told["to_do"], len(chosen)) == (10, 10, 10)
        places = [next(at for at, lead in enumerate(leads) if lead.email == email) for email in chosen]
        assert {place // 8 for place in places} == {0, 1, 2, 3, 4}
        write_due()
        assert VariableValue.objects.count() == 10

        assert api.data("post", "/variables/opening_line/generate", {}, status=200)["to_do"] == 30

    def test_another_ten_are_others(self, api, live, model):
        for n in range(25):
            make.lead(live, f"p{n}@people.example")
        make.variable(live, "opening_line", PROMPT)
        for expected in (10, 10, 5, 0):
            told = api.data("post", "/variables/opening_line/generate", {"sample": 10}, status=200)
            assert told["to_do"] == expected

    def test_a_sample_of_a_group(self, api, live, model):
        leads = [make.lead(live, f"p{n}@people.example") for n in range(5)]
        group = make.group(live, "Some", members=leads[:3])
        make.variable(live, "opening_line", PROMPT)
        body = {"sample": 10, "group_id": str(group.pk), "dry_run": True}
        assert api.data("post", "/variables/opening_line/generate", body, status=200)["to_do"] == 3
