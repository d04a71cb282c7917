"""Reads of enrollments, chainable."""

from django.db import models


class EnrollmentQuerySet(models.QuerySet):
    def walking(self):
        return self.filter(status__in=["active", "held"])

    def due(self, now):
        """Owed a step. Held ones are looked at again when their moment comes: what was missing may be there."""
        return self.walking().filter(due_at__lte=now)
