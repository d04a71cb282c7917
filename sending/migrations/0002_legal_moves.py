"""The moves of sending/states.py, held by PostgreSQL as well: a bug cannot take a message out of a final state."""

from django.db import migrations

MOVES = {
    "queued": ("claimed", "canceled", "skipped"),
    "claimed": ("committed", "queued", "refused", "skipped", "canceled"),
    "committed": ("sent", "refused", "queued", "unknown"),
    "unknown": ("sent", "refused", "queued", "canceled"),
}
LEGAL = ", ".join(f"('{old}', '{new}')" for old, news in MOVES.items() for new in news)
CREATE = f"""
CREATE FUNCTION sending_message_moves_legally() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN ({LEGAL}) THEN
        RAISE EXCEPTION 'Message % may not move from % to %.', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sending_message_moves_legally
    BEFORE UPDATE OF state ON sending_message
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION sending_message_moves_legally();
"""
DROP = """
DROP TRIGGER sending_message_moves_legally ON sending_message;
DROP FUNCTION sending_message_moves_legally();
"""


def _on_postgresql(sql):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, None)

    return run


class Migration(migrations.Migration):
    dependencies = [("sending", "0001_initial")]

    operations = [migrations.RunPython(_on_postgresql(CREATE), _on_postgresql(DROP))]
