"""A canary in every secret that is kept, found by introspection: after a run it is nowhere to be seen."""

import io
import json
import logging

import pytest
import redis
from django.apps import apps
from django.conf import settings as configured
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core import serializers
from django.db import connection, models
from django.urls import NoReverseMatch, reverse

from apikeys.models import ApiKey, WebhookDelivery
from outbound.fields import EncryptedField
from outbound.secret_rotation import encrypted_columns
from sending.models import Mailbox
from sending.postoffice import dispatch
from tests import make
from tests.admin.world import build_world
from tests.base import Api
from tests.contract import operations

CANARY = "canary-b7c1-must-never-leave"


@pytest.fixture
def world(db, settings):
    settings.DISPATCH_THREADS = 1
    return build_world("Acme").workspace


def canary_of(model, column, row) -> str:
    return f"{CANARY}-{model._meta.label_lower}-{column.name}-{row.pk}"


def put_canaries() -> dict[str, int]:
    """In every encrypted column of every row; how many in each column."""
    found = {}
    for model, column in encrypted_columns():
        rows = list(model._base_manager.all())
        for row in rows:
            setattr(row, column.attname, canary_of(model, column, row))
            row.save(update_fields=[column.attname])
        found[f"{model._meta.label}.{column.name}"] = len(rows)
    return found


def dump() -> str:
    """Every table, every column, as text: what a copy of the database gives away."""
    with connection.cursor() as cursor:
        texts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            texts.append(repr([tuple(map(_plain, row)) for row in cursor.fetchall()]))
    return "\n".join(texts)


def _plain(value):
    return bytes(value).decode("latin-1") if isinstance(value, memoryview | bytes) else value


def admin_pages(limit: int = 20):
    """The list, and the page of each row, of every model in the admin."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        for row in model._default_manager.order_by("pk")[:limit]:
            yield reverse(f"{name}_change", args=[row.pk])
            try:
                yield reverse(f"{name}_history", args=[row.pk])
            except NoReverseMatch:
                continue


def api_answers(api, workspace):
    """Every GET without an id, and every GET of one row, of every row there is of it."""
    for operation in operations():
        if operation.method != "GET":
            continue
        if not operation.has_id:
            yield operation.path, api("GET", "/" + operation.path).content.decode()
            continue
        for pk in ids_below(api, operation.path):
            path = operation.path.replace("<str:pk>", pk).replace("<str:name>", pk)
            yield path, api("GET", "/" + path).content.decode()


def ids_below(api, path: str) -> list[str]:
    """Ids from the list that the path hangs on."""
    listed = api("GET", "/" + path.split("/<")[0])
    data = listed.json().get("data") if listed.status_code == 200 else []
    return (
        [str(row["id"]) for row in data if isinstance(row, dict) and "id" in row][:20] if isinstance(data, list) else []
    )


def test_no_secret_is_seen_anywhere(world, client, caplog):
    caplog.set_level(logging.DEBUG)
    counted = put_canaries()
    assert counted["sending.MailboxGrant.access_token"] and counted["sending.Mailbox.password"]
    empty = {column for column, count in counted.items() if not count}
    assert CANARY in Mailbox.objects.first().password
    assert not empty, f"No row carries a canary in {empty}: give tests/admin/world.py one."
    raw = make.key(world)
    api = Api(raw)

    seen = {"the database": dump(), "dumpdata": _dumpdata()}
    client.force_login(get_user_model().objects.create_superuser("root@x.test", "root@x.test", "correct horse battery"))
    pages = {url: client.get(url) for url in admin_pages()}
    assert len(pages) > 60
    seen |= {url: page.content.decode("latin-1") for url, page in pages.items()}
    answers = dict(api_answers(api, world))
    assert len(answers) > 40
    seen |= answers
    client.post(f"/admin/sending/mailbox/{Mailbox.objects.first().pk}/do/check/")
    dispatch()
    seen["webhooks"] = repr(list(WebhookDelivery.objects.values_list("body", "response_body", "history")))
    seen["the database afterwards"] = dump()
    seen["the log"] = caplog.text
    seen["redis"] = _redis()

    leaks = [f"{CANARY} in {where}" for where, text in seen.items() if CANARY in text]
    leaks += [f"the key in {where}" for where, text in seen.items() if raw in text]
    assert not leaks
    print(
        f"\n{sum(counted.values())} canaries in {len(counted)} columns; {len(pages)} pages, {len(answers)} answers: 0"
    )


def _dumpdata() -> str:
    """What manage.py dumpdata would write of the tables that hold secrets."""
    out = io.StringIO()
    for model in {model for model, _ in encrypted_columns()}:
        serializers.serialize("json", model._base_manager.all(), stream=out)
    return out.getvalue()


def _redis() -> str:
    """Every key and value of this run's, where Redis is used."""
    if not configured.REDIS_URL:
        return ""
    server = redis.Redis.from_url(configured.REDIS_URL)
    texts = []
    for key in server.scan_iter(f"*{configured.RUN}*", count=1000):
        kind = server.type(key)
        read = {b"string": server.get, b"hash": server.hgetall, b"set": server.smembers}.get(kind)
        texts.append(repr((key, read(key) if read else server.lrange(key, 0, -1) if kind == b"list" else b"")))
    return "\n".join(texts)


def test_a_column_that_looks_like_a_secret_is_encrypted_or_a_digest(db):
    """By its name, so that a new one cannot slip in as plain text."""
    words = ("password", "secret", "token", "api_key", "private")
    known = {
        "auth.User.password",  # hashed by Django
        *(f"{model._meta.label}.token" for model in apps.get_models()
          if any(field.name == "token" and isinstance(field, models.UUIDField) for field in model._meta.fields)),
    }  # fmt: skip
    plain = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if any(word in field.name for word in words)
        and isinstance(field, models.CharField | models.TextField | models.JSONField)
        and not isinstance(field, EncryptedField)
    ]
    assert sorted(set(plain) - known) == []


def test_a_key_is_kept_as_a_digest_alone(acme):
    raw = make.key(acme)
    row = ApiKey.objects.get()
    assert raw not in json.dumps({field.name: str(getattr(row, field.attname)) for field in row._meta.fields})
