"""What a key may do: resource:action, one per endpoint and tool (Superkabe §3, decisions C10)."""

SCOPES = {
    "account:read": "See the workspace, its usage and limits",
    "account:write": "Change the workspace's settings",
    "leads:read": "See leads, groups, variables and imports",
    "leads:write": "Add, change and delete leads, groups and variables",
    "validation:read": "See validation results",
    "validation:trigger": "Validate addresses (consumes credits)",
    "variables:generate": "Have a model write variables (costs money)",
    "campaigns:read": "See sequences, campaigns and runs",
    "campaigns:write": "Build, launch, pause and stop campaigns (sends mail)",
    "reports:read": "See results",
    "replies:read": "Read what people answered",
    "replies:send": "Answer people (sends mail)",
    "mailboxes:read": "See mailboxes and senders",
    "mailboxes:write": "Connect and change mailboxes",
    "domains:read": "See sending domains",
    "domains:write": "Change sending domains",
    "webhooks:read": "See webhook endpoints and deliveries",
    "webhooks:write": "Change webhook endpoints",
    "suppressions:read": "See who must not be written to",
    "suppressions:write": "Add and remove suppressions",
    "keys:read": "See API keys by prefix",
    "keys:write": "Create and revoke API keys",
}
ALL_SCOPES = tuple(SCOPES)
_READS = frozenset(scope for scope in SCOPES if scope.endswith(":read"))
# What keepers alone do: settings of the workspace, keys, and addresses that we send facts to.
_KEEPING = frozenset({"account:write", "keys:read", "keys:write", "webhooks:read", "webhooks:write"})
ROLE_SCOPES = {
    "owner": frozenset(ALL_SCOPES),
    "admin": frozenset(ALL_SCOPES),
    "member": frozenset(ALL_SCOPES) - _KEEPING,
    "viewer": _READS - _KEEPING,
}
