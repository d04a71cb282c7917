"""The first owner's link, and keys from the command line."""

import io
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from apikeys.authentication import authenticate_token
from apikeys.models import ApiKey, Membership, Workspace
from apikeys.scopes import ALL_SCOPES
from apikeys.services import create_workspace
from apikeys.setup import setup_link

User = get_user_model()
GIVEN = {"email": "Ada@Example.com", "password": "a long enough one", "workspace": "Analytical"}


@pytest.fixture(autouse=True)
def _fresh(db, settings, tmp_path):
    settings.OUTBOUND_HOME = tmp_path
    cache.clear()


def path_of(link: str) -> str:
    return link.removeprefix("http://here")


@pytest.fixture
def link():
    return path_of(setup_link("http://here/"))


class TestTheLink:
    def test_it_makes_the_owner_and_signs_them_in(self, link, client):
        answer = client.post(link, GIVEN)
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        owner = User.objects.get()
        assert (owner.username, owner.is_superuser) == ("ada@example.com", True)
        assert Membership.objects.get(user=owner).role == "owner"
        assert Workspace.objects.get().livemode
        assert client.get("/admin/").status_code == 200

    def test_it_works_once(self, link, client):
        client.post(link, GIVEN)
        again = Client().post(link, {**GIVEN, "email": "eve@example.com"})
        assert again.status_code == 410
        assert User.objects.count() == 1

    def test_looking_at_it_makes_nothing(self, link, client):
        for _ in range(3):
            assert client.get(link).status_code == 200
        assert not User.objects.exists()

    def test_it_lives_for_a_day(self, link, client, monkeypatch):
        import time

        real = time.time
        monkeypatch.setattr(
            "django.core.signing.time.time", lambda: real() + timedelta(days=1, minutes=1).total_seconds()
        )
        assert client.get(link).status_code == 410

    def test_a_new_one_replaces_it(self, link, client):
        newer = path_of(setup_link("http://here"))
        assert client.get(link).status_code == 410
        assert client.get(newer).status_code == 200

    def test_there_is_none_once_there_is_an_owner(self, link, client):
        User.objects.create_superuser("somebody", password="x")
        assert setup_link("http://here") is None
        assert client.post(link, GIVEN).status_code == 410

    @pytest.mark.parametrize("token", ["nonsense", "a:b:c", "x" * 3000])
    def test_a_forged_one_opens_nothing(self, link, client, token):
        assert client.get(f"/setup/{token}").status_code == 410

    def test_a_weak_password_is_refused_and_the_link_still_works(self, link, client):
        answer = client.post(link, {**GIVEN, "password": "12345"})
        assert answer.status_code == 400
        assert "12345" not in answer.content.decode()
        assert client.post(link, GIVEN).status_code == 302

    def test_a_form_of_another_site_cannot_use_it(self, link):
        assert Client(enforce_csrf_checks=True).post(link, GIVEN).status_code == 403

    def test_guessing_is_slowed_down(self, client):
        answers = {client.get(f"/setup/{n}").status_code for n in range(40)}
        assert answers == {410, 429}


class TestCreateKey:
    def run(self, *args) -> str:
        out = io.StringIO()
        call_command("create_key", *args, stdout=out)
        return out.getvalue()

    def test_it_prints_the_key_and_nothing_else(self):
        raw = self.run("--workspace", "Acme")
        assert raw.startswith("aiob_live_")
        assert raw.count("\n") == 1
        assert authenticate_token(raw.strip()).workspace.name == "Acme"

    def test_without_scopes_it_may_do_everything(self):
        self.run("--workspace", "Acme", "--name", "all")
        assert set(ApiKey.objects.get().scopes) == set(ALL_SCOPES)

    def test_scopes_can_be_named(self):
        self.run("--workspace", "Acme", "--scopes", "leads:read, leads:write")
        assert ApiKey.objects.get().scopes == ["leads:read", "leads:write"]

    def test_an_unknown_scope_is_refused_and_leaves_no_workspace(self):
        with pytest.raises(CommandError, match="Unknown scope: leads:fly"):
            self.run("--workspace", "Acme", "--scopes", "leads:fly")
        assert not Workspace.objects.exists()

    def test_no_scope_at_all_is_refused(self):
        with pytest.raises(CommandError, match="at least one scope"):
            self.run("--workspace", "Acme", "--scopes", "")

    def test_a_test_workspace_is_made_with_test(self):
        assert self.run("--workspace", "Play", "--test").startswith("aiob_test_")
        assert self.run("--workspace", "Play", "--test").startswith("aiob_test_")
        assert Workspace.objects.count() == 1

    def test_a_live_workspace_stays_one(self):
        create_workspace(name="Acme")
        with pytest.raises(CommandError, match="Acme is a live workspace, and stays one"):
            self.run("--workspace", "Acme", "--test")
