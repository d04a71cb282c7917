"""Every JSON sample of the API contract, sent to the product or held against its real answer (tests/seeds)."""

import re
from pathlib import Path

import pytest
from django.test import override_settings

from apikeys.models import Workspace
from leads.validation import validate_due
from tests import make, seeds
from tests.contract import fields_of, operations
from tests.seeds import Sample, differences, replaced, samples
from tests.world import pass_time, run_until_idle

SAMPLES = samples("superkabe.md")
TIERS = {"growth": {"leads": 50_000, "domains": 25, "mailboxes": 50, "monthly_sends": 150_000,
                    "validation_credits": 50_000}}  # fmt: skip
PEOPLE = ("jane@acme.com", "bob@acme.com", "reply+alex@sandbox.test")


def sample(section: str, kind: str = "answer") -> Sample:
    return SAMPLES[section, kind]


def held(answer, section: str, *, status: int = 200) -> dict:
    """The data of an answer that is as the sample; for a list its rows."""
    assert answer.status_code == status, answer.content
    assert differences(sample(section), answer.json()) == []
    return answer.json()["data"]


@pytest.fixture
def ids(acme, api) -> dict:
    """The contract's ids → ours: three people, valid and named, and a mailbox, as the contract's examples assume."""
    make.mailbox(acme, "sender@yourdomain.com", warmup=True)
    leads = [make.lead(acme, email, first_name="Alex", last_name="Prospect", source="apollo") for email in PEOPLE]
    api.data("post", "/leads/validate", {"lead_ids": [str(lead.id) for lead in leads]})
    validate_due()
    return {"lead_xyz": str(leads[0].id), "lead_abc": str(leads[2].id)}


@pytest.fixture
def campaign_id(api, acme, ids) -> str:
    """The contract's campaign, launched, with a mail sent to each and one answer."""
    body = replaced(sample("7.3 POST /campaigns", "request").value, ids) | {"schedule": make.ALL_HOURS}
    made = api.data("post", "/campaigns", body)
    api.data("post", f"/campaigns/{made['id']}/launch")
    run_until_idle()
    pass_time(acme, days=1)
    return made["id"]


class TestAccount:
    def test_with_a_tier_it_is_the_sample(self, api, acme):
        Workspace.objects.update(tier="growth")
        with override_settings(TIER_LIMITS=TIERS):
            held(api("get", "/account"), "7.1 GET /account")

    def test_self_hosted_there_is_no_limit_and_the_tier_says_so(self, api, acme):
        """Decisions §2: tiers are configuration; without it everything is unlimited, shown as null."""
        assert differences(sample("7.1 GET /account"), api("get", "/account").json()) == [
            "answer.data.tier is 'self_hosted', none of ['enterprise', 'growth', 'scale', 'starter', 'trial']",
            *(f"answer.data.limits.{name} is None and not int" for name in TIERS["growth"]),
        ]


