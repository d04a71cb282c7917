"""Parked mails: seen with what is known of them, decided on once, at both doors alike."""

import json

import pytest

from apikeys.models import Event
from campaigns.models import Enrollment
from sending.models import Message, Thread
from sending.states import move
from tests import make
from tests.mcp.conftest import Door
from tests.world import run_until_idle


@pytest.fixture
def parked(acme) -> Message:
    """The sandbox never said whether it took the mail."""
    make.lead(acme, "timeout+jo@sandbox.test")
    make.run(acme, steps=[make.step("One"), make.step("Two", delay_days=1)])
    run_until_idle()
    return Message.objects.get(state="unknown")


def decide(api, message, decision: str, attempt: int | None = None):
    return api("POST", f"/parked/{message.pk}/decide", {"decision": decision, "attempt": attempt or message.attempt})


class TestSeeing:
    def test_it_shows_what_is_known_and_what_can_be_done(self, api, acme, parked):
        (shown,) = api.data("GET", "/parked")

        assert (shown["id"], shown["state"], shown["attempt"]) == (str(parked.pk), "unknown", 1)
        assert shown["decisions"] == ["send_again", "assume_sent", "drop"]
        assert "Nobody knows whether timeout+jo@sandbox.test got it" in shown["evidence"][0]
        assert shown["run_id"] == str(Enrollment.objects.get().campaign_id)

    def test_what_came_in_since_is_evidence(self, api, acme, parked):
        thread = Thread.objects.get()
        Message.objects.create(
            workspace=acme, direction="in", kind="reply", state="received", thread=thread, mailbox=thread.mailbox,
            from_email="jo@x.example", to_email="hi@you.example", rfc_message_id="<r@x>", created_at=parked.departed_at,
        )  # fmt: skip
        assert api.data("GET", f"/parked/{parked.pk}")["evidence"][-1].startswith("A reply came in on its thread")

    def test_of_a_stopped_run_nothing_is_sent_again(self, api, parked):
        api.data("POST", f"/runs/{Enrollment.objects.get().campaign_id}/stop")
        assert api.data("GET", "/parked")[0]["decisions"] == ["assume_sent", "drop"]
        assert decide(api, parked, "send_again").status_code == 409

    def test_a_stranger_sees_none_and_decides_none(self, rival_api, parked):
        assert rival_api.data("GET", "/parked") == []
        assert rival_api("GET", f"/parked/{parked.pk}").status_code == 404
        assert decide(rival_api, parked, "drop").status_code == 404


class TestDeciding:
    @pytest.mark.parametrize(
        ("decision", "state"), [("send_again", "queued"), ("assume_sent", "sent"), ("drop", "refused")]
    )
    def test_it_is_done_once_however_often_it_is_said(self, api, parked, decision, state):
        answers = [decide(api, parked, decision) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200] * 3
        assert [answer.json()["data"]["state"] for answer in answers] == [state] * 3
        assert Event.objects.filter(kind="email.decided").count() == 1
        assert answers[0].json()["data"]["decisions"] == []

    def test_another_decision_is_told_of_the_first(self, api, parked):
        decide(api, parked, "assume_sent")
        answer = decide(api, parked, "send_again")

        assert (answer.status_code, answer.json()["code"]) == (409, "not_parked")
        assert answer.json()["error"].endswith("timeout+jo@sandbox.test: Assumed sent, by hand.")
        assert Message.objects.get(pk=parked.pk).state == "sent"

    def test_a_decision_that_comes_late_never_decides_on_the_next_attempt(self, api, parked):
        decide(api, parked, "send_again")
        run_until_idle()
        again = Message.objects.get(pk=parked.pk)
        assert (again.state, again.attempt) == ("unknown", 2)

        late = [decide(api, parked, "send_again", attempt=1), decide(api, parked, "drop", attempt=1)]

        assert [answer.status_code for answer in late] == [200, 409]
        assert Message.objects.get(pk=parked.pk).state == "unknown"
        assert decide(api, again, "drop").json()["data"]["state"] == "refused"

    def test_what_was_settled_meanwhile_says_how(self, api, parked):
        assert move(parked, "sent", token=parked.token, state_reason="It lies in the Sent folder.")
        answer = decide(api, parked, "send_again")

        assert (answer.status_code, answer.json()["code"]) == (409, "not_parked")
        assert answer.json()["error"].endswith("This one is sent. It lies in the Sent folder.")

    def test_the_lead_goes_on_once_it_is_assumed_sent(self, api, parked):
        decide(api, parked, "assume_sent")
        run_until_idle()
        assert Enrollment.objects.get().due_at is not None

    @pytest.mark.parametrize("body", [{}, {"decision": "drop"}, {"decision": "burn", "attempt": 1}])
    def test_a_decision_needs_its_words_and_the_attempt_looked_at(self, api, parked, body):
        assert api("POST", f"/parked/{parked.pk}/decide", body).status_code == 400
        assert Message.objects.get(pk=parked.pk).state == "unknown"


def test_the_tools_show_and_do_the_same(acme, api, parked):
    door = Door(make.key(acme))
    door.headers["X-MCP-Toolsets"] = "campaigns"

    listed = door.call("list_parked_sends", response_format="detailed")["structuredContent"]
    rest = api.data("GET", "/parked")
    done = door.call("decide_parked_send", parked_id=str(parked.pk), decision="drop", attempt=1)["structuredContent"]
    refused = door.call("decide_parked_send", parked_id=str(parked.pk), decision="send_again", attempt=1)

    assert listed["parked"] == [{name: each for name, each in row.items() if each is not None} for row in rest]
    assert done["state"] == "refused"
    assert json.loads(refused["content"][0]["text"])["code"] == "not_parked"
