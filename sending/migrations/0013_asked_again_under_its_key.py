"""A mail of unknown fate may be committed again, to be asked for under the same key: under a token of its own."""

from importlib import import_module

from django.db import migrations

MOVES = import_module("sending.migrations.0002_legal_moves").MOVES
BEFORE = import_module("sending.migrations.0010_a_claim_brings_its_token")
MOVES_NOW = {**MOVES, "unknown": (*MOVES["unknown"], "committed")}
LEGAL = ", ".join(f"('{old}', '{new}')" for old, news in MOVES_NOW.items() for new in news)
TOKEN = BEFORE.TOKEN.replace(
    "AND NOT (OLD.state = 'claimed' AND NEW.state = 'queued' AND NEW.token IS NULL)",
    "AND NOT (OLD.state = 'claimed' AND NEW.state = 'queued' AND NEW.token IS NULL)\n"
    "        AND NOT (OLD.state = 'unknown' AND NEW.state = 'committed')",
) + """
    IF OLD.state = 'unknown' AND NEW.state = 'committed' AND NEW.token IS NOT DISTINCT FROM OLD.token THEN
        RAISE EXCEPTION 'Message % is committed again without a token of its own.', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
"""


def _on_postgresql(legal, token):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(BEFORE.FUNCTION.format(legal=legal, token=token), None)

    return run


class Migration(migrations.Migration):
    dependencies = [("sending", "0012_exact_requests")]

    operations = [migrations.RunPython(_on_postgresql(LEGAL, TOKEN), _on_postgresql(BEFORE.LEGAL, BEFORE.TOKEN))]
