"""What several tests of leads need."""

import pytest
from django.db import connection


@pytest.fixture
def refuses_carol(db):
    """The database itself refuses one address, as it would a row that we should have refused."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE leads_lead ADD CONSTRAINT no_carol CHECK (email <> 'carol@new.com')")
        else:
            cursor.execute(
                "CREATE TRIGGER no_carol BEFORE INSERT ON leads_lead WHEN NEW.email = 'carol@new.com' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
