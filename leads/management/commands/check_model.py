from django.conf import settings
from django.core.management import BaseCommand, CommandError

from leads.model_check import model_problem
from outbound.clock import real_now


class Command(BaseCommand):
    help = "Says whether the configured model is there and has a price. Calls the service once; costs nothing."

    def handle(self, **_):
        if not settings.ANTHROPIC_API_KEY:
            self.stdout.write("There is no ANTHROPIC_API_KEY: the sandbox writes, and says so.")
            return
        if problem := model_problem(now=real_now()):
            raise CommandError(problem)
        self.stdout.write(f"{settings.ANTHROPIC_MODEL} is there and has a price.")
