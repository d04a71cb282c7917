"""What a move may do to the token, held by PostgreSQL as well: a claim brings a new one, and it is kept until the row is free.

An outcome written under another token than the commit's would be another attempt's.
"""

from importlib import import_module

from django.db import migrations

LEGAL = import_module("sending.migrations.0002_legal_moves").LEGAL
FUNCTION = """
CREATE OR REPLACE FUNCTION sending_message_moves_legally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN ({legal}) THEN
        RAISE EXCEPTION 'Message % may not move from % to %.', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    {token}
    RETURN NEW;
END
$$;
"""
TOKEN = """
    IF NEW.state = 'claimed' AND (NEW.token IS NULL OR NEW.token IS NOT DISTINCT FROM OLD.token) THEN
        RAISE EXCEPTION 'Message % is claimed without a token of its own.', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state = 'committed' AND (NEW.token IS NULL OR NEW.committed_at IS NULL) THEN
        RAISE EXCEPTION 'Message % is committed without a claim.', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('claimed', 'committed', 'unknown') AND NEW.token IS DISTINCT FROM OLD.token
        AND NOT (OLD.state = 'claimed' AND NEW.state = 'queued' AND NEW.token IS NULL) THEN
        RAISE EXCEPTION 'Message % changes its token while it is held.', OLD.id USING ERRCODE = 'check_violation';
    END IF;
"""


def _on_postgresql(token):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(FUNCTION.format(legal=LEGAL, token=token), None)

    return run


class Migration(migrations.Migration):
    dependencies = [("sending", "0009_tried_since")]

    operations = [migrations.RunPython(_on_postgresql(TOKEN), _on_postgresql(""))]
