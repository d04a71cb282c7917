"""The admin's page on which a person looks at what was written: the text, what it rests on, and a word on it."""

import re

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe

from apikeys.services import now_for
from leads import reviewing, variables
from leads.claims import readable
from leads.models import Variable, VariableValue
from leads.tasks import generate_due
from outbound.admin_display import change_url
from outbound.api.errors import ApiError
from outbound.api.pagination import page_of
from outbound.doorbell import ring

State = VariableValue.State
TABS = (State.REVIEW, State.DONE, State.OVERRIDDEN, State.FAILED)
ROWS = 20


class ReviewPage:
    """Adds `<variable>/review/` to the admin of variables."""

    def get_urls(self):
        view = self.admin_site.admin_view(self.review_view)
        return [path("<path:object_id>/review/", view, name="leads_variable_review"), *super().get_urls()]

    def review_view(self, request, object_id):
        """GET shows one page of values; POST says a word on one, or on all in review, and comes back."""
        variable = self.get_object(request, unquote(object_id))
        if variable is None:
            raise Http404
        if not self.has_view_permission(request, variable):
            raise PermissionDenied
        if request.method != "POST":
            return TemplateResponse(request, "admin/outbound/review.html", self._review_context(request, variable))
        if not self.may_act(request, variable):
            raise PermissionDenied
        try:
            messages.success(request, _act(variable, request.POST))
        except ApiError as error:
            messages.error(request, error.message)
        return HttpResponseRedirect(request.get_full_path())

    def _review_context(self, request, variable: Variable) -> dict:
        state = request.GET.get("state") if request.GET.get("state") in TABS else State.REVIEW
        counts = variables.progress([variable])[variable.pk]
        try:
            page = page_of(
                reviewing.values_of(variable, state=state), limit=ROWS, after=request.GET.get("after", ""), show=list
            )
        except ApiError as error:
            messages.error(request, error.message)
            page = page_of(reviewing.values_of(variable, state=state), limit=ROWS, show=list)
        return {
            **self.admin_site.each_context(request),
            "title": f"Review of {variable.name}",
            "opts": self.opts,
            "variable": variable,
            "back": change_url(variable),
            "here": reverse("admin:leads_variable_review", args=[variable.pk]),
            "state": state,
            "tabs": [(each, counts[each]) for each in TABS],
            "values": [_shown(row) for row in page["items"]],
            "next": page["meta"]["next_cursor"],
            "may_act": self.may_act(request, variable),
        }


def _act(variable: Variable, posted) -> str:
    action, now = posted.get("action"), now_for(variable.workspace)
    if action == "approve_all":
        return f"{reviewing.approve(variable=variable, now=now)} approved."
    row = reviewing.values_of(variable).filter(lead=posted.get("lead") or None).first()
    if row is None:
        raise Http404
    if action == "approve":
        reviewing.approve_one(variable=variable, lead=row.lead, now=now)
        return f"Approved for {row.lead.email}."
    if action == "retry":
        reviewing.retry(variable=variable, lead=row.lead, now=now)
        ring(generate_due)
        return f"It is written anew for {row.lead.email}."
    if action == "edit":
        value = variables.value_from_text(variable, posted.get("value", ""))
        reviewing.edit(variable=variable, lead=row.lead, value=value, now=now)
        return f"Saved for {row.lead.email}."
    raise Http404


def _shown(row: VariableValue) -> dict:
    text = readable(row.value, row.variable.output_type) or variables.text_from_value(row.value)
    return {
        "row": row,
        "text": marked(text, row.evidence.get("unsupported", []), "ob-loose"),
        "edit": variables.text_from_value(row.value),
        "claims": [{**claim, "shown": _evidence(claim)} for claim in reviewing.with_sources(row)],
        "written": row.evidence.get("written"),
    }


def _evidence(claim: dict) -> str:
    said = claim["says"] or ""
    return marked(said, [claim["quote"]], "ob-quote") if claim["holds"] else format_html("{}", said or "–")


def marked(text: str, parts: list[str], css: str) -> str:
    """The text, escaped, with every occurrence of a part highlighted."""
    wanted = [re.sub(r"(?:\\\s|\s)+", r"\\s+", re.escape(part)) for part in parts if part.strip()]
    if not wanted:
        return format_html("{}", text)
    pieces = re.split(f"({'|'.join(sorted(wanted, key=len, reverse=True))})", text, flags=re.IGNORECASE)
    shown = [
        f'<mark class="{css}">{escape(piece)}</mark>' if at % 2 else escape(piece) for at, piece in enumerate(pieces)
    ]
    return mark_safe("".join(shown))  # noqa: S308  each piece is escaped above
