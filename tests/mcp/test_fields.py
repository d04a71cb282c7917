"""Names where people speak names."""

import pytest
from rest_framework.exceptions import ValidationError

from leads.models import Group
from mcp.fields import NamedField


@pytest.fixture
def groups(acme):
    names = ("London Agencies", "Paris Agencies", "Dentists")
    return {name: Group.objects.create(workspace=acme, name=name) for name in names}


@pytest.fixture
def field(acme, groups):
    field = NamedField(Group.objects, what="group", listed_by="list_groups")
    field._context = {"workspace": acme}
    return field


def sentence(field, text):
    with pytest.raises(ValidationError) as refused:
        field.to_internal_value(text)
    return str(refused.value.detail[0])


def test_an_id_and_a_name_both_do(field, groups):
    group = groups["Dentists"]

    assert field.to_internal_value(str(group.id)) == group
    assert field.to_internal_value(" dentists ") == group


@pytest.mark.parametrize("text", ["london", "Londn Agencies", "LONDON AGENCIE"])
def test_a_near_miss_is_asked_about(field, text):
    assert sentence(field, text).endswith("Did you mean 'London Agencies'?")


def test_several_that_fit_are_listed(field):
    assert "'London Agencies', 'Paris Agencies'" in sentence(field, "agencies")


def test_a_stranger_is_shown_the_tool_that_lists(field):
    assert sentence(field, "xyz") == "There is no group 'xyz'. list_groups shows those there are."


def test_another_workspaces_rows_are_not_there(field, rival):
    secret = Group.objects.create(workspace=rival, name="Rivals Secret")

    assert "There is no group" in sentence(field, str(secret.id))
    assert "Secret'?" not in sentence(field, "Rivals Secre")


@pytest.mark.parametrize("value", [5, None, [], {}, True])
def test_anything_but_text_is_refused(field, value):
    assert sentence(field, value) == "Give an id as text."
