"""GET /leads?…: each parameter as a narrowing of the queryset (django-filter)."""

import django_filters

from leads.models import Lead


class LeadFilter(django_filters.FilterSet):
    group_id = django_filters.CharFilter(method="in_group")
    search = django_filters.CharFilter(method="matching")
    status = django_filters.CharFilter()
    validation_status = django_filters.CharFilter()

    class Meta:
        model = Lead
        fields = ["group_id", "search", "status", "validation_status"]

    def in_group(self, queryset, name, group):
        return queryset.in_group(group)

    def matching(self, queryset, name, text):
        return queryset.search(text)


def filtered(queryset, query: dict):
    """The queryset narrowed by a validated query."""
    data = {name: query[name] for name in LeadFilter.Meta.fields if name in query}
    if "group_id" in data:
        data["group_id"] = str(data["group_id"].pk)  # a form field would turn the row into its name
    return LeadFilter(data=data, queryset=queryset).qs.select_related("workspace")
