"""POST /replies: an answer by hand on a thread."""

from leads.models import Suppression
from leads.services import suppress
from sending.models import Mailbox, Message, Thread
from tests import make
from tests.world import pass_time, run_until_idle


def thread_with_reply(acme) -> Thread:
    make.mailbox(acme)
    make.lead(acme, "reply+1@sandbox.test")
    make.run(acme)
    run_until_idle()
    pass_time(acme, days=1)
    return Thread.objects.get()


def test_both_bodies_make_one_alternative_mail_in_the_thread(api, acme):
    thread = thread_with_reply(acme)

    answer = api.data("post", "/replies", {"thread_id": str(thread.id), "body_html": "<p>Yes</p>", "body_text": "Yes"})
    run_until_idle()

    message = Message.objects.get(pk=answer["message_id"])
    raw = bytes(message.body.raw).decode()
    inbound = Message.objects.get(direction="in")
    assert answer == {
        "message_id": str(message.id), "thread_id": str(thread.id), "from": "hi@you.example",
        "to": "reply+1@sandbox.test", "status": "queued",
    }  # fmt: skip
    assert message.state == "sent"
    assert "multipart/alternative" in raw
    assert f"In-Reply-To: {inbound.rfc_message_id}" in raw
    assert "List-Unsubscribe" not in raw


def test_it_needs_a_body(api, acme):
    thread = thread_with_reply(acme)

    answer = api("post", "/replies", {"thread_id": str(thread.id), "body_html": "<p> </p>"})

    assert (answer.status_code, list(answer.json()["details"])) == (400, ["body_text"])


def test_a_mailbox_that_cannot_sign_in_is_a_400(api, acme):
    thread = thread_with_reply(acme)
    Mailbox.objects.update(connection_status="auth_failed")

    answer = api("post", "/replies", {"thread_id": str(thread.id), "body_text": "Hi"})

    assert (answer.status_code, "not connected" in answer.json()["error"]) == (400, True)


def test_who_opted_out_is_not_answered_who_said_no_only_on_confirm(api, acme):
    thread = thread_with_reply(acme)
    body = {"thread_id": str(thread.id), "body_text": "Hi"}
    suppress(workspace=acme, value=thread.contact_email, kind="replied_no", now=make.NOW)

    assert api("post", "/replies", body).json()["code"] == "suppressed"
    api.data("post", "/replies", {**body, "confirm": True})
    run_until_idle()
    assert Message.objects.filter(kind="manual", state="sent").count() == 1

    suppress(workspace=acme, value=thread.contact_email, kind=Suppression.Kind.UNSUBSCRIBED, now=make.NOW)
    assert api("post", "/replies", {**body, "confirm": True}).json()["code"] == "suppressed"


def test_a_replay_tells_the_present_status_and_sends_once(api, acme):
    thread = thread_with_reply(acme)
    body = {"thread_id": str(thread.id), "body_text": "Hi"}
    first = api.data("post", "/replies", body, **{"Idempotency-Key": "k"})
    run_until_idle()

    second = api.data("post", "/replies", body, **{"Idempotency-Key": "k"})

    assert (first["status"], second["status"]) == ("queued", "sent")
    assert Message.objects.filter(kind="manual").count() == 1


def test_rivals_thread_is_unknown(rival_api, acme):
    thread = thread_with_reply(acme)

    answer = rival_api("post", "/replies", {"thread_id": str(thread.id), "body_text": "Hi"})

    assert (answer.status_code, list(answer.json()["details"])) == (400, ["thread_id"])
