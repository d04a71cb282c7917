"""GET /api/mcp: what this is, for people, scripts and curious agents. From the same registry as tools/list."""

from mcp.eras import SUPPORTED
from mcp.instructions import INSTRUCTIONS, WORKFLOW
from mcp.methods import server_info


def document(*, tools: dict, address: str) -> dict:
    """The capability document. Holds nothing of any tenant, so a stranger may read it."""
    return {
        **server_info(),
        "description": "Leads, personal lines, e-mail sequences and runs, as tools for language models.",
        "protocol": "Model Context Protocol, streamable HTTP, JSON answers, no sessions",
        "protocolVersions": list(SUPPORTED),
        "endpoint": address,
        "authentication": "Authorization: Bearer aiob_… on every POST",
        "client_config": {
            "mcpServers": {
                "outbound": {
                    "type": "http",
                    "url": address,
                    "headers": {"Authorization": "Bearer ${OUTBOUND_API_KEY}"},
                }
            }
        },
        "workflow": [{"step": n, "tool": tool, "what": what} for n, (tool, what) in enumerate(WORKFLOW, 1)],
        "instructions": INSTRUCTIONS,
        "tools": [tool.definition for tool in tools.values()],
    }
