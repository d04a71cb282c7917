"""The three kinds of admin pages: owned (editable), log (read-only), secret (shown once). Knows no app.

Who sees what: a superuser everything; other staff the rows of the workspaces they are members of. What they may do
there follows from their role and not from Django's permission tables. Verbs (launch, pause, revoke …) are POSTs to
services; an ApiError becomes a red message with the sentence that the API gives.
"""

from dataclasses import dataclass
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator

from outbound.admin_display import change_url, follow, list_url
from outbound.api.errors import ApiError

WRITERS = ("owner", "admin", "member")
KEEPERS = ("owner", "admin")


@dataclass(frozen=True)
class Verb:
    """A button. `confirm` is the sentence asked first; `bulk` offers it for ticked rows of the list too.

    `asks`: the label of a line that must be filled in with it, found in POST["answer"].
    """

    name: str
    label: str
    confirm: str = ""
    danger: bool = False
    bulk: bool = False
    asks: str = ""

    def is_answered(self, request) -> bool:
        return not self.asks or bool(request.POST.get("answer", "").strip())


DELETE = Verb("delete", "Delete", "Delete for good?", danger=True, bulk=True)


def roles_of(request) -> dict:
    """{workspace id: role} of the person asking; one statement per request."""
    if not hasattr(request, "_desk_roles"):
        memberships = request.user.memberships.values_list("workspace_id", "role") if request.user.pk else ()
        request._desk_roles = dict(memberships)
    return request._desk_roles


def visible_workspaces(request):
    """The workspaces this person may see, by name."""
    workspaces = apps.get_model("apikeys", "Workspace").objects.order_by("name")
    return workspaces if request.user.is_superuser else workspaces.filter(pk__in=list(roles_of(request)))


# --- Filters ----------------------------------------------------------------------------------------------------------


class WorkspaceFilter(admin.SimpleListFilter):
    """Only the workspaces this person may see; no filter at all where there is one."""

    title = "workspace"
    parameter_name = "workspace"

    def lookups(self, request, model_admin):
        found = list(visible_workspaces(request).values_list("pk", "name")[:100])
        return [(str(pk), name) for pk, name in found] if len(found) > 1 else []

    def queryset(self, request, queryset):
        chosen = {str(pk): pk for pk, _ in self.lookup_choices}.get(self.value())
        return queryset.filter(**{self.workspace_path(queryset.model): chosen}) if chosen else queryset

    def workspace_path(self, model) -> str:
        return admin.site._registry[model].workspace_path


class IdFilter(admin.SimpleListFilter):
    """Rows of one other row, as links name it. `lookups` lists some; any id is taken, and nonsense finds nothing."""

    field = ""

    def queryset(self, request, queryset):
        if not self.value():
            return queryset
        try:
            return queryset.filter(**{self.field: UUID(self.value())})
        except ValueError:
            return queryset.none()


# --- Pages ------------------------------------------------------------------------------------------------------------


class Scoped:
    """Rows, choices and rights of the person's own workspaces. `workspace_path` is None where nobody owns a row."""

    workspace_path: str | None = "workspace_id"
    writers: tuple = WRITERS

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        if self.workspace_path is None:
            return rows.none()
        return rows.filter(**{f"{self.workspace_path}__in": list(roles_of(request))})

    def role(self, request, obj=None) -> set:
        """The roles that count: in the row's workspace, or any where there is no row yet."""
        roles = roles_of(request)
        if obj is None or not isinstance(obj, self.model) or self.workspace_path is None:
            return set(roles.values())
        return {roles.get(follow(obj, self.workspace_path))}

    def may_act(self, request, obj=None) -> bool:
        return request.user.is_superuser or bool(self.role(request, obj) & set(self.writers))

    def has_module_permission(self, request):
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None):
        return request.user.is_superuser or (self.workspace_path is not None and bool(self.role(request, obj) - {None}))

    def has_change_permission(self, request, obj=None):
        return self.may_act(request, obj)

    def has_add_permission(self, request, obj=None):
        return self.may_act(request)

    def has_delete_permission(self, request, obj=None):
        return self.may_act(request, obj)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        return super().formfield_for_foreignkey(db_field, request, **self._own_choices(db_field, request, kwargs))

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        return super().formfield_for_manytomany(db_field, request, **self._own_choices(db_field, request, kwargs))

    def _own_choices(self, db_field, request, kwargs):
        page = admin.site._registry.get(db_field.remote_field.model)
        if page is not None and "queryset" not in kwargs:
            kwargs["queryset"] = page.get_queryset(request)
        return kwargs


