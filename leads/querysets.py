"""Reads of leads, chainable."""

from django.db.models import Q

from apikeys.models import OwnedQuerySet


class LeadQuerySet(OwnedQuerySet):
    def newest_first(self):
        return self.order_by("-created_at", "-id")

    def search(self, text: str):
        """E-mail, names, company; any part, without case. `%` and `_` are ordinary characters."""
        text = text.strip()
        if not text:
            return self
        return self.filter(
            Q(email__contains=text.lower())
            | Q(first_name__icontains=text)
            | Q(last_name__icontains=text)
            | Q(company_name__icontains=text)
        )

    def in_group(self, group):
        return self.filter(memberships__group=group)


class SuppressionQuerySet(OwnedQuerySet):
    def newest_first(self):
        return self.order_by("-created_at", "-id")

    def search(self, text: str, digest: str):
        """Part of the address or domain, without case. An erased one is found by its `digest`, the whole address's."""
        text = text.strip().lower()
        return self.filter(Q(value__contains=text) | Q(digest=digest)) if text else self
