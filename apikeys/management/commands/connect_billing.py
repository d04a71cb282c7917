"""`manage.py connect_billing`: where billing posts, and the secret that it signs with."""

from django.core.management import BaseCommand

from apikeys.inbound import billing_connection


class Command(BaseCommand):
    help = "Prints the address for the billing system's webhooks and their signing secret (Standard Webhooks)."

    def handle(self, **_):
        connection, _ = billing_connection()
        self.stdout.write(f"/api/ingest/billing/{connection.pk}\n{connection.secret}")
