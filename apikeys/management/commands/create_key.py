"""`manage.py create_key --workspace NAME`: a new API key, and nothing else, on stdout."""

from django.core.management import BaseCommand, CommandError
from django.db import transaction

from apikeys import services
from apikeys.models import Workspace
from apikeys.scopes import ALL_SCOPES
from outbound.api.errors import ApiError


class Command(BaseCommand):
    help = "Prints a new API key of a workspace, which is created if need be. The key is shown this once."

    def add_arguments(self, parser):
        parser.add_argument("--workspace", required=True, help="its name")
        parser.add_argument("--test", action="store_true", help="a test workspace: sends no mail, calls no model")
        parser.add_argument("--name", default="command line", help="what the key is for")
        parser.add_argument("--scopes", help="comma-separated, such as leads:read,leads:write; all when absent")

    def handle(self, *, workspace, test, name, scopes, **_):
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()] if scopes is not None else ALL_SCOPES
        if not wanted:
            raise CommandError("Name at least one scope, or leave --scopes away for all.")
        try:
            with transaction.atomic():
                _, raw = services.create_key(
                    workspace=_workspace(workspace.strip(), test), name=name[:80], scopes=wanted
                )
        except ApiError as error:
            raise CommandError(error.message) from None
        self.stdout.write(raw)


def _workspace(name: str, test: bool) -> Workspace:
    if not name or len(name) > 80:
        raise CommandError("A workspace's name has 1 to 80 characters.")
    found = Workspace.objects.filter(name=name).first()
    if found is None:
        return services.create_workspace(name=name, livemode=not test)
    if test and found.livemode:
        raise CommandError(f"{name} is a live workspace, and stays one. Choose another name for a test workspace.")
    return found
