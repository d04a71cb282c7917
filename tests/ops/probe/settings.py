from outbound.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "outbound", "tests.ops.probe"]
ROOT_URLCONF = "tests.ops.probe"
MIDDLEWARE = []
