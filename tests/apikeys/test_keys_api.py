"""GET, POST and DELETE /keys: shown once, never more than the giver has, gone at once."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from apikeys.models import ApiKey, StoredResponse
from apikeys.services import add_member
from apikeys.tokens import sign_in
from tests import make
from tests.base import Api

NEW = {"name": "Reports", "scopes": ["reports:read"]}


def moment(**later) -> str:
    return (timezone.now() + timedelta(**later)).isoformat()


class TestCreating:
    def test_the_key_is_shown_and_opens_what_it_may(self, api):
        made = api.data("post", "/keys", {**NEW, "scopes": ["leads:read"]}, status=201)

        assert set(made) == {
            "id",
            "name",
            "prefix",
            "scopes",
            "livemode",
            "ai_monthly_limit",
            "last_used_at",
            "expires_at",
            "created_at",
            "key",
        }
        assert made["key"].startswith(made["prefix"])
        assert (len(made["prefix"]), made["livemode"], made["expires_at"]) == (len("aiob_test_") + 8, False, None)
        assert Api(made["key"])("get", "/leads").status_code == 200
        assert Api(made["key"])("get", "/runs").status_code == 403

    def test_a_live_workspace_gives_live_keys(self, db):
        api = Api(make.key(make.workspace("Live", livemode=True)))

        assert api.data("post", "/keys", NEW)["key"].startswith("aiob_live_")

    def test_it_is_shown_this_once(self, api):
        made = api.data("post", "/keys", NEW)

        assert made["key"] not in api("get", "/keys").content.decode()
        assert made["key"] not in json.dumps(list(ApiKey.objects.values()), default=str)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "x" * 81}, "name"),
            ({"scopes": []}, "scopes"),
            ({"scopes": ["leads:fly"]}, "scopes.0"),
            ({"scopes": "leads:read"}, "scopes"),
            ({"expires_at": "tomorrow"}, "expires_at"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"workspace": "x"}, "workspace"),
        ],
    )
    def test_a_wrong_field_is_named(self, api, wrong, field):
        answer = api("post", "/keys", {**NEW, **wrong})

        assert answer.status_code == 400
        assert field in answer.json()["details"]

    def test_no_key_gives_more_than_it_has(self, acme):
        api = Api(make.key(acme, scopes=["keys:write", "leads:read"]))

        answer = api("post", "/keys", {"name": "More", "scopes": ["leads:read", "leads:write", "campaigns:write"]})

        assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_held")
        assert answer.json()["error"] == "You cannot give scopes that you do not have: campaigns:write, leads:write."
        assert api("post", "/keys", {"name": "Less", "scopes": ["leads:read"]}).status_code == 201

    @pytest.mark.parametrize(("role", "status"), [("owner", 201), ("admin", 201), ("member", 403), ("viewer", 403)])
    def test_of_people_only_owners_and_admins_make_keys(self, acme, role, status):
        user = get_user_model().objects.create_user("ann", password="pw")  # noqa: S106
        add_member(workspace=acme, user=user, role=role)
        token, _ = sign_in(name="ann", password="pw")  # noqa: S106

        assert Api(str(token.access_token))("post", "/keys", NEW).status_code == status


class TestOnceByIdempotencyKey:
    def test_a_repeat_gets_the_same_key_again(self, api):
        first = api("post", "/keys", NEW, Idempotency_Key="k")
        again = api("post", "/keys", NEW, Idempotency_Key="k")

        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        assert Api(again.json()["data"]["key"])("get", "/leads").status_code == 403
        assert ApiKey.objects.filter(name="Reports").count() == 1

    def test_what_is_stored_for_it_is_not_the_key(self, api):
        raw = api.data("post", "/keys", NEW, Idempotency_Key="k")["key"]

        assert raw not in json.dumps(list(StoredResponse.objects.values()), default=str)


class TestExpiry:
    def test_it_works_until_then_and_not_after(self, api):
        made = api.data("post", "/keys", {**NEW, "scopes": ["leads:read"], "expires_at": moment(hours=1)})
        assert made["expires_at"].endswith("Z")
        assert Api(made["key"])("get", "/leads").status_code == 200

        ApiKey.objects.filter(pk=made["id"]).update(expires_at=timezone.now())

        assert Api(made["key"])("get", "/leads").status_code == 401

    def test_a_moment_without_a_zone_is_utc(self, api):
        made = api.data("post", "/keys", {**NEW, "expires_at": "2099-01-01T00:00:00"})

        assert made["expires_at"] == "2099-01-01T00:00:00.000Z"


class TestListing:
    def test_by_prefix_newest_first(self, api):
        made = [api.data("post", "/keys", {**NEW, "name": name}) for name in ("One", "Two")]

        rows = api("get", "/keys").json()

        assert [row["prefix"] for row in rows["data"][:2]] == [made[1]["prefix"], made[0]["prefix"]]
        assert all("key" not in row for row in rows["data"])
        assert rows["meta"]["total"] == 3
        assert rows["data"][2]["last_used_at"] is not None

    def test_a_strangers_keys_are_not_there(self, api, rival_api):
        assert len(api.data("get", "/keys")) == 1
        assert api("delete", f"/keys/{rival_api.data('get', '/keys')[0]['id']}").status_code == 404


class TestRevoking:
    def test_the_next_request_is_refused(self, api):
        made = api.data("post", "/keys", {**NEW, "scopes": ["leads:read"]})
        assert Api(made["key"])("get", "/leads").status_code == 200

        assert api("delete", f"/keys/{made['id']}").status_code == 204

        assert Api(made["key"])("get", "/leads").status_code == 401
        assert api("delete", f"/keys/{made['id']}").status_code == 404
        assert made["id"] not in [row["id"] for row in api.data("get", "/keys")]

    def test_a_key_may_revoke_itself(self, acme):
        api = Api(make.key(acme))

        assert api("delete", f"/keys/{api.data('get', '/keys')[0]['id']}").status_code == 204
        assert api("get", "/keys").status_code == 401
