"""Numbered pages that always work, and a keyset cursor for deep ones (decisions §2)."""

import base64
import binascii
import json
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q
from rest_framework import serializers

from outbound.api.envelope import Page
from outbound.api.errors import Invalid
from outbound.api.serializers import Input

EXACT_TOTAL_UP_TO = 100_000
LIST_LIMIT = 1000  # of lists that the contracts show without pages


class PageInput(Input):
    page = serializers.IntegerField(min_value=1, max_value=10_000_000, default=1, help_text="Page number, from 1.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50, help_text="Rows per page, 1 to 100.")
    after = serializers.CharField(
        required=False, max_length=300, help_text="next_cursor of the page before: the fast way to deep pages."
    )


def page_of(queryset, *, page: int = 1, limit: int = 50, after: str = "", show) -> Page:
    """One page of rows newest first. `queryset` is unordered; `show` turns the page's rows into output.

    meta: total (exact up to 100,000, then flagged `total_is_estimate`), page, limit, totalPages, next_cursor.
    """
    total = queryset.order_by()[: EXACT_TOTAL_UP_TO + 1].count()
    rows = queryset.order_by("-created_at", "-id")
    if after:
        created_at, last_id = _read_cursor(after)
        # The redundant lte lets the index be used: without it the planner scans.
        rows = rows.filter(created_at__lte=created_at).filter(
            Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=last_id)
        )
        rows = list(rows[: limit + 1])
    else:
        start = (page - 1) * limit
        rows = list(rows[start : start + limit + 1])
    more, rows = len(rows) > limit, rows[:limit]
    meta = _meta(min(total, EXACT_TOTAL_UP_TO), page, limit, _cursor(rows[-1]) if more else None)
    if total > EXACT_TOTAL_UP_TO:
        meta["total_is_estimate"] = True
    return Page(show(rows), meta)


def _meta(total: int, page: int, limit: int, next_cursor: str | None = None) -> dict:
    return {
        "total": total, "page": page, "limit": limit, "totalPages": -(-total // limit), "next_cursor": next_cursor,
    }  # fmt: skip


class OptionalPageInput(PageInput):
    """For lists that the contracts show without pages: all of it, 1,000 at most, unless a page is asked for."""

    page = serializers.IntegerField(min_value=1, max_value=10_000_000, required=False, help_text="Page number, from 1.")
    limit = serializers.IntegerField(min_value=1, max_value=100, required=False, help_text="Rows per page, 1 to 100.")


def list_of(queryset, query: dict, *, show) -> Page:
    """All rows, newest first, or the page that `query` asks for."""
    paging = {name: query[name] for name in ("page", "limit", "after") if name in query}
    if not paging:
        paging = {"limit": LIST_LIMIT}
    return page_of(queryset, **paging, show=show)


class ShortListInput(OptionalPageInput):
    """For rows in an order of their own, which has no cursor."""

    after = None


def short_list(rows: list, query: dict, *, show) -> Page:
    """As list_of, of rows that are read whole: all of them, or the page that `query` asks for."""
    page, limit = query.get("page", 1), query.get("limit", 50 if "page" in query else LIST_LIMIT)
    return Page(show(rows[(page - 1) * limit : page * limit]), _meta(len(rows), page, limit))


def _cursor(row) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.created_at.isoformat(), str(row.id)]).encode()).decode()


def _read_cursor(text: str) -> tuple[datetime, UUID]:
    try:
        created_at, row_id = json.loads(base64.urlsafe_b64decode(text.encode()))
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None:
            raise ValueError("naive")
        return moment.astimezone(UTC), UUID(str(row_id))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise Invalid.field("after", "This is not a cursor that we gave. Start again without it.") from None
