"""Groups: named audiences."""

from apikeys.services import now_for
from leads import serializers as s
from leads import services
from leads.models import Group
from leads.views import members, show_groups
from mcp.confirm import Preview
from mcp.fields import NamedField
from mcp.pages import ListInput, page, page_output
from mcp.registry import tool
from mcp.tools.leads import DeletedOutput

GROUP = {"group_id": NamedField(Group.objects, what="group", listed_by="list_groups")}


@tool(
    input=ListInput,
    output=page_output("groups", s.GroupOutput),
    scope="leads:read",
    title="List groups",
    read_only=True,
)
def list_groups(caller, **paging):
    """All groups with their number of leads."""
    return page("groups", Group.objects.for_workspace(caller.workspace), **paging, show=show_groups)


@tool(input=s.GroupInput, output=s.GroupOutput, scope="leads:write", title="Create a group")
def create_group(caller, **data):
    """Create a named audience. Then add_leads can name it."""
    group = services.create_group(workspace=caller.workspace, now=now_for(caller.workspace), **data)
    return show_groups([group])[0]


@tool(
    input=s.GroupPatch,
    on=GROUP,
    output=s.GroupOutput,
    scope="leads:write",
    title="Update a group",
    destructive=True,
    idempotent=True,
)
def update_group(caller, *, group_id, **data):
    """Rename, recolor or describe a group."""
    return show_groups([services.update_group(group=group_id, **data)])[0]


def deletion_of_group(caller, *, group_id):
    kept = group_id.memberships.count()
    return Preview(
        would=f"Delete the group {group_id.name}; its {kept} leads stay in the workspace.",
        counts={"groups": 1, "leads_kept": kept},
        size=1,
        sample=[{"id": str(group_id.pk), "name": group_id.name}],
    )


@tool(
    on=GROUP,
    output=DeletedOutput,
    scope="leads:write",
    title="Delete a group",
    destructive=True,
    preview=deletion_of_group,
)
def delete_group(caller, *, group_id):
    """Delete a group. Its leads are kept."""
    answer = {"id": str(group_id.pk), "deleted": True}
    services.delete_group(group=group_id)
    return answer


@tool(
    input=s.GroupMembersInput,
    on=GROUP,
    output=s.GroupMembersOutput,
    scope="leads:write",
    title="Add leads to a group",
    idempotent=True,
)
def add_leads_to_group(caller, *, group_id, lead_ids):
    """Add leads that exist to a group. To add new ones, name the group in add_leads."""
    return members(group_id, added=services.add_leads_to_group(group=group_id, leads=lead_ids))
