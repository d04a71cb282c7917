"""Lists for models: 25 rows unless more are asked for, the total, and a sentence that says how to go on."""

from functools import cache

from rest_framework import serializers

from outbound.api.pagination import page_of
from outbound.api.serializers import Input, Output


def limit_field() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=100, default=25, help_text="Rows, 1 to 100.")


def after_field() -> serializers.CharField:
    return serializers.CharField(required=False, allow_blank=True, help_text="next_cursor of the page before.")


class ListInput(Input):
    limit = limit_field()
    after = after_field()


@cache
def page_output(name: str, row: type[Output]) -> type[Output]:
    """{name: rows, total, next_cursor, next}."""
    fields = {
        name: row(many=True),
        "total": serializers.IntegerField(),
        "next_cursor": serializers.CharField(allow_null=True),
        "next": serializers.CharField(),
    }
    return type(f"{row.__name__}Page", (Output,), fields)


def page(name: str, queryset, *, limit: int, after: str = "", show) -> dict:
    """One page of rows, newest first, as page_output(name, …) shows it."""
    found = page_of(queryset, limit=limit, after=after, show=show)
    rows, meta = found["items"], found["meta"]
    return {name: rows, "total": meta["total"], "next_cursor": meta["next_cursor"], "next": _sentence(rows, meta)}


def page_of_all(name: str, rows: list[dict], *, by: str, limit: int, after: str = "") -> dict:
    """One page of rows that are read whole, in the order of their `by`, whose value is the cursor."""
    rest = [row for row in rows if row[by] > after]
    shown = rest[:limit]
    meta = {"total": len(rows), "next_cursor": shown[-1][by] if len(rest) > limit else None}
    return {name: shown, **meta, "next": _sentence(shown, meta)}


def _sentence(rows: list, meta: dict) -> str:
    if meta["next_cursor"]:
        return f"These are {len(rows)} of {meta['total']}. Call again with after = next_cursor for more."
    return "That is all." if rows else "There is nothing here."
