"""REST of sequences: building, changing, previewing, and when they cannot go."""

import pytest

from campaigns.models import Sequence, Step
from leads.variables import override_value
from tests import make
from tests.world import run_until_idle

STEPS = [
    {
        "subject": "Hi {{first_name}}",
        "body_html": "<p>Hi {{first_name|there}}, {{opening_line}}</p>",
        "variants": [
            {"label": "A", "subject": "A {{company}}", "body_html": "<p>A</p>", "weight": 1},
            {"subject": "B", "body_html": "<p>B</p>"},
        ],
    },
    {"body_text": "Second", "delay_days": 3, "delay_hours": 2},
    {"body_text": "Third"},
]


@pytest.fixture
def made(api):
    return api.data("post", "/sequences", {"name": "Hello", "description": "d", "steps": STEPS}, status=201)


def test_what_was_built_is_shown(api, made):
    assert (made["version"], made["steps_count"], made["runs_count"], made["description"]) == (1, 3, 0, "d")
    first, second, third = made["steps"]
    assert [variant["label"] for variant in first["variants"]] == ["A", "B"]
    assert [variant["weight"] for variant in first["variants"]] == [1, 50]
    assert (first["delay_days"], second["delay_days"], second["delay_hours"], third["delay_days"]) == (0, 3, 2, 2)
    assert second["subject"] is None
    assert made["warnings"] == []
    assert api.data("get", f"/sequences/{made['id']}") == made
    shown = api.data("get", "/sequences")[0]
    assert shown == {name: made[name] for name in shown}


def test_the_first_step_needs_a_subject_and_every_step_a_body(api):
    for steps, named in [
        ([{"body_text": "x"}], "steps.0.subject"),
        ([{"subject": "x"}], "steps.0.body_html"),
        ([{"subject": "x", "body_text": "x"}, {"body_html": "  "}], "steps.1.body_html"),
        ([{"subject": "x", "body_text": "x", "variants": [{"label": "A"}, {"label": "A"}]}], "steps.0.variants"),
        ([{"subject": "x", "body_text": "x", "variants": [{"weight": 0}]}], "steps.0.variants"),
        ([{"body_text": "x", "variants": [{"subject": "s"}, {"body_text": "y"}]}], "steps.0.subject"),
        ([{"subject": "x", "body_text": "x", "delay_days": 366}], "steps.0.delay_days"),
        ([{"subject": "x", "body_text": "x", "delay_hours": 24}], "steps.0.delay_hours"),
        ([], "steps"),
        ([{"subject": "x", "body_text": "x"}] * 16, "steps"),
    ]:
        answer = api("post", "/sequences", {"name": "S", "steps": steps})
        assert answer.status_code == 400, steps
        assert list(answer.json()["details"]) == [named]
    assert not Sequence.objects.exists()


def test_names_that_nothing_is_known_of_are_warned_about(api, acme):
    steps = [make.step("Hi {{nmae}}", "<p>{{opening_line}} {{plan}} {{first_name}}</p>")]
    make.lead(acme, custom={"plan": "pro"})
    made = api.data("post", "/sequences", {"name": "S", "steps": steps})
    assert ["nmae" in warning or "opening_line" in warning for warning in made["warnings"]] == [True, True]

    make.variable(acme)
    assert len(api.data("get", f"/sequences/{made['id']}")["warnings"]) == 1


def test_an_explicit_zero_is_no_delay(api):
    made = api.data("post", "/sequences", {"name": "S", "steps": [make.step(), make.step(delay_days=0)]})

    assert made["steps"][1]["delay_days"] == 0


def test_a_name_is_taken_without_case(api, made):
    other = api.data("post", "/sequences", {"name": "Other", "steps": STEPS})

    assert api("post", "/sequences", {"name": "HELLO", "steps": STEPS}).status_code == 409
    assert api("patch", f"/sequences/{other['id']}", {"name": "hello"}).status_code == 409
    assert api("patch", f"/sequences/{other['id']}", {"name": "OTHER"}).status_code == 200


