from django.urls import reverse


def test_it_tells_an_empty_product_what_to_do_first(owner, client):
    assert "Make a workspace" in client.get("/admin/").content.decode()


def test_every_number_opens_the_rows_it_was_counted_from(run, owner, client):
    page = client.get("/admin/")
    cards = {card["title"]: card for card in page.context["cards"]}
    assert cards["Leads"]["count"] == "7"
    assert cards["Parked sends"]["count"] == "1"
    assert cards["Replies waiting"]["count"] == "1"
    for card in cards.values():
        rows = client.get(card["url"]).context["cl"].result_list
        assert str(len(rows)) == card["count"], card["title"]


def test_the_chart_counts_what_was_sent_and_replied(run, owner, client):
    chart = client.get("/admin/").context["chart"]
    assert chart["sent"] == run.lane.messages.filter(direction="out", state="sent").count()
    assert chart["replied"] == 1


def test_a_member_sees_the_home_of_their_workspace_alone(run, staff, client):
    from tests.admin.world import build_world

    rival = build_world("Rival").workspace
    client.force_login(staff(rival))
    page = client.get("/admin/", {"workspace": run.workspace_id})
    assert page.context["workspace"] == rival
    assert "Acme" not in page.content.decode()
    assert client.get(reverse("admin:leads_lead_changelist")).status_code == 200
