"""Rival's people work in the same admin and must see nothing of Acme."""

import pytest
from django.urls import reverse

from apikeys.models import ApiKey, Workspace
from leads.models import Group, Lead
from tests.admin.test_pages import PAGES, address
from tests.admin.world import build_world

OWNERLESS = ("StoredResponse", "BrokerMessage", "ModelPrice", "User")


@pytest.fixture
def rival(run):
    return build_world("Rival").workspace


@pytest.fixture
def somebody(rival, staff, client):
    user = staff(rival)
    client.force_login(user)
    return user


def test_no_list_shows_a_row_of_acme(run, somebody, client):
    for _, model, _ in PAGES:
        answer = client.get(address(model, "changelist"))
        if model.__name__ in OWNERLESS:
            assert answer.status_code == 403, model
        else:
            text = answer.content.decode().lower()
            assert answer.status_code == 200, model
            assert "acme" not in text, model


def test_no_page_of_acme_opens(run, somebody, client):
    for _, model, page in PAGES:
        if model.__name__ in OWNERLESS:
            continue
        path = page.workspace_path
        theirs = model._default_manager.filter(**{path: run.workspace_id}).first()
        assert theirs, model
        assert client.get(address(model, "change", theirs.pk)).status_code == 302, model  # "does not exist", to home


def test_no_button_works_on_a_row_of_acme(run, somebody, client):
    assert client.post(reverse("admin:campaigns_campaign_do", args=[run.pk, "pause"])).status_code == 404
    run.refresh_from_db()
    assert run.status == "active"


def test_no_choice_names_acme(run, somebody, client):
    lookup = {"app_label": "leads", "model_name": "lead", "field_name": "workspace"}
    found = client.get(reverse("admin:autocomplete"), lookup).json()["results"]
    assert [row["text"] for row in found] == ["Rival"]


def test_nothing_can_be_added_to_acme(run, somebody, client):
    client.post(
        reverse("admin:leads_lead_add"),
        {"workspace": run.workspace_id, "email": "spy@x.test", "lead_score": 1, "custom": "{}"},
    )
    client.post(reverse("admin:leads_group_add"), {"workspace": run.workspace_id, "name": "Spies", "color": "red"})
    assert not Lead.objects.filter(email="spy@x.test").exists()
    assert not Group.objects.filter(name="Spies").exists()


def test_a_viewer_looks_and_changes_nothing(run, staff, client):
    client.force_login(staff(run.workspace, role="viewer", name="viewer"))
    assert client.get(reverse("admin:campaigns_campaign_change", args=[run.pk])).context["verbs"] == []
    assert client.post(reverse("admin:campaigns_campaign_do", args=[run.pk, "pause"])).status_code == 403
    assert client.get(reverse("admin:leads_lead_add")).status_code == 403


def test_a_member_makes_no_keys_and_an_admin_does(run, staff, client):
    client.force_login(staff(run.workspace, role="member", name="member"))
    assert client.get(reverse("admin:apikeys_apikey_add")).status_code == 403
    client.force_login(staff(run.workspace, role="admin", name="admin"))
    data = {"workspace": run.workspace_id, "name": "By admin", "scopes": ["leads:read"]}
    assert client.post(reverse("admin:apikeys_apikey_add"), data).status_code == 200
    assert ApiKey.objects.filter(name="By admin").exists()


def test_a_member_cannot_raise_themselves(run, staff, client):
    client.force_login(staff(run.workspace, role="owner", name="boss"))
    assert client.get(reverse("admin:apikeys_membership_add")).status_code == 403
    assert client.get(reverse("admin:auth_user_add")).status_code == 403
    assert client.get(reverse("admin:apikeys_workspace_add")).status_code == 403
    assert Workspace.objects.count() == 1


def test_a_stranger_is_asked_to_sign_in(run, client):
    for _, model, _ in PAGES:
        assert client.get(address(model, "changelist")).status_code == 302
