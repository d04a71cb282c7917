"""Secrets at rest: bound to their row and column, and written anew with a new key while the old one still serves."""

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection

from outbound.bulk import update_rows
from outbound.fields import CannotOpen, Sealed, box, key_of, newest_key
from outbound.secret_rotation import encrypted_columns
from sending.models import Mailbox
from tests import make

pytestmark = pytest.mark.django_db

SECRET = "correct horse"


def stored(row, column: str) -> str:
    with connection.cursor() as cursor:
        pk = row._meta.pk.get_db_prep_value(row.pk, connection)
        cursor.execute(f"SELECT {column} FROM {row._meta.db_table} WHERE id = %s", [pk])
        return cursor.fetchone()[0]


def put(row, column: str, text: str) -> None:
    update_rows(type(row), [{"id": row.pk, column: Sealed(text)}])


def run(*args) -> str:
    out = StringIO()
    call_command("rotate_secrets", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def box_of_acme(acme):
    return make.mailbox(acme, email="a@you.example", password=SECRET, imap_password="imap")


class TestAtRest:
    def test_a_secret_is_readable_in_python_and_ciphertext_in_the_database(self, box_of_acme):
        assert Mailbox.objects.get().password == SECRET
        assert stored(box_of_acme, "password").startswith(f"sealed:{newest_key()}:")
        assert SECRET not in stored(box_of_acme, "password")

    def test_a_ciphertext_of_another_row_does_not_open(self, acme, box_of_acme):
        other = make.mailbox(acme, email="b@you.example", password="of b")
        put(box_of_acme, "password", stored(other, "password"))
        with pytest.raises(CannotOpen):
            _ = Mailbox.objects.get(pk=box_of_acme.pk).password

    def test_a_ciphertext_of_another_column_does_not_open(self, box_of_acme):
        put(box_of_acme, "password", stored(box_of_acme, "imap_password"))
        with pytest.raises(CannotOpen):
            _ = Mailbox.objects.get(pk=box_of_acme.pk).password

    def test_saving_a_row_does_not_write_an_unchanged_secret_anew(self, box_of_acme):
        before = stored(box_of_acme, "password")
        row = Mailbox.objects.get()
        assert row.password == SECRET
        row.save()
        assert stored(row, "password") == before

    def test_a_secret_taken_over_from_another_row_is_bound_anew(self, acme, box_of_acme):
        other = make.mailbox(acme, email="b@you.example", password="of b")
        other.password = Mailbox.objects.get(pk=box_of_acme.pk).password
        other.save(update_fields=["password"])
        assert Mailbox.objects.get(pk=other.pk).password == SECRET

    def test_an_update_without_the_row_is_refused(self, box_of_acme):
        with pytest.raises(TypeError):
            Mailbox.objects.update(password="plain")

    def test_dumped_data_holds_ciphertext_and_loads_again(self, box_of_acme):
        dumped = serializers.serialize("json", Mailbox.objects.all())
        assert SECRET not in dumped
        for row in serializers.deserialize("json", dumped):
            row.save()
        assert Mailbox.objects.get().password == SECRET


class TestRotation:
    def test_every_encrypted_column_is_found(self):
        found = {f"{model._meta.label}.{column.name}" for model, column in encrypted_columns()}
        assert {"sending.Mailbox.password", "apikeys.Workspace.opt_out_key", "apikeys.WebhookEndpoint.secret"} <= found

    def test_a_new_key_takes_over_and_the_old_one_can_go(self, settings, acme, box_of_acme):
        settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
        with pytest.raises(CommandError, match="need an older key"):
            run("--check")
        assert Mailbox.objects.get().password == SECRET
        key = acme.opt_out_key
        assert "sending.Mailbox.password: 1 encrypted anew" in run()
        settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
        assert "Every secret is encrypted with the newest key." in run("--check")
        assert Mailbox.objects.get().password == SECRET
        acme.refresh_from_db()
        assert acme.opt_out_key == key

    def test_what_was_done_is_not_done_twice(self, settings, box_of_acme):
        settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
        run()
        before = stored(box_of_acme, "password")
        assert "sending.Mailbox.password: 0 encrypted anew" in run()
        assert stored(box_of_acme, "password") == before

    def test_more_rows_than_a_batch_are_all_written(self, settings, acme, monkeypatch):
        monkeypatch.setattr("outbound.secret_rotation.BATCH", 3)
        for number in range(7):
            make.mailbox(acme, email=f"m{number}@you.example", password=SECRET)
        settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
        assert "sending.Mailbox.password: 7 encrypted anew" in run()
        assert {key_of(stored(row, "password")) for row in Mailbox.objects.all()} == {newest_key()}

    def test_a_value_of_before_opens_and_is_bound(self, box_of_acme):
        put(box_of_acme, "password", box().encrypt(SECRET.encode()).decode())
        assert Mailbox.objects.get().password == SECRET
        with pytest.raises(CommandError):
            run("--check")
        run()
        assert key_of(stored(box_of_acme, "password")) == newest_key()
        assert Mailbox.objects.get().password == SECRET

    def test_a_value_that_no_key_opens_is_reported_and_left_alone(self, settings, box_of_acme):
        before = stored(box_of_acme, "password")
        settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        with pytest.raises(CommandError, match="Put the key back"):
            run()
        assert stored(box_of_acme, "password") == before
