"""GET and PATCH /account, field by field as in Superkabe §7.1."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from apikeys.models import Workspace
from outbound.env import env_tiers
from tests import make
from tests.base import Api


def test_it_has_every_field_of_the_contract(api, acme):
    make.lead(acme)
    make.mailbox(acme)

    data = api.data("get", "/account")

    assert data == {
        "id": str(acme.id),
        "name": "Acme",
        "slug": "acme",
        "tier": "self_hosted",
        "status": "active",
        "livemode": False,
        "timezone": "UTC",
        "postal_address": "Sample Street 1, 12345 Sample Town",
        "public_url": None,
        "confirm_launch_above": 500,
        "require_validation": False,
        "tracking_url": None,
        "ai_monthly_limit": None,
        "usage": {"leads": 1, "domains": 1, "mailboxes": 1},
        "limits": {
            "leads": None,
            "domains": None,
            "mailboxes": None,
            "monthly_sends": None,
            "validation_credits": None,
        },
    }


def test_an_amount_is_text(api, acme):
    assert api.data("patch", "/account", {"ai_monthly_limit": "20.00"})["ai_monthly_limit"] == "20.00"
    assert "as text" in str(api("patch", "/account", {"ai_monthly_limit": 20}).json()["details"]["ai_monthly_limit"])


def test_limits_come_from_the_tier(api, acme):
    Workspace.objects.update(tier="growth", status="past_due")

    with override_settings(TIER_LIMITS={"growth": {"leads": 50_000, "monthly_sends": 0}}):
        data = api.data("get", "/account")

    assert (data["tier"], data["status"]) == ("growth", "past_due")
    assert (data["limits"]["leads"], data["limits"]["monthly_sends"], data["limits"]["domains"]) == (50_000, 0, None)


def test_counts_are_of_ones_own_and_end_where_nobody_counts(api, acme, rival, monkeypatch):
    for _ in range(4):
        make.lead(acme)
    make.lead(rival)
    assert api.data("get", "/account")["usage"]["leads"] == 4

    monkeypatch.setattr("outbound.account.EXACT_TOTAL_UP_TO", 3)

    assert api.data("get", "/account")["usage"]["leads"] == 3


def test_a_patch_changes_what_it_names(api, acme):
    data = api.data("patch", "/account", {"timezone": "America/New_York", "postal_address": " Main 1\n12345 Town "})

    assert (data["timezone"], data["postal_address"]) == ("America/New_York", "Main 1\n12345 Town")
    assert data["confirm_launch_above"] == 500
    assert api.data("patch", "/account", {"public_url": "https://out.example/"})["public_url"] == "https://out.example"
    assert api.data("patch", "/account", {"public_url": "", "confirm_launch_above": 0})["confirm_launch_above"] == 0
    assert api.data("patch", "/account", {})["timezone"] == "America/New_York"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Base"),
        ("timezone", ""),
        ("postal_address", "x" * 301),
        ("postal_address", "a\rb"),
        ("postal_address", None),
        ("public_url", "ftp://out.example"),
        ("public_url", "javascript:alert(1)"),
        ("public_url", "out.example"),
        ("public_url", "https://me:secret@out.example"),
        ("public_url", "https://out.example/?x=1"),
        ("public_url", "https://out.example/#x"),
        ("confirm_launch_above", -1),
        ("confirm_launch_above", "many"),
        ("name", "Rival"),
        ("tier", "enterprise"),
        ("livemode", True),
        ("status", "active"),
        ("opt_out_key", "x"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_changes(api, acme, field, value):
    answer = api(
        "patch",
        "/account",
        {field: value, "confirm_launch_above": 7} if field != "confirm_launch_above" else {field: value},
    )

    assert answer.status_code == 400
    assert field in answer.json()["details"]
    assert Workspace.objects.get(pk=acme.pk).confirm_launch_above == 500


def test_reading_needs_one_scope_and_writing_another(acme):
    reader = Api(make.key(acme, scopes=["account:read"]))

    assert reader("get", "/account").status_code == 200
    assert reader("patch", "/account", {}).json()["error"] == "Missing required scope: account:write"


class TestTheSetting:
    def test_it_reads_limits_by_tier(self, monkeypatch):
        monkeypatch.setenv("TIERS", '{"growth": {"leads": 5, "domains": null}}')

        assert env_tiers("TIERS") == {"growth": {"leads": 5, "domains": None}}
        assert env_tiers("NOT_GIVEN") == {}

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"growth": 5}', '{"g": {"lead": 5}}', '{"g": {"leads": "5"}}', '{"g": {"leads": -1}}']
    )
    def test_nonsense_stops_the_start(self, monkeypatch, text):
        monkeypatch.setenv("TIERS", text)

        with pytest.raises(ImproperlyConfigured, match="TIERS"):
            env_tiers("TIERS")
