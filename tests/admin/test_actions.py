"""Buttons and actions do what the API does: through services, by POST, with the API's own sentences."""

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.messages import get_messages
from django.urls import reverse

from apikeys.models import ApiKey, Event, WebhookDelivery, WebhookEndpoint
from campaigns.models import Campaign
from leads.models import Lead, Suppression, VariableValue
from leads.rows import TEXT_FIELDS
from sending.models import Mailbox, Message
from tests.admin.world import CANARY, parked

pytestmark = pytest.mark.usefixtures("owner")


def do(client, obj, verb: str, **data):
    opts = obj._meta
    return client.post(reverse(f"admin:{opts.app_label}_{opts.model_name}_do", args=[obj.pk, verb]), data)


def tick_rows(client, rows, action: str, **data):
    opts = rows[0]._meta
    data |= {ACTION_CHECKBOX_NAME: [str(row.pk) for row in rows], "action": action, "index": "0"}
    return client.post(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"), data)


def said(answer) -> list[str]:
    return [f"{message.level_tag}: {message}" for message in get_messages(answer.wsgi_request)]


class TestRuns:
    def test_a_running_one_is_paused_and_goes_on(self, run, client):
        assert said(do(client, run, "pause")) == ["success: Welcome to Prospects is paused."]
        run.refresh_from_db()
        assert (run.status, run.lane.state) == ("paused", "shut")
        do(client, run, "resume")
        run.refresh_from_db()
        assert run.status == "active"

    def test_only_legal_moves_have_a_button(self, run, client):
        page = reverse("admin:campaigns_campaign_change", args=[run.pk])
        names = [each["verb"].name for each in client.get(page).context["verbs"]]
        assert names == ["pause", "stop"]
        Campaign.objects.update(status="paused")
        names = [each["verb"].name for each in client.get(page).context["verbs"]]
        assert names == ["resume", "stop"]

    def test_stopping_asks_first(self, run, client):
        assert b"Stop it for good?" in do(client, run, "stop").content
        run.refresh_from_db()
        assert run.status == "active"
        do(client, run, "stop", confirmed="1")
        run.refresh_from_db()
        assert run.status == "archived"

    def test_an_illegal_move_is_refused_in_the_words_of_the_api(self, run, client):
        assert said(do(client, run, "resume")) == ["error: Only a paused run can be resumed. This one is running."]

    def test_a_link_changes_nothing(self, run, client):
        for verb in ("pause", "stop"):
            client.get(reverse("admin:campaigns_campaign_do", args=[run.pk, verb]) + "?confirmed=1")
        run.refresh_from_db()
        assert run.status == "active"

    def test_several_are_paused_from_the_list(self, run, client):
        tick_rows(client, [run], "verb_pause")
        run.refresh_from_db()
        assert run.status == "paused"

    def test_its_page_counts_what_there_is(self, run, client):
        page = client.get(reverse("admin:campaigns_campaign_change", args=[run.pk]))
        shown = {word: count for word, count, _ in page.context["mails"]}
        assert shown["parked"] == 1
        assert shown["sent"] == Message.objects.filter(state="sent").count()
        assert page.context["enrolled"] == 6
        for _, count, url in page.context["mails"] + page.context["people"]:
            assert len(client.get(url).context["cl"].result_list) == count


class TestLeads:
    def test_suppressing_asks_and_then_holds_for_ever(self, run, client):
        leads = list(Lead.objects.filter(workspace=run.workspace, first_name__in=["Person0", "Person5"]))
        asked = tick_rows(client, leads, "verb_suppress")
        assert b"Never write to them again?" in asked.content
        assert not Suppression.objects.filter(value__in=[lead.email for lead in leads])
        tick_rows(client, leads, "verb_suppress", confirmed="1")
        assert Suppression.objects.filter(kind="manual", value__in=[lead.email for lead in leads]).count() == 2
        assert set(Lead.objects.filter(pk__in=[lead.pk for lead in leads]).values_list("status", flat=True)) == {
            "blocked"
        }

    def form_of(self, lead, **changes):
        fields = {name: getattr(lead, name) for name in TEXT_FIELDS if name != "source"}
        return {**fields, "email": lead.email, "lead_score": "50", "custom": "{}", **changes}

    def test_a_field_can_be_changed_and_emptied(self, run, client):
        lead = Lead.objects.filter(workspace=run.workspace, first_name="Person1").get()
        client.post(
            reverse("admin:leads_lead_change", args=[lead.pk]), self.form_of(lead, first_name="Zoë", last_name="")
        )
        lead.refresh_from_db()
        assert (lead.first_name, lead.last_name) == ("Zoë", "")

    def test_a_wrong_address_is_said_beside_its_field(self, run, client):
        lead = Lead.objects.filter(workspace=run.workspace).first()
        answer = client.post(reverse("admin:leads_lead_change", args=[lead.pk]), self.form_of(lead, email="nonsense"))
        assert "email" in answer.context["adminform"].form.errors

    def test_a_new_one_is_added_by_the_importer(self, run, client):
        data = {
            "workspace": run.workspace_id,
            "email": " New.One@Example.COM ",
            "lead_score": "50",
            "custom": '{"tier": "gold"}',
        }
        client.post(reverse("admin:leads_lead_add"), data)
        lead = Lead.objects.get(email="new.one@example.com")
        assert lead.custom == {"tier": "gold"}

    def test_a_deleted_one_leaves_its_opt_out_behind(self, run, client):
        lead = Lead.objects.get(email__startswith="unsubscribe+")
        client.post(reverse("admin:leads_lead_delete", args=[lead.pk]), {"post": "yes"})
        assert not Lead.objects.filter(pk=lead.pk).exists()
        assert Suppression.objects.get(kind="unsubscribed").value == ""

    def test_several_are_deleted_from_the_list_after_a_question(self, run, client):
        leads = list(Lead.objects.filter(workspace=run.workspace)[:2])
        assert b"Delete for good?" in tick_rows(client, leads, "verb_delete").content
        tick_rows(client, leads, "verb_delete", confirmed="1")
        assert not Lead.objects.filter(pk__in=[lead.pk for lead in leads]).exists()


def test_a_sequence_in_use_is_not_deleted_and_says_why(run, client):
    answer = client.post(reverse("admin:campaigns_sequence_delete", args=[run.sequence_id]), {"post": "yes"})
    assert said(answer) == ["error: This sequence is used by 1 run(s) and stays for their record."]


class TestVariables:
    def test_what_failed_is_written_again(self, run, client):
        value = VariableValue.objects.first()
        VariableValue.objects.filter(pk=value.pk).update(state="failed", reason="The model was away.")
        do(client, value.variable, "retry")
        value.refresh_from_db()
        assert value.state == "pending"

    def test_generating_asks_first_for_it_costs_money(self, run, client):
        variable = VariableValue.objects.first().variable
        assert b"A model is paid for it" in do(client, variable, "generate").content
        do(client, variable, "generate", confirmed="1")
        assert variable.values.filter(state="pending").count() == 1  # the lead that came by file

    def test_sandbox_text_is_marked(self, run, client):
        variable = VariableValue.objects.first().variable
        assert "sandbox text" in client.get(reverse("admin:leads_variable_change", args=[variable.pk])).content.decode()

    def test_a_bad_name_is_refused_in_words(self, run, client):
        data = {"workspace": run.workspace_id, "name": "First Line", "output_type": "text", "prompt_template": "x"}
        data["unsupported"] = "review"
        assert said(client.post(reverse("admin:leads_variable_add"), data))[0].startswith("error: Lower-case letters")


class TestParkedMail:
    @pytest.mark.parametrize(
        ("verb", "state"), [("send_again", "queued"), ("assume_sent", "sent"), ("drop", "refused")]
    )
    def test_a_decision_is_asked_for_and_carried_out(self, run, client, verb, state):
        message = parked(run.workspace)
        do(client, message, verb)
        message.refresh_from_db()
        assert message.state == "unknown"
        do(client, message, verb, confirmed="1")
        message.refresh_from_db()
        assert message.state == state
        assert Event.objects.filter(kind="email.decided", message_id=message.pk).exists()

    def test_the_decision_is_on_the_attempt_that_was_looked_at(self, run, client):
        message = parked(run.workspace)
        asked = do(client, message, "send_again").context["seen"]
        Message.objects.filter(pk=message.pk).update(attempt=message.attempt + 1)  # sent again, and parked anew
        answer = said(do(client, message, "send_again", confirmed="1", seen=asked))
        assert answer == ["error: It was tried again since and is parked anew, at attempt 2. Look at it again."]
        assert Message.objects.get(pk=message.pk).state == "unknown"
        asked = do(client, message, "send_again").context["seen"]
        do(client, message, "send_again", confirmed="1", seen=asked)
        assert Message.objects.get(pk=message.pk).state == "queued"

    def test_from_the_list_only_those_are_decided_on_that_were_shown(self, run, client):
        message = parked(run.workspace)
        asked = tick_rows(client, [message], "verb_drop").context["seen"]
        assert asked == f"{message.pk}={message.attempt}"
        tick_rows(client, [message], "verb_drop", confirmed="1", seen="00000000-0000-0000-0000-000000000000=1")
        assert Message.objects.get(pk=message.pk).state == "unknown"
        tick_rows(client, [message], "verb_drop", confirmed="1", seen=asked)
        assert Message.objects.get(pk=message.pk).state == "refused"

    def test_only_a_parked_one_can_be_decided_on(self, run, client):
        message = Message.objects.filter(state="sent").first()
        assert said(do(client, message, "drop", confirmed="1")) == [
            "error: Only a parked message can be decided on. This one is sent. 250 OK, kept in the sandbox"
        ]


class TestMailboxes:
    def test_one_is_paused_resumed_and_tested(self, run, client):
        mailbox = Mailbox.objects.get()
        do(client, mailbox, "pause")
        mailbox.refresh_from_db()
        assert (mailbox.phase, mailbox.paused_reason) == ("paused", "Paused by owner@acme.test.")
        do(client, mailbox, "resume")
        mailbox.refresh_from_db()
        assert mailbox.phase == "healthy"
        assert "This is the sandbox" in said(do(client, mailbox, "check"))[-1]

    def form(self, workspace, **changes):
        return {
            "workspace": workspace.pk, "email": "new@acme.test", "provider": "smtp", "smtp_host": "127.0.0.1",
            "smtp_port": "1", "smtp_security": "none", "username": "u", "new_password": "hunter2-canary",
            "daily_limit": "30", "send_gap_seconds": "60", **changes,
        }  # fmt: skip

    def test_a_new_one_ramps_up_unless_told_otherwise_and_obeys_its_providers_ceiling(self, run, client):
        add = reverse("admin:sending_mailbox_add")
        form = client.get(add).context["adminform"].form
        assert (form["daily_limit"].value(), form["warmup"].value()) == (30, True)
        client.post(add, self.form(run.workspace, warmup="on"))
        client.post(add, self.form(run.workspace, email="old@acme.test"))
        started = dict(Mailbox.objects.values_list("email", "warmup_started_at"))
        assert started["new@acme.test"] is not None
        assert started["old@acme.test"] is None

        page = reverse("admin:sending_mailbox_change", args=[Mailbox.objects.get(email="new@acme.test").pk])
        assert client.get(page).context["adminform"].form.initial["warmup"] is True
        client.post(page, self.form(run.workspace, new_password=""))
        assert Mailbox.objects.get(email="new@acme.test").warmup_started_at is None
        too_much = self.form(run.workspace, email="m@acme.test", smtp_host="smtp.office365.com", daily_limit="301")
        assert "daily_limit" in client.post(add, too_much).context["adminform"].form.errors

    def test_saving_says_at_once_whether_it_works(self, run, client):
        answer = client.post(reverse("admin:sending_mailbox_add"), self.form(run.workspace))
        assert said(answer)[-1].startswith("success: new@acme.test: This is the sandbox")
        run.workspace.livemode, run.workspace.clock_offset = True, run.workspace.clock_offset * 0
        run.workspace.save()
        answer = client.post(reverse("admin:sending_mailbox_add"), self.form(run.workspace, email="two@acme.test"))
        assert [line for line in said(answer) if line.startswith("error: two@acme.test: ")]

    def test_the_password_is_taken_and_never_given_back(self, run, client):
        client.post(reverse("admin:sending_mailbox_add"), self.form(run.workspace))
        mailbox = Mailbox.objects.get(email="new@acme.test")
        assert mailbox.password == "hunter2-canary"
        page = reverse("admin:sending_mailbox_change", args=[mailbox.pk])
        assert "hunter2-canary" not in client.get(page).content.decode()
        refused = client.post(page, self.form(run.workspace, smtp_port="none"))
        assert "hunter2-canary" not in refused.content.decode()

    def test_an_empty_password_keeps_the_one_there_is(self, run, client):
        client.post(reverse("admin:sending_mailbox_add"), self.form(run.workspace))
        mailbox = Mailbox.objects.get(email="new@acme.test")
        page = reverse("admin:sending_mailbox_change", args=[mailbox.pk])
        client.post(page, self.form(run.workspace, new_password="", display_name="Nina"))
        mailbox.refresh_from_db()
        assert (mailbox.password, mailbox.display_name) == ("hunter2-canary", "Nina")


class TestKeys:
    def test_the_key_is_shown_once_and_kept_nowhere(self, run, client):
        data = {"workspace": run.workspace_id, "name": "Claude", "scopes": ["leads:read"]}
        answer = client.post(reverse("admin:apikeys_apikey_add"), data)
        raw = answer.context["raw"]
        assert raw.startswith("aiob_test_")
        assert raw in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert raw not in str(dict(client.session)) + str(client.cookies)
        key = ApiKey.objects.get(name="Claude")
        assert key.scopes == ["leads:read"]
        for url in (
            reverse("admin:apikeys_apikey_change", args=[key.pk]),
            reverse("admin:apikeys_apikey_changelist"),
            "/admin/",
        ):
            assert raw not in client.get(url).content.decode()

    def test_nothing_is_ticked_and_nothing_ticked_is_refused(self, run, client):
        form = client.get(reverse("admin:apikeys_apikey_add")).context["adminform"].form
        assert not form.initial.get("scopes")
        answer = client.post(reverse("admin:apikeys_apikey_add"), {"workspace": run.workspace_id, "name": "None"})
        assert "scopes" in answer.context["adminform"].form.errors

    def test_a_revoked_key_stays_as_a_record(self, run, client):
        key = ApiKey.objects.get()
        do(client, key, "revoke", confirmed="1")
        key.refresh_from_db()
        assert key.revoked_at
        assert client.post(reverse("admin:apikeys_apikey_delete", args=[key.pk]), {"post": "yes"}).status_code == 403


class TestWebhooks:
    def test_a_new_endpoint_shows_its_secret_once(self, run, client):
        data = {"workspace": run.workspace_id, "url": "https://93.184.216.34/x", "kinds": ["email.sent"]}
        answer = client.post(reverse("admin:apikeys_webhookendpoint_add"), data)
        endpoint = WebhookEndpoint.objects.get(url="https://93.184.216.34/x")
        assert answer.context["raw"] == endpoint.secret
        assert (
            endpoint.secret
            not in client.get(reverse("admin:apikeys_webhookendpoint_change", args=[endpoint.pk])).content.decode()
        )

    def test_an_address_inside_the_house_is_refused(self, run, client):
        data = {"workspace": run.workspace_id, "url": "https://127.0.0.1/x", "kinds": ["*"]}
        answer = client.post(reverse("admin:apikeys_webhookendpoint_add"), data)
        assert "url" in answer.context["adminform"].form.errors

    def test_a_rotated_secret_is_shown_once_too(self, run, client):
        endpoint = WebhookEndpoint.objects.get()
        answer = do(client, endpoint, "rotate", confirmed="1")
        endpoint.refresh_from_db()
        assert answer.context["raw"] == endpoint.secret != CANARY

    def test_a_delivery_is_sent_again(self, run, client):
        delivery = WebhookDelivery.objects.filter(workspace=run.workspace).first()
        WebhookDelivery.objects.filter(pk=delivery.pk).update(state="dead")
        do(client, delivery, "replay")
        delivery.refresh_from_db()
        assert delivery.state == "pending"


def test_a_file_is_taken_in_from_the_form(run, client):
    from django.core.files.uploadedfile import SimpleUploadedFile

    from leads.models import Import

    file = SimpleUploadedFile("more.csv", b"email\nfrom.form@sandbox.test\n", content_type="text/csv")
    data = {"workspace": run.workspace_id, "file": file, "on_duplicate": "update", "groups": "Prospects, New"}
    client.post(reverse("admin:leads_import_add"), data)
    batch = Import.objects.get(filename="more.csv")
    assert batch.options["groups"] == ["Prospects", "New"]


def test_a_mail_is_shown_in_a_frame_that_can_do_nothing(run, client):
    message = Message.objects.filter(direction="in", kind="reply").get()
    message.body.html = '<img src="https://spy.test/x.png" onerror="alert(1)"><script>alert(2)</script>'
    message.body.save()
    text = client.get(reverse("admin:sending_message_change", args=[message.pk])).content.decode()
    assert 'sandbox=""' in text
    assert "<script>alert(2)" not in text
    assert "&lt;script&gt;alert(2)" in text
    assert "default-src &#x27;none&#x27;" in text


class TestSuppressions:
    def test_writing_again_needs_a_reason_and_the_log_keeps_who_gave_it(self, run, client):
        row = Suppression.objects.get(value="@never.test")
        assert b"Reason, kept in the log" in do(client, row, "lift").content
        do(client, row, "lift", confirmed="1", answer=" ")
        assert Suppression.objects.filter(pk=row.pk).exists()

        do(client, row, "lift", confirmed="1", answer="They came back.")

        assert not Suppression.objects.filter(pk=row.pk).exists()
        reason = Event.objects.get(kind="suppression.removed").data["reason"]
        assert reason.startswith("They came back. (by ")
