"""How the admin shows things: badges, moments in the workspace's timezone, links. Knows no app and no theme."""

import zoneinfo
from functools import reduce

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from outbound.clock import real_now

GREEN, AMBER, RED, BLUE, GREY = "green", "amber", "red", "blue", "grey"


def follow(obj, lookup: str):
    """`campaign__workspace` from an enrollment: the object at the end, None when a link is missing."""
    return reduce(lambda here, name: getattr(here, name, None), lookup.split("__"), obj)


def badge(text, color: str = GREY) -> str:
    return format_html('<span class="ob-badge ob-{}">{}</span>', color, text) if text else "–"


def badge_column(field: str, colors: dict, description: str):
    @admin.display(description=description, ordering=field)
    def column(obj):
        value = getattr(obj, field)
        return badge(str(value or "").replace("_", " "), colors.get(value, GREY))

    return column


def local_time(moment, timezone: str) -> str:
    if moment is None:
        return "–"
    return moment.astimezone(zoneinfo.ZoneInfo(timezone)).strftime("%d %b %Y %H:%M")


def when(field: str, description: str, *, workspace: str = "workspace"):
    """A moment in the timezone of the row's workspace. The list must select it: list_select_related."""

    @admin.display(description=description, ordering=field)
    def column(obj):
        owner, moment = follow(obj, workspace), getattr(obj, field)
        if moment is None:
            return "–"
        zone = owner.timezone if owner else "UTC"
        here = moment.astimezone(zoneinfo.ZoneInfo(zone))
        short = here.strftime("%d %b %H:%M" if here.year == real_now().year else "%d %b %Y")
        return format_html('<span class="ob-when" title="{} {}">{}</span>', local_time(moment, zone), zone, short)

    return column


def change_url(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[quote(obj.pk)])


def list_url(model: str, **filters) -> str:
    """`list_url("sending.message", direction="out")`: the list behind a number."""
    app, name = model.split(".")
    query = {key: value for key, value in filters.items() if value not in (None, "")}
    return reverse(f"admin:{app}_{name}_changelist") + (f"?{urlencode(query)}" if query else "")


def link(obj, text="") -> str:
    return format_html('<a href="{}" class="ob-link">{}</a>', change_url(obj), text or str(obj)) if obj else "–"
