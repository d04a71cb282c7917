"""Every page of the admin answers, in a bounded number of statements, and shows no secret."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.models import ApiKey
from leads.models import Lead
from tests.admin.world import CANARY, build_world

OURS = ("apikeys", "leads", "sending", "campaigns", "outbound")
PAGES = sorted(
    (f"{model._meta.app_label}.{model._meta.model_name}", model, page) for model, page in admin.site._registry.items()
)
IDS = [name for name, _, _ in PAGES]
every_page = pytest.mark.parametrize(("model", "page"), [(model, page) for _, model, page in PAGES], ids=IDS)


def address(model, kind: str, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=[quote(arg) for arg in args])


def test_every_model_has_a_page():
    models = {model for app in OURS for model in apps.get_app_config(app).get_models()}
    assert models <= set(admin.site._registry)


@every_page
def test_a_list_is_searchable_and_short_enough_to_read(model, page):
    assert page.search_fields
    assert len(page.list_display) <= 7


def test_every_list_and_page_answers(run, owner, client):
    shown = []
    for _, model, _ in PAGES:
        answer = client.get(address(model, "changelist"))
        assert answer.status_code == 200, model
        rows = list(model._default_manager.all()[:3])
        assert rows, f"the world has no {model.__name__}"
        shown += [client.get(address(model, "change", row.pk)) for row in rows]
        assert [answer.status_code for answer in shown[-len(rows) :]] == [200] * len(rows), model
        assert client.get(address(model, "changelist") + "?q=nobody").status_code == 200


def test_every_add_page_answers(run, owner, client, rf):
    request = rf.get("/")
    request.user = owner
    for _, model, page in PAGES:
        expected = 200 if page.has_add_permission(request) else 403
        assert client.get(address(model, "add")).status_code == expected, model


def test_a_list_costs_the_same_with_ten_times_the_rows(owner, client, settings):
    settings.DISPATCH_THREADS = 1
    build_world("Few", leads=5, days=3)
    before = {model: _statements(client, address(model, "changelist")) for _, model, _ in PAGES}
    build_world("Many", leads=50, days=3)
    after = {model: _statements(client, address(model, "changelist")) for _, model, _ in PAGES}
    grown = {model.__name__: (before[model], after[model]) for model in before if after[model] > before[model] + 1}
    assert not grown  # the one more: with two workspaces there is a filter to choose from


def _statements(client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


def test_no_page_shows_a_secret(run, owner, client):
    secrets = [CANARY, run.workspace.opt_out_key, *ApiKey.objects.values_list("digest", flat=True)]
    for _, model, _ in PAGES:
        urls = [address(model, "changelist")] + [
            address(model, "change", row.pk) for row in model._default_manager.all()[:2]
        ]
        for url in urls:
            text = client.get(url).content.decode()
            assert not [secret for secret in secrets if secret in text], url


@pytest.mark.parametrize(
    "query", ["?group=nonsense", "?campaign=nonsense", "?workspace=nonsense", "?waiting=x", "?lane=nonsense"]
)
def test_nonsense_in_a_filter_is_no_surprise(run, owner, client, query):
    for name in ("leads_lead", "campaigns_enrollment", "sending_message", "campaigns_campaign"):
        assert client.get(reverse(f"admin:{name}_changelist") + query).status_code in (200, 302)


def test_lead_data_is_text_and_never_markup(run, owner, client):
    Lead.objects.filter(workspace=run.workspace).update(
        first_name='<script>alert("x")</script>', company_name="{{7*7}}"
    )
    lead = Lead.objects.filter(workspace=run.workspace).first()
    for url in (address(Lead, "changelist"), address(Lead, "change", lead.pk)):
        text = client.get(url).content.decode()
        assert "<script>alert(" not in text
        assert "&lt;script&gt;alert(" in text
