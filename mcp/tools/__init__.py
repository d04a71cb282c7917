"""The tools by subject, in the order in which a model meets them. Importing a module registers its tools."""

from importlib import import_module

# Not alphabetical: the default list follows the workflow, and is the same bytes every time.
SUBJECTS = ("leads", "groups", "variables", "sequences", "sending", "runs", "campaigns", "parked", "reviewing", "infra")


def load() -> None:
    for subject in SUBJECTS:
        import_module(f"mcp.tools.{subject}")