class TestLeads:
    def test_a_bulk_import(self, api, acme):
        (row,) = sample("7.2 POST /leads/bulk", "request").value["leads"]
        make.lead(acme, "bob@acme.com")

        answer = api("post", "/leads/bulk", {"leads": [row, {"email": "bob@acme.com"}, {"email": "carol@new.com"}]})

        data = held(answer, "7.2 POST /leads/bulk")
        shown = sample("7.2 POST /leads/bulk").value["data"]
        assert {**data, "results": []} == {**shown, "results": []}
        assert [(row["email"], row["status"]) for row in data["results"]] == [
            (row["email"], row["status"]) for row in shown["results"]
        ]

    def test_the_request_of_a_bulk_import_as_it_stands(self, api):
        result = api.data("post", "/leads/bulk", sample("7.2 POST /leads/bulk", "request").value)["results"][0]
        lead = api.data("get", f"/leads/{result['id']}")
        assert (lead["status"], lead["validation_status"]) == ("held", None)

    @pytest.mark.parametrize("kind", ["request A", "request B"])
    def test_validation_by_ids_or_by_addresses(self, api, acme, kind):
        first, second = make.lead(acme, "jane@acme.com"), make.lead(acme, "bob@acme.com")
        ids = {"lead_xyz": str(first.id), "lead_abc": str(second.id)}

        answer = api("post", "/leads/validate", replaced(sample("7.2 POST /leads/validate", kind).value, ids))

        shown = replaced(sample("7.2 POST /leads/validate").value, ids)
        assert held(answer, "7.2 POST /leads/validate") == shown["data"]

    def test_a_list(self, api, ids, campaign_id):
        answer = api("get", "/leads?status=active&validation_status=valid")

        rows = held(answer, "7.2 GET /leads")
        assert {row["status"] for row in rows} == {"active"}
        assert set(answer.json()["meta"]) == {"total", "page", "limit", "totalPages", "next_cursor"}
        assert (answer.json()["meta"]["page"], answer.json()["meta"]["limit"]) == (1, 50)

    def test_of_one_that_was_never_asked_for_or_written_to_the_fields_are_there_and_null(self, api, acme):
        """C19: null is never asked; `is_catch_all` is null while nobody probes for it."""
        make.lead(acme)

        assert differences(sample("7.2 GET /leads"), api("get", "/leads").json()) == [
            "answer.data.0.validation_status is None and not str",
            "answer.data.0.validation_score is None and not int",
            "answer.data.0.is_catch_all is None and not bool",
            "answer.data.0.last_activity_at is None and not str",
        ]

    def test_one_lead_has_every_field_of_the_list(self, api, ids):
        one = api.data("get", f"/leads/{ids['lead_xyz']}")
        row = next(row for row in api.data("get", "/leads") if row["id"] == one["id"])
        assert {name: one[name] for name in row} == row

    def test_results_of_validation(self, api, ids):
        data = held(api("get", "/validation/results"), "7.5 GET /validation/results")
        assert data["total_validated"] == sum(data["status_breakdown"].values()) == len(PEOPLE)


class TestCampaigns:
    def test_a_draft(self, api, ids):
        body = replaced(sample("7.3 POST /campaigns", "request").value, ids)

        data = held(api("post", "/campaigns", body), "7.3 POST /campaigns", status=201)

        assert data["name"] == body["name"]
        assert {name: data[name] for name in ("status", "steps_count", "leads_assigned", "leads_blocked")} == {
            "status": "draft", "steps_count": 2, "leads_assigned": 2, "leads_blocked": 0,
        }  # fmt: skip

    def test_what_was_sent_is_what_is_shown(self, api, ids):
        body = replaced(sample("7.3 POST /campaigns", "request").value, ids)
        shown = api.data("get", f"/campaigns/{api.data('post', '/campaigns', body)['id']}")

        schedule = {
            name: shown[name] for name in ("daily_limit", "send_gap_minutes")
        } | {name: shown[f"schedule_{name}"] for name in ("timezone", "start_time", "end_time", "days")}  # fmt: skip
        assert schedule == body["schedule"]
        assert {lead["id"] for lead in shown["leads"]} == set(body["lead_ids"])
        for sent, step in zip(body["steps"], shown["steps"], strict=True):
            assert {name: step[name] for name in sent if name != "variants"} == {
                name: sent[name] for name in sent if name != "variants"
            }
            for wording, variant in zip(sent.get("variants", []), step["variants"], strict=False):
                assert {name: variant[name] for name in wording} == wording

    def test_the_defaults_of_the_comments(self, api, ids):
        body = replaced(sample("7.3 POST /campaigns", "request").value, ids)
        made = api.data("post", "/campaigns", {name: body[name] for name in ("name", "steps")})

        shown = api.data("get", f"/campaigns/{made['id']}")

        assert (shown["schedule_timezone"], shown["schedule_start_time"], shown["schedule_end_time"]) == (
            "UTC", "09:00", "17:00",
        )  # fmt: skip
        assert (shown["schedule_days"], shown["daily_limit"], shown["send_gap_minutes"]) == (
            ["mon", "tue", "wed", "thu", "fri"], 50, 17,
        )  # fmt: skip

    def test_a_list(self, api, campaign_id):
        rows = held(api("get", "/campaigns"), "7.3 GET /campaigns")
        assert [row["id"] for row in rows] == [campaign_id]

    def test_a_change(self, api, campaign_id):
        body = sample("7.3 PATCH /campaigns/:id", "request").value
        api.data("post", f"/campaigns/{campaign_id}/pause")

        shown = api.data("patch", f"/campaigns/{campaign_id}", body)

        assert {name: shown[name] for name in body} == body

    def test_a_launch(self, api, ids):
        made = api.data("post", "/campaigns", replaced(sample("7.3 POST /campaigns", "request").value, ids))

        data = held(api("post", f"/campaigns/{made['id']}/launch"), "7.3 POST /campaigns/:id/launch")

        assert data == {"id": made["id"], "status": "active", "leads": 2, "steps": 2}

    def test_a_report_with_every_state(self, api, campaign_id):
        """C18: all states, zeros included; the sample shows four of them."""
        data = held(api("get", f"/campaigns/{campaign_id}/report"), "7.3 GET /campaigns/:id/report")

        assert set(data["lead_status_breakdown"]) == {
            "active", "paused", "held", "completed", "replied", "bounced", "unsubscribed", "stopped", "failed",
        }  # fmt: skip
        assert (data["total_leads"], data["emails_sent"], data["replies"], data["reply_rate"]) == (2, 2, 1, "50.00%")

    def test_replies(self, api, campaign_id):
        data = held(api("get", f"/campaigns/{campaign_id}/replies"), "7.3 GET /campaigns/:id/replies")
        assert (data["total_replies"], len(data["replies"])) == (1, 1)
        assert data["replies"][0]["contact_name"] == "Alex Prospect"


