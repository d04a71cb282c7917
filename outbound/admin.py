"""The roof of the admin: its home page, its sidebar, and the embedded broker's slot. Counts from every floor."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.urls import reverse

from apikeys.models import ApiKey, Event
from apikeys.services import now_for
from campaigns.models import Campaign
from leads.models import Import, Lead, VariableValue
from outbound.account import near_limits
from outbound.admin_base import LogAdmin, visible_workspaces
from outbound.admin_display import list_url
from outbound.models import BrokerMessage
from sending.admin import troubled, unanswered
from sending.models import Mailbox, Message

DAYS = 14
MOST = 1000  # counted this far and no further: a card needs no more, and stays fast with millions of rows


@admin.register(BrokerMessage)
class BrokerMessageAdmin(LogAdmin):
    workspace_path = None
    list_display = ["id", "queue", "visible_at"]
    search_fields = ["queue"]
    fields = ["queue", "visible_at", "payload"]


# --- Sidebar: ordered by job, not by alphabet -------------------------------------------------------------------------

SIDEBAR = [
    (
        "Leads",
        [
            ("Leads", "leads.lead", "person"),
            ("Groups", "leads.group", "groups"),
            ("Variables", "leads.variable", "edit_note"),
            ("Generation jobs", "leads.generationjob", "pending_actions"),
            ("Suppressions", "leads.suppression", "block"),
            ("Imports", "leads.import", "upload_file"),
        ],
    ),
    (
        "Campaigns",
        [
            ("Runs", "campaigns.campaign", "rocket_launch"),
            ("Sequences", "campaigns.sequence", "format_list_numbered"),
            ("Enrollments", "campaigns.enrollment", "directions_walk"),
            ("Routing rules", "campaigns.routingrule", "alt_route"),
            ("Arrivals", "leads.arrival", "move_to_inbox"),
        ],
    ),
    (
        "Sending",
        [
            ("Mailboxes", "sending.mailbox", "alternate_email"),
            ("Domains", "sending.domain", "dns"),
            ("Conversations", "sending.thread", "forum"),
        ],
    ),
    (
        "Log",
        [
            ("Outbox", "sending.message", "outbox"),
            ("Events", "apikeys.event", "history"),
            ("Webhook deliveries", "apikeys.webhookdelivery", "outbound"),
        ],
    ),
    (
        "Access",
        [
            ("Workspaces", "apikeys.workspace", "domain"),
            ("API keys", "apikeys.apikey", "key"),
            ("Webhooks", "apikeys.webhookendpoint", "webhook"),
            ("Senders to us", "apikeys.ingestconnection", "input"),
        ],
    ),
]


def navigation(request) -> list[dict]:
    home = {"title": None, "items": [{"title": "Home", "icon": "home", "link": reverse("admin:index")}]}
    groups = [
        {"title": title, "collapsible": False, "items": [_entry(*entry) for entry in entries]}
        for title, entries in SIDEBAR
    ]
    if request.user.is_superuser:
        groups[-1]["items"].append(_entry("People", "auth.user", "manage_accounts"))
    return [home, *groups]


def _entry(title: str, model: str, icon: str) -> dict:
    link = list_url(model, direction="out") if title == "Outbox" else list_url(model)
    return {"title": title, "icon": icon, "link": link}


# --- Home -------------------------------------------------------------------------------------------------------------


def dashboard(request, context: dict) -> dict:
    """The home page shows one workspace at a time: each has its own clock and its own timezone."""
    workspaces = list(visible_workspaces(request)[:50])
    workspace = _chosen(request, workspaces)
    context.update(workspaces=workspaces, workspace=workspace, first_steps=first_steps(workspace))
    if workspace:
        context.update(cards=cards(workspace), chart=chart(workspace), title=workspace.name)
        context["events"] = list(Event.objects.for_workspace(workspace).newest_first()[:8])
        context["zone"] = workspace.timezone
        context["near_limits"] = near_limits(workspace)
    return context


def _chosen(request, workspaces: list):
    """The one asked for, else the one where something happened last."""
    by_id = {str(workspace.pk): workspace for workspace in workspaces}
    asked = by_id.get(request.GET.get("workspace", ""))
    if asked or len(workspaces) < 2:
        return asked or next(iter(workspaces), None)
    last = Event.objects.filter(workspace__in=workspaces).order_by("-id").values_list("workspace_id", flat=True).first()
    return by_id.get(str(last), workspaces[0])


def cards(workspace) -> list[dict]:
    """What needs somebody first, then how things stand; each opens the list it was counted from."""
    here = {"workspace": workspace.pk}
    of = {
        model: model.objects.filter(workspace=workspace)
        for model in (Message, Mailbox, Campaign, Lead, VariableValue, Import)
    }
    running = of[Campaign].filter(status="active")
    return [
        _card(
            "Replies waiting",
            unanswered(of[Message]),
            list_url("sending.message", waiting="reply", **here),
            "forum",
            "good",
        ),
        _card(
            "Parked sends",
            of[Message].filter(state="unknown"),
            list_url("sending.message", state="unknown", **here),
            "help",
            "bad",
        ),
        _card(
            "Mailboxes in trouble",
            troubled(of[Mailbox]),
            list_url("sending.mailbox", trouble="yes", **here),
            "warning",
            "bad",
        ),
        _card(
            "Failed variables",
            of[VariableValue].filter(state="failed"),
            list_url("leads.variablevalue", state="failed", **here),
            "edit_off",
            "bad",
        ),
        _card(
            "Failed imports",
            of[Import].filter(state="failed"),
            list_url("leads.import", state="failed", **here),
            "error",
            "bad",
        ),
        _card("Running", running, list_url("campaigns.campaign", status="active", **here), "rocket_launch", ""),
        _card("Leads", of[Lead], list_url("leads.lead", **here), "person", ""),
        _card("Mailboxes", of[Mailbox], list_url("sending.mailbox", **here), "alternate_email", ""),
    ]


def _card(title: str, rows, url: str, icon: str, tone: str) -> dict:
    count = rows.order_by()[: MOST + 1].count()
    shown = f"{MOST:,}+" if count > MOST else f"{count:,}"
    return {"title": title, "count": shown, "url": url, "icon": icon, "tone": tone if count else ""}


def chart(workspace) -> dict:
    """Sent and replied per day of the workspace's calendar, the last 14 days, as coordinates of an inline SVG."""
    zone = workspace.timezone
    today = now_for(workspace).astimezone(ZoneInfo(zone)).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    since = now_for(workspace) - timedelta(days=DAYS)
    rows = (
        Message.objects.filter(workspace=workspace, settled_at__gte=since)
        .annotate(day=TruncDate("settled_at", tzinfo=ZoneInfo(zone)))
        .order_by()
        .values("day")
        .annotate(sent=Count("id", filter=Q(state="sent")), replied=Count("id", filter=Q(kind="reply")))
    )
    found = {row["day"]: row for row in rows}
    counts = [(day, *(found.get(day, {}).get(name, 0) for name in ("sent", "replied"))) for day in days]
    top = max([1, *(max(sent, replied) for _, sent, replied in counts)])
    bars = [
        {
            "day": day,
            "sent": sent,
            "replied": replied,
            "x": index * 40,
            "x_replied": index * 40 + 18,
            "x_label": index * 40 + 17,
            "y_sent": 100 - sent * 90 // top,
            "h_sent": sent * 90 // top,
            "y_replied": 100 - max(replied * 90 // top, 2 * bool(replied)),
            "h_replied": max(replied * 90 // top, 2 * bool(replied)),
        }
        for index, (day, sent, replied) in enumerate(counts)
    ]
    totals = {"sent": sum(each[1] for each in counts), "replied": sum(each[2] for each in counts)}
    return {"bars": bars, "top": top, "width": DAYS * 40, **totals}


def first_steps(workspace) -> list[dict]:
    """What to do first, with what is done ticked off. Empty once all of it is."""
    if workspace is None:
        url = reverse("admin:apikeys_workspace_add")
        return [{"title": "Make a workspace", "url": url, "done": False, "why": "Everything lives in one."}]

    def there(model):
        return model.objects.filter(workspace=workspace).exists()

    steps = [
        ("Create a key", "apikeys_apikey_add", there(ApiKey), "Your programs and agents sign in with it."),
        ("Import leads", "leads_import_add", there(Lead), "A CSV or XLSX file, as messy as it is."),
        (
            "Connect a mailbox",
            "sending_mailbox_add",
            there(Mailbox),
            "The address you write from. A test workspace needs none.",
        ),
        ("Launch a run", "campaigns_campaign_changelist", there(Campaign), "Through the API, or let your agent do it."),
    ]
    if all(done for _, _, done, _ in steps):
        return []
    return [
        {"title": title, "url": reverse(f"admin:{name}") + f"?workspace={workspace.pk}", "done": done, "why": why}
        for title, name, done, why in steps
    ]
