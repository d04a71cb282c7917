"""The review page: what was written beside what it rests on, and a word on it."""

import pytest
from django.urls import reverse

from leads.models import Lead, Variable, VariableValue
from leads.review_admin import marked
from tests import make
from tests.admin.test_actions import do, said

pytestmark = pytest.mark.usefixtures("owner")


@pytest.fixture
def variable(run) -> Variable:
    return Variable.objects.get(workspace=run.workspace)


@pytest.fixture
def waiting(variable) -> VariableValue:
    lead = make.lead(variable.workspace, "nina@people.example", company_name="Nova <b>Labs</b>")
    row = make.in_review(variable, lead, "How is Berlin, <script>Nina</script>?")
    row.evidence["claims"] += [{"field": "first_name", "quote": "Jo", "holds": True}]
    row.save()
    return row


def page_of(variable, query: str = "") -> str:
    return reverse("admin:leads_variable_review", args=[variable.pk]) + query


def word(client, row, action: str, **data):
    return client.post(page_of(row.variable), {"lead": str(row.lead_id), "action": action, **data})


def test_a_text_stands_beside_what_it_rests_on(client, waiting):
    shown = client.get(page_of(waiting.variable)).content.decode()

    assert '<mark class="ob-loose">Berlin</mark>' in shown
    assert '<mark class="ob-quote">Jo</mark>' in shown
    assert "does not say “Berlin”" in shown
    assert "&lt;script&gt;Nina" in shown and "<script>Nina" not in shown
    assert "nina@people.example" in shown


def test_approved_it_goes_out(client, waiting):
    assert said(word(client, waiting, "approve")) == ["success: Approved for nina@people.example."]
    waiting.refresh_from_db()
    assert waiting.state == "done"
    again = said(word(client, waiting, "approve"))[-1]
    assert again == "error: Only a value in review can be approved. This one is done."


def test_edited_it_goes_out_as_edited(client, waiting):
    word(client, waiting, "edit", value="Hello Nina.")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.value) == ("overridden", "Hello Nina.")
    assert "error" in said(word(client, waiting, "edit", value=" "))[-1]


def test_it_can_be_written_anew(client, waiting):
    word(client, waiting, "retry")
    waiting.refresh_from_db()
    assert waiting.state != "review"


def test_all_can_be_approved(client, waiting):
    assert said(client.post(page_of(waiting.variable), {"action": "approve_all"})) == ["success: 1 approved."]


@pytest.mark.parametrize("query", ["?state=done", "?state=nonsense", "?after=nonsense", "?state=failed"])
def test_every_tab_opens(client, waiting, query):
    assert client.get(page_of(waiting.variable, query)).status_code == 200


def test_a_viewer_looks_and_says_nothing(client, waiting, staff):
    client.force_login(staff(waiting.workspace, "viewer"))
    assert b'value="approve"' not in client.get(page_of(waiting.variable)).content
    assert word(client, waiting, "approve").status_code == 403


def test_a_stranger_finds_nothing(client, waiting, staff):
    client.force_login(staff(make.workspace("Rival")))
    assert client.get(page_of(waiting.variable)).status_code == 404
    assert word(client, waiting, "approve").status_code == 404
    waiting.refresh_from_db()
    assert waiting.state == "review"


def test_a_sample_is_written_from_the_page(client, variable):
    for number in range(30):
        make.lead(variable.workspace, f"new{number}@people.example")
    assert said(do(client, variable, "sample"))[0].startswith("success: opening_line: 10 to write")
    assert Lead.objects.for_workspace(variable.workspace).filter(variable_values=None).count() >= 20


def test_what_is_highlighted_is_escaped():
    assert marked("<b>A</b> & B", ["b", "A</b>"], "x").count("<mark") == 3
    assert "<b>" not in marked("<b>A</b> & B", ["b", "A</b>"], "x")