def test_changing_words_keeps_the_steps_and_changing_steps_replaces_them(api, made):
    renamed = api.data("patch", f"/sequences/{made['id']}", {"name": "New", "description": ""})
    assert (renamed["name"], renamed["description"], renamed["steps"]) == ("New", None, made["steps"])

    changed = api.data("patch", f"/sequences/{made['id']}", {"steps": STEPS[:1]})
    assert (changed["version"], changed["steps_count"]) == (1, 1)
    assert Step.objects.count() == 1


def test_in_use_new_steps_are_the_next_version_and_it_cannot_be_deleted(api, acme, made):
    make.lead(acme)
    api.data("post", "/runs", {"sequence_id": made["id"], "sender_email": "hi@you.example"}, status=201)

    changed = api.data("patch", f"/sequences/{made['id']}", {"steps": STEPS[:2]})
    answer = api("delete", f"/sequences/{made['id']}")

    assert (changed["version"], changed["steps_count"], changed["runs_count"]) == (2, 2, 1)
    assert answer.status_code == 409
    assert answer.json()["details"] == {"runs": 1}
    assert api("get", f"/sequences/{made['id']}").status_code == 200


def test_unused_it_goes_with_its_steps(api, made):
    api.data("delete", f"/sequences/{made['id']}", status=204)

    assert api("get", f"/sequences/{made['id']}").status_code == 404
    assert not Step.objects.exists()


class TestPreview:
    def look(self, api, made, **body) -> dict:
        return api.data("post", f"/sequences/{made['id']}/preview", body, status=200)

    def test_a_step_as_a_lead_gets_it(self, api, acme, made):
        lead = make.lead(acme, "ann@people.example", first_name="<b>Ann</b>", company_name="Acme & Co")
        variable = make.variable(acme)
        override_value(variable=variable, lead=lead, value="A fine line.", now=make.NOW)
        api.data("patch", f"/sequences/{made['id']}", {"steps": [{**STEPS[0], "variants": []}]})

        seen = self.look(api, made, lead_id=str(lead.id))

        assert seen["subject"] == "Hi <b>Ann</b>"
        assert "&lt;b&gt;Ann&lt;/b&gt;, A fine line." in seen["html"]
        assert "<b>Ann" not in seen["html"]
        assert "Hi <b>Ann</b>, A fine line." in seen["text"]
        assert (seen["lead_email"], seen["holds"], seen["missing"], seen["variant"]) == (
            "ann@people.example",
            [],
            [],
            None,
        )
        assert "Sample Street" in seen["html"]

    def test_what_would_hold_it_is_said(self, api, acme, made):
        make.lead(acme)
        make.variable(acme)
        api.data("patch", f"/sequences/{made['id']}", {"steps": [{**STEPS[0], "variants": []}]})

        assert any("opening_line" in reason for reason in self.look(api, made)["holds"])

    def test_a_variant_and_a_follow_up_can_be_asked_for(self, api, acme, made):
        make.lead(acme, company_name="Acme")

        assert self.look(api, made, variant="A")["subject"] == "A Acme"
        assert self.look(api, made, variant="B")["subject"] == "B"
        assert self.look(api, made, step=2)["subject"].startswith("Re: ")
        assert self.look(api, made)["variant"] == self.look(api, made)["variant"]

    @pytest.mark.parametrize(
        ("body", "named"), [({"step": 4}, "step"), ({"step": 0}, "step"), ({"variant": "Z"}, "variant")]
    )
    def test_what_is_not_there_is_400(self, api, acme, made, body, named):
        make.lead(acme)
        answer = api("post", f"/sequences/{made['id']}/preview", body)

        assert answer.status_code == 400
        assert list(answer.json()["details"]) == [named]

    def test_without_any_lead_it_is_400(self, api, made):
        assert list(api("post", f"/sequences/{made['id']}/preview", {}).json()["details"]) == ["lead_id"]

    def test_it_sends_and_changes_nothing(self, api, acme, made):
        lead = make.lead(acme)
        before = api.data("get", f"/leads/{lead.id}")
        self.look(api, made)
        run_until_idle()

        assert api.data("get", f"/leads/{lead.id}") == before
