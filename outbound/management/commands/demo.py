"""`manage.py demo`: watch leads become delivered, personalised mails with replies coming back."""

import secrets
import signal
import sys
import time

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand
from django.db import connections

from apikeys.models import Membership, Workspace
from apikeys.services import add_member
from outbound.demo.doors import Refused, Rest, Tools
from outbound.demo.product import Product, free_port
from outbound.demo.screen import Screen
from outbound.demo.stage import Stage
from outbound.demo.story import tell

PERSON = "demo"


class Command(BaseCommand):
    help = "Starts the product, sends a small campaign in a test workspace, and shows what comes back."

    def add_arguments(self, parser):
        parser.add_argument("--exit", action="store_true", help="end afterwards; status 0 only if everything held")
        parser.add_argument("--port", type=int, default=8000, help="for the web server; another one if it is taken")

    def handle(self, *, exit, port, **_):  # noqa: A002
        signal.signal(signal.SIGTERM, _interrupt)
        screen = Screen(self.stdout._out)
        product = Product(folder=settings.BASE_DIR, home=settings.OUTBOUND_HOME)
        held, failed = False, False
        try:
            screen.say("Starting the product …")
            product.start(port=0 if exit else free_port(port))
            stage, name = self._stage(product, screen)
            held = tell(stage)
            if not exit:
                _stay(product, stage, name)
        except (Refused, TimeoutError) as error:
            failed = True
            screen.say(f"\n{error}")
            screen.say(f"The product's own words are in {product.log}:\n{product.last_words()}")
        except KeyboardInterrupt:
            screen.say()
        finally:
            screen.say("Stopping …")
            failed = product.stop() != 0 or failed
        if failed or (exit and not held):
            sys.exit(1)

    def _stage(self, product: Product, screen: Screen) -> tuple[Stage, str]:
        name = time.strftime("Demo %Y-%m-%d %H:%M:%S")
        key = product.command("create_key", "--workspace", name, "--test", "--name", "demo")
        screen.say(
            f"Outbound runs at {product.url}. Test workspace “{name}”: its mails go to a sandbox, and nowhere else."
        )
        rest, tools = Rest(url=product.url, key=key), Tools(url=product.url, key=key)
        return Stage(rest=rest, tools=tools, screen=screen, examples=settings.BASE_DIR / "examples"), name


def _stay(product: Product, stage: Stage, workspace: str) -> None:
    """Say where to look around, and wait."""
    stage.screen.heading("Look around")
    stage.screen.say(
        f"   Admin      {product.url}/admin/   {_sign_in(workspace)}\n"
        f"   API docs   {product.url}/api/docs\n"
        f"   MCP        {product.url}/api/mcp\n"
        f"   Key        {stage.rest.key}\n"
        f"   This run   {product.url}/api/v1/runs/{stage.facts.run['id']}\n\n"
        "   It stays up until you press Ctrl-C; `make run` starts it again with everything in it."
    )
    while product.is_alive():
        time.sleep(0.5)
    raise Refused("The product ended by itself.")


def _sign_in(workspace: str) -> str:
    """A sign-in for the admin with a password of today; where people are signed up already, theirs serve."""
    users = get_user_model().objects
    try:
        if users.exclude(username=PERSON).exists():
            return "with your own sign-in"
        password = secrets.token_urlsafe(9)
        person, _ = users.get_or_create(username=PERSON, defaults={"email": "demo@sandbox.test"})
        person.is_staff = person.is_superuser = person.is_active = True
        person.set_password(password)
        person.save()
        add_member(workspace=Workspace.objects.get(name=workspace), user=person, role=Membership.Role.OWNER)
        return f"sign in as {PERSON} / {password}"
    finally:
        connections.close_all()


def _interrupt(*_):
    raise KeyboardInterrupt
