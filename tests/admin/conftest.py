import pytest
from django.contrib.auth import get_user_model

from apikeys.models import Membership
from apikeys.services import add_member
from tests.admin.world import build_world, plumbing


@pytest.fixture
def run(db, settings):
    settings.DISPATCH_THREADS = 1  # in the test's own connection
    run = build_world("Acme")
    plumbing()
    return run


@pytest.fixture
def acme(run):
    return run.workspace


@pytest.fixture
def owner(db, client):
    user = get_user_model().objects.create_superuser("owner@acme.test", "owner@acme.test", "correct horse battery")
    client.force_login(user)
    return user


@pytest.fixture
def staff(db):
    """Makes somebody of the staff with a role in a workspace."""

    def make(workspace, role=Membership.Role.MEMBER, name="staff"):
        user = get_user_model().objects.create_user(f"{name}@x.test", is_staff=True, password="correct horse battery")
        add_member(workspace=workspace, user=user, role=role)
        return user

    return make
