"""Idempotency-Key: the same key and body have one effect, and the same answer again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from apikeys.models import StoredResponse
from campaigns.models import Campaign
from leads.models import Group, Import, Lead
from tests import make
from tests.base import Api

GROUP = {"name": "Agencies"}


def again(answer) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_the_second_answer_is_the_first_one_and_says_so(api):
    first = api("post", "/groups", GROUP, idempotency_key="k")
    second = api("post", "/groups", GROUP, idempotency_key="k")

    assert (first.status_code, second.status_code) == (201, 201)
    assert (again(first), again(second)) == (False, True)
    assert first.json() == second.json()
    assert Group.objects.count() == 1


def test_another_order_of_the_same_fields_is_the_same_body(api):
    api("post", "/groups", {"name": "A", "color": "red"}, idempotency_key="k")

    assert again(api("post", "/groups", {"color": "red", "name": "A"}, idempotency_key="k"))


def test_another_body_is_422(api):
    api("post", "/groups", GROUP, idempotency_key="k")
    answer = api("post", "/groups", {"name": "Others"}, idempotency_key="k")

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert Group.objects.count() == 1


def test_another_query_is_another_request(api, acme):
    def send(query):
        return api.client.post(
            f"/api/v1/imports?{query}", b"email\na@b.example\n", content_type="text/csv", HTTP_IDEMPOTENCY_KEY="k"
        )

    assert send("dry_run=true").status_code == 201
    assert again(send("dry_run=true"))
    assert send("dry_run=false").status_code == 422
    assert Import.objects.count() == 1


def test_another_path_or_method_or_caller_is_another_request(api, acme, rival_api):
    group = api.data("post", "/groups", GROUP, idempotency_key="k")

    assert not again(api("patch", f"/groups/{group['id']}", GROUP, idempotency_key="k"))
    assert not again(rival_api("post", "/groups", GROUP, idempotency_key="k"))
    assert Api(make.key(acme))("post", "/groups", GROUP, idempotency_key="k").status_code == 409


def test_what_was_refused_is_not_stored(api):
    assert api("post", "/groups", {"name": ""}, idempotency_key="k").status_code == 400
    assert api("post", "/groups", GROUP, idempotency_key="k").status_code == 201
    assert api("post", "/groups", GROUP, idempotency_key="other").status_code == 409
    assert StoredResponse.objects.count() == 1


def test_a_key_has_255_characters_at_most(api):
    assert api("post", "/groups", GROUP, idempotency_key="k" * 255).status_code == 201
    answer = api("post", "/groups", {"name": "Others"}, idempotency_key="k" * 256)

    assert answer.status_code == 400
    assert list(answer.json()["details"]) == ["Idempotency-Key"]
    assert Group.objects.count() == 1


def test_a_delete_is_answered_again_too(api, acme):
    group = make.group(acme)

    assert api("delete", f"/groups/{group.id}", idempotency_key="k").status_code == 204
    second = api("delete", f"/groups/{group.id}", idempotency_key="k")
    assert second.status_code == 204
    assert again(second)
    assert second.content == b""
    assert api("delete", f"/groups/{group.id}").status_code == 404


def test_after_a_day_the_key_is_free(api):
    api("post", "/groups", GROUP, idempotency_key="k")
    StoredResponse.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert api("post", "/groups", GROUP, idempotency_key="k").status_code == 409  # carried out, and the name is taken


def test_reads_take_no_notice_of_it(api):
    assert api("get", "/groups", idempotency_key="k").status_code == 200
    assert not StoredResponse.objects.exists()


def test_a_replayed_launch_sends_nothing_twice(api, acme):
    make.lead(acme)
    body = {
        "sequence_id": str(make.sequence(acme).id),
        "sender_email": "hi@you.example",
        "include_active_elsewhere": True,
    }

    first = api("post", "/runs", body, idempotency_key="k")
    second = api("post", "/runs", body, idempotency_key="k")

    assert first.json()["data"]["id"] == second.json()["data"]["id"]
    assert Campaign.objects.count() == 1


def test_a_replayed_pause_does_not_undo_a_resume(api, acme):
    make.lead(acme)
    run = make.run(acme)
    api.data("post", f"/runs/{run.id}/pause", idempotency_key="k")
    api.data("post", f"/runs/{run.id}/resume")

    answer = api("post", f"/runs/{run.id}/pause", idempotency_key="k")

    assert again(answer)
    assert Campaign.objects.get().status == "active"


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    """Real connections: each request commits on its own."""

    def both(self, key, method, path, body) -> list:
        barrier = threading.Barrier(2)

        def send(_):
            client = Api(key)
            barrier.wait()
            try:
                return client(method, path, body, idempotency_key="k")
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(send, range(2)))

    def test_a_run_is_created_once(self, acme):
        make.lead(acme)
        body = {"sequence_id": str(make.sequence(acme).id), "sender_email": "hi@you.example"}

        answers = self.both(make.key(acme), "post", "/runs", body)

        assert sorted(answer.status_code for answer in answers) in ([201, 201], [201, 409])
        assert sum(again(answer) for answer in answers) == [a.status_code for a in answers].count(201) - 1
        assert Campaign.objects.count() == 1

    def test_leads_are_added_once(self, acme):
        rows = [{"email": f"p{n}@people.example"} for n in range(50)]

        answers = self.both(make.key(acme), "post", "/leads", rows)

        created = [answer.json()["data"]["created"] for answer in answers if answer.status_code == 200]
        assert set(created) == {50}
        assert Lead.objects.count() == 50

    def test_a_pause_is_carried_out_once(self, acme):
        make.lead(acme)
        run = make.run(acme)

        answers = self.both(make.key(acme), "post", f"/runs/{run.id}/pause", {})

        assert sorted(answer.status_code for answer in answers) in ([200, 200], [200, 409])
        assert Campaign.objects.get().status == "paused"

    def test_without_a_key_the_same_new_address_twice_is_one_lead(self, acme):
        key, barrier = make.key(acme), threading.Barrier(4)

        def send(_):
            client = Api(key)
            barrier.wait()
            try:
                return client("post", "/leads", {"email": "same@people.example", "groups": ["New"]}).status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(send, range(4))) == {200}
        assert Lead.objects.count() == Group.objects.count() == 1

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/groups", {"name": "Same"}),
            ("/variables", {"name": "same", "prompt_template": "x"}),
            ("/sequences", {"name": "Same", "steps": [{"subject": "a", "body_text": "b"}]}),
        ],
    )
    def test_the_same_name_twice_is_a_409_and_no_500(self, acme, path, body):
        key, barrier = make.key(acme), threading.Barrier(4)

        def send(_):
            client = Api(key)
            barrier.wait()
            try:
                return client("post", path, body).status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(send, range(4))) == [201, 409, 409, 409]
