"""An import that goes wrong fails by itself, with a sentence; one whose reader died is taken over by one reader."""

from datetime import timedelta

import pytest

from leads import imports
from leads.models import Import, Lead
from outbound.clock import real_now
from tests import make


def waiting(acme, email: str) -> Import:
    return imports.start_import(workspace=acme, content=f"email\n{email}\n".encode(), now=make.NOW)


def reader_dies(batch: Import) -> None:
    """It was claimed, and its lease ran out."""
    assert imports._claim(batch.pk)
    Import.objects.filter(pk=batch.pk).update(lease_until=real_now() - timedelta(seconds=1))


def test_a_surprise_fails_that_import_and_no_other(acme, api, refuses_carol):
    bad, good = waiting(acme, "carol@new.com"), waiting(acme, "dan@new.com")

    imports.read_waiting()

    shown = api.data("get", f"/imports/{bad.pk}")
    assert shown["state"] == "failed" and shown["failure"].startswith("Something went wrong on our side after 0 rows.")
    assert api.data("get", f"/imports/{good.pk}")["state"] == "done"
    assert imports.waiting_imports() == []


def test_one_whose_reader_dies_every_time_fails_after_three(acme, api):
    batch = waiting(acme, "dan@new.com")
    for _ in range(imports.TRIES):
        reader_dies(batch)

    imports.read_waiting()

    shown = api.data("get", f"/imports/{batch.pk}")
    assert shown["state"] == "failed" and "3 times" in shown["failure"]
    assert not Lead.objects.exists()


def test_a_reader_whose_lease_ran_out_changes_nothing_any_more(acme):
    batch = waiting(acme, "dan@new.com")
    slow = imports._claim(batch.pk)
    Import.objects.update(lease_until=real_now() - timedelta(seconds=1))
    imports.run_import(batch.pk, now=make.NOW)
    Lead.objects.all().delete()

    with pytest.raises(imports.Lost):
        imports._read(slow, make.NOW)
    with pytest.raises(imports.Lost):
        imports._finish(slow, failure="too late", now=make.NOW)

    batch.refresh_from_db()
    assert (batch.state, batch.created, batch.failure) == ("done", 1, "")
    assert not Lead.objects.exists()
