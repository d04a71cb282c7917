"""What the admin's own templates need."""

from django import template

from outbound.admin_display import AMBER, GREY, badge, change_url, local_time

register = template.Library()


@register.filter
def in_zone(moment, zone: str) -> str:
    """A moment in the workspace's timezone."""
    return local_time(moment, zone)


@register.filter
def page_of(obj) -> str:
    """The admin page of a row."""
    return change_url(obj)


@register.filter
def writer(value) -> str:
    """Who wrote a variable's value; the sandbox's text is marked."""
    if value.writer == "fallback":
        return badge("your fallback", AMBER)
    return badge("sandbox text", AMBER) if value.writer == "sandbox" else badge(value.model or value.writer, GREY)
