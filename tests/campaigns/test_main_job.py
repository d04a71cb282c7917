"""The product's one sentence, through REST: leads become mails, and what comes back stops what it must."""

from leads.models import Lead
from sending.models import Message
from tests import make
from tests.world import pass_time, run_until_idle

STEPS = [
    make.step("Hi {{first_name}}", "<p>{{opening_line}}</p>", variants=[
        {"label": "A", "subject": "A for {{company}}", "body_html": "<p>{{opening_line}}</p>", "weight": 1},
        {"label": "B", "subject": "B for {{company}}", "body_html": "<p>{{opening_line}} B</p>", "weight": 1},
    ]),
    make.step("", "<p>Second</p>", delay_days=3),
    make.step("", "<p>Third</p>", delay_days=4),
]  # fmt: skip
PEOPLE = ["ok", "reply", "bounce", "ooo", "unsubscribe", "timeout", "complaint", "soft"]


def start(api):
    rows = [{"email": f"{kind}+x@sandbox.test", "first_name": kind.title(), "company_name": "Acme"} for kind in PEOPLE]
    assert api.data("post", "/leads", rows)["created"] == len(PEOPLE)
    api.data(
        "post", "/variables", {"name": "opening_line", "prompt_template": "A line for {{first_name}} of {{company}}."}
    )
    api.data("post", "/variables/opening_line/generate", {})
    run_until_idle()
    sequence = api.data("post", "/sequences", {"name": "Hello", "steps": STEPS})
    return api.data(
        "post", "/runs", {"sequence_id": sequence["id"], "sender_email": "hi@you.example", "schedule": make.ALL_HOURS}
    )


def sent_to(kind: str) -> list[str]:
    mails = Message.objects.filter(to_email=f"{kind}+x@sandbox.test", state="sent").order_by("settled_at")
    return [mail.subject for mail in mails]


def test_the_whole_walk(api, acme):
    run = start(api)

    run_until_idle()
    assert all(len(sent_to(kind)) == 1 for kind in PEOPLE if kind != "timeout")
    pass_time(acme, days=1)
    pass_time(acme, days=3)
    pass_time(acme, days=7)
    pass_time(acme, days=10)

    assert len(sent_to("ok")) == 3
    assert len(sent_to("ooo")) == 3
    assert [len(sent_to(kind)) for kind in ("reply", "bounce", "unsubscribe", "complaint")] == [1, 1, 1, 1]
    shown = api.data("get", f"/runs/{run['id']}")
    assert shown["lead_status_breakdown"]["replied"] == 1
    assert shown["lead_status_breakdown"]["bounced"] == 1
    assert shown["lead_status_breakdown"]["unsubscribed"] == 2
    assert shown["progress"]["unknown"] == 1
    assert shown["status"] == "running"  # the parked one is awaited


def test_follow_ups_stay_in_the_thread(api, acme):
    start(api)
    run_until_idle()
    pass_time(acme, days=4)

    first, second = Message.objects.filter(to_email="ok+x@sandbox.test").order_by("created_at")
    raw = bytes(second.body.raw).decode()
    assert second.subject == f"Re: {first.subject}"
    assert f"In-Reply-To: {first.rfc_message_id}" in raw


def test_a_lead_without_its_value_is_held_and_says_so(api, acme):
    make.lead(acme, "ok+held@sandbox.test")
    make.variable(acme)
    run = make.run(acme, steps=[make.step(body="<p>{{opening_line}}</p>")])

    run_until_idle()

    shown = api.data("get", f"/runs/{run.id}")
    assert shown["held"] == {"opening_line was not generated for this lead.": 1}
    assert any("waits: opening_line was not generated" in line["summary"] for line in shown["logs"])
    assert not Message.objects.exists()


def test_a_deleted_lead_gets_nothing_more(api, acme):
    lead = make.lead(acme, "ok+gone@sandbox.test")
    run = make.run(acme, steps=[make.step(), make.step(delay_days=1)])
    run_until_idle()

    api.data("delete", f"/leads/{lead.id}", status=204)
    pass_time(acme, days=2)

    assert Message.objects.filter(state="sent").count() == 1
    assert not Lead.objects.exists()
    assert api.data("get", f"/runs/{run.id}")["lead_status_breakdown"]["stopped"] == 1


def test_what_comes_back_after_the_last_step_says_how_the_walk_ended(api, acme):
    kinds = ["ok", "reply", "bounce", "unsubscribe", "complaint"]
    api.data("post", "/leads", [{"email": f"{kind}+x@sandbox.test"} for kind in kinds])
    sequence = api.data("post", "/sequences", {"name": "One", "steps": [make.step("Hi", "<p>Hello</p>")]})
    order = {"sequence_id": sequence["id"], "sender_email": "hi@you.example", "schedule": make.ALL_HOURS}
    run = api.data("post", "/runs", order)
    run_until_idle()
    pass_time(acme, days=1)
    shown = api.data("get", f"/runs/{run['id']}")

    assert shown["status"] == "completed" and shown["progress"]["pct"] == 100
    ends = {name: count for name, count in shown["lead_status_breakdown"].items() if count}
    assert ends == {"completed": 1, "replied": 1, "bounced": 1, "unsubscribed": 2}