def test_an_answer_by_hand(api, campaign_id):
    (reply,) = api.data("get", f"/campaigns/{campaign_id}/replies")["replies"]
    body = replaced(sample("7.4 POST /replies", "request").value, {"thr_123": reply["thread_id"]})
    api.data("post", "/replies", body, idempotency_key="k")
    run_until_idle()  # no worker runs beside this test that would send within the request

    data = held(api("post", "/replies", body, idempotency_key="k"), "7.4 POST /replies")

    assert data["thread_id"] == reply["thread_id"]
    assert (data["from"], data["to"], data["status"]) == ("sender@yourdomain.com", PEOPLE[2], "sent")


@pytest.mark.parametrize(("path", "section"), [("/mailboxes", "7.6 GET /mailboxes"), ("/domains", "7.7 GET /domains")])
class TestSenders:
    def test_healthy(self, api, campaign_id, path, section):
        rows = held(api("get", path), section)
        assert {row["status"] for row in rows} == {"active"}

    @pytest.mark.parametrize("phase", ["paused", "quarantine", "restricted_send", "warm_recovery"])
    def test_recovering_only_the_phase_is_another(self, api, acme, path, section, phase):
        mailbox = make.mailbox(acme, phase=phase)
        type(mailbox.domain).objects.update(phase=phase)

        said = differences(sample(section), api("get", path).json())

        assert said == [f"answer.data.0.recovery_phase is {phase!r} and not NoneType"]
        assert phase in sample("7.6 GET /mailboxes").words["recovery_phase"]


def test_a_failure_says_more_than_the_sample(api):
    """C2: `error` is the sentence, as both contracts' clients read it; code and details stand beside it."""
    answer = api("get", "/leads/nope")

    assert differences(sample("4 Response format", "error"), answer.json()) == []
    assert set(answer.json()) == {"success", "error", "code", "request_id"}


def test_every_section_is_asked_for_above():
    asked = Path(__file__).read_text()
    assert not [section for section, _ in SAMPLES if f'"{section}"' not in asked]


class TestTheTableOfRoutes:
    """Of the other contract (AI Outbound OS, REST API): what is asked for, and what may be sent with it."""

    @pytest.mark.parametrize("line", (seeds.HERE / "ai_outbound_os.txt").read_text().splitlines())
    def test_a_line(self, line):
        method, address = line.split()[:2]
        path, _, query = address.partition("?")
        for verb in re.findall(r"\| (/\w+)", line) + [""]:  # /runs/:id/stop | /pause | /resume
            operation = operation_at(method, path.rpartition("/")[0] + verb if verb else path)
            assert set(re.findall(r"(\w+)=", query)) <= set(fields(operation.query))
            for name, optional in re.findall(r"(\w+)(\??)(?=[,|: ])", "".join(re.findall(r"\{.*\}", line))):
                assert name in fields(operation.body)
                assert not (optional and fields(operation.body)[name].required)


def operation_at(method: str, path: str):
    wanted = re.sub(r":\w+", "<>", path.lstrip("/"))
    return next(o for o in operations() if (o.method, re.sub(r"<[^>]+>", "<>", o.path)) == (method, wanted))


def fields(serializer) -> dict:
    return {place[0]: field for place, field in fields_of(serializer) if len(place) == 1} if serializer else {}
