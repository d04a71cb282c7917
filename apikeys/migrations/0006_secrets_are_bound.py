from django.db import migrations

from outbound.fields import EncryptedField
from outbound.secret_rotation import rotate


def bind(apps, schema_editor):
    """Secrets of before were bound to no row: they are sealed for theirs. What no key opens stays as it is."""
    for model in apps.get_app_config("apikeys").get_models():
        for column in model._meta.local_concrete_fields:
            if isinstance(column, EncryptedField):
                rotate(model, column)


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0005_tracking")]
    operations = [migrations.RunPython(bind, migrations.RunPython.noop)]
