"""Tools of the roof: what counts rows of every floor."""

from mcp.registry import tool
from outbound.account import AccountOutput, shown


@tool(output=AccountOutput, scope="account:read", title="Get the account", read_only=True, toolset="infra")
def get_account(caller):
    """The workspace: its tier and status, how much of what it uses, its limits (none where absent), its settings."""
    return shown(caller.workspace)