class OwnedAdmin(Scoped, ModelAdmin):
    """An editable row of a workspace. Subclasses save through services: override `create` and `update`."""

    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    list_filter_sheet = False
    verbs: tuple[Verb, ...] = ()
    overview_template = ""  # shown above the form, with the context of `overview()`

    def __init__(self, model, admin_site):
        super().__init__(model, admin_site)
        self.change_form_outer_before_template = "admin/outbound/before_form.html"

    def version_of(self, obj) -> str:
        """What a person who is asked about this row looks at; `do_…` finds it in seen_of(). Blank: no matter."""
        return ""

    def seen_of(self, request, obj) -> str | None:
        """The row's version when the question was asked: blank where it was not shown then, None without a question."""
        asked = request.POST.get("seen", "")
        return dict(each.split("=", 1) for each in asked.split(",")).get(str(obj.pk), "") if asked else None

    # Verbs: buttons on the page of a row and, where `bulk`, actions of the list.

    def verbs_now(self, obj) -> list[Verb]:
        """The buttons that make sense for this row at this moment."""
        return list(self.verbs)

    def overview(self, request, obj) -> dict:
        return {}

    def get_urls(self):
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(self.verb_view)
        return [path("<path:object_id>/do/<slug:verb>/", view, name=name), *super().get_urls()]

    def verb_view(self, request, object_id, verb):
        """POST does it. GET never does: it asks, where the verb has a question."""
        obj = self.get_object(request, unquote(object_id))
        chosen = next((each for each in self.verbs if each.name == verb), None)
        if obj is None or chosen is None:
            raise Http404
        if not self.may_act(request, obj):
            raise PermissionDenied
        confirmed = request.POST.get("confirmed") or not chosen.confirm
        if request.method == "POST" and confirmed and chosen.is_answered(request):
            page = self._try(request, chosen, [obj])
            if page is not None:
                return page
        elif chosen.confirm:
            return self._ask(request, chosen, [obj], back=change_url(obj))
        return HttpResponseRedirect(change_url(obj) if self._is_there(obj) else list_url(self.opts.label_lower))

    def _is_there(self, obj) -> bool:
        return self.model._default_manager.filter(pk=obj.pk).exists()

    def get_actions(self, request):
        found = super().get_actions(request)
        found.pop("delete_selected", None)  # it would delete rows behind the services' backs
        verbs = [*self.verbs, DELETE] if self.has_delete_permission(request) else self.verbs
        for verb in verbs:
            if verb.bulk and self.may_act(request):
                found[f"verb_{verb.name}"] = (self._bulk(verb), f"verb_{verb.name}", verb.label)
        return found

    def _bulk(self, verb: Verb):
        def act(page, request, queryset):
            rows = [row for row in queryset if self.may_act(request, row)]
            if verb.confirm and not request.POST.get("confirmed"):
                return self._ask(request, verb, rows, back=request.get_full_path())
            return self._try(request, verb, rows)

        return act

    def _ask(self, request, verb: Verb, rows: list, *, back: str):
        context = {
            **self.admin_site.each_context(request),
            "title": verb.label,
            "opts": self.opts,
            "verb": verb,
            "rows": rows[:20],
            "more": len(rows) - 20,
            "seen": ",".join(f"{row.pk}={self.version_of(row)}" for row in rows if self.version_of(row)),
            "back": back,
            "is_bulk": ACTION_CHECKBOX_NAME in request.POST,
            "kept": [
                (name, value)
                for name in (ACTION_CHECKBOX_NAME, "action", "select_across", "index")
                for value in request.POST.getlist(name)
            ],
        }
        return TemplateResponse(request, "admin/outbound/confirm.html", context)

    def _try(self, request, verb: Verb, rows: list):
        """Do it to each. `do_<verb>` returns a sentence, or a page where there is something to show once."""
        sentences, refusals = [], []
        for row in rows:
            try:
                answer = getattr(self, f"do_{verb.name}")(request, row)
                if isinstance(answer, HttpResponse):
                    return answer
                sentences.append(answer)
            except ApiError as error:
                refusals.append(error.message if len(rows) == 1 else f"{row}: {error.message}")
        said = [sentence for sentence in sentences if sentence]
        if len(said) > 3:
            said = [f"{verb.label}: done for {len(said)}."]
        for sentence in said:
            messages.success(request, sentence)
        for sentence in refusals[:10]:
            messages.error(request, sentence)
        return None

    # Deleting: the service says what goes along and what refuses it, and no page loads all that hangs on a row.

    def do_delete(self, request, obj):
        self.delete_model(request, obj)
        return f"{obj} was deleted."

    def get_deleted_objects(self, objs, request):
        return [str(obj) for obj in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []

    def delete_view(self, request, object_id, extra_context=None):
        try:
            return super().delete_view(request, object_id, extra_context)
        except ApiError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(list_url(self.opts.label_lower))

    # The form: what a service refuses becomes a red message, and nothing is saved.

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        context = dict(extra_context or {})
        obj = self.get_object(request, unquote(object_id)) if object_id and request.method == "GET" else None
        if obj is not None and self.has_view_permission(request, obj):
            context["verbs"] = self._buttons(obj) if self.may_act(request, obj) else []
            context["overview_template"] = self.overview_template
            context.update(self.overview(request, obj))
        try:
            # Every moment on the page, and every one typed into it, is in the workspace's timezone.
            with timezone.override(self._zone(request, object_id)):
                response = super().changeform_view(request, object_id, form_url, context)
                return response.render() if hasattr(response, "render") else response
        except ApiError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(request.get_full_path())

    def _zone(self, request, object_id) -> str:
        """Of the row's workspace; of the only one the person has, while there is no row yet."""
        if object_id is None:
            zones = list(visible_workspaces(request).values_list("timezone", flat=True)[:2])
            return zones[0] if len(zones) == 1 else "UTC"
        obj = self.get_object(request, unquote(object_id))
        owner = follow(obj, (self.workspace_path or "").removesuffix("_id")) if obj is not None else None
        return getattr(owner, "timezone", None) or getattr(obj, "timezone", None) or "UTC"

    def _buttons(self, obj) -> list[dict]:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        return [{"verb": verb, "url": reverse(name, args=[quote(obj.pk), verb.name])} for verb in self.verbs_now(obj)]

    def get_changeform_initial_data(self, request):
        """Who has one workspace need not choose it."""
        mine = list(visible_workspaces(request).values_list("pk", flat=True)[:2])
        chosen = {"workspace": str(mine[0])} if len(mine) == 1 else {}
        return {**chosen, **super().get_changeform_initial_data(request)}

    def save_model(self, request, obj, form, change):
        saved = self.update(request, obj, form) if change else self.create(request, obj, form)
        if saved is not None and saved is not obj:
            obj.pk = saved.pk
            obj._state.adding = False
            obj.refresh_from_db()

    def create(self, request, obj, form):
        obj.save()

    def update(self, request, obj, form):
        if form.changed_data:
            obj.save()


class LogAdmin(OwnedAdmin):
    """What the machine owns: read, filtered, never edited by hand. Verbs may still call services."""

    paginator = InfinitePaginator  # no COUNT(*) on tables that grow

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class SecretAdmin(OwnedAdmin):
    """Creating shows the raw value once, in the answer to the POST: it is kept in no session, cookie or cache."""

    writers = KEEPERS

    def make(self, request, obj, form):
        """Create the row: (row, raw value)."""
        raise NotImplementedError

    def create(self, request, obj, form):
        made, request._raw_secret = self.make(request, obj, form)
        return made

    def response_add(self, request, obj, post_url_continue=None):
        return self.show_once(request, obj, request._raw_secret)

    def show_once(self, request, obj, raw: str) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Copy it now",
            "opts": self.opts,
            "object": obj,
            "raw": raw,
            "back": list_url(self.opts.label_lower),
        }
        return TemplateResponse(request, "admin/outbound/secret_once.html", context)  # no-store, as every admin page

    def has_delete_permission(self, request, obj=None):
        return False


class OwnedInline(TabularInline):
    """Rows beneath another row: read-only, since what they are part of is changed by services."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_view_permission(self, request, obj=None):
        return True
