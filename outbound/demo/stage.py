"""What the steps of the demo share: the two doors, the screen, and what has come to light so far."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from outbound.demo.doors import Rest, Tools
from outbound.demo.screen import Screen


@dataclass
class Facts:
    """Everything as the product said it. The expectations look at nothing else."""

    imports: list[dict] = field(default_factory=list)
    leads: dict[str, dict] = field(default_factory=dict)  # by e-mail address
    group: dict = field(default_factory=dict)
    variable: dict = field(default_factory=dict)
    sequence: dict = field(default_factory=dict)
    preview: dict = field(default_factory=dict)
    run: dict = field(default_factory=dict)
    run_again: dict = field(default_factory=dict)  # the answer to the same request, sent twice
    held: dict[str, int] = field(default_factory=dict)  # reason → leads, while it lasted
    mails: list[dict] = field(default_factory=list)  # out and in


@dataclass
class Stage:
    rest: Rest
    tools: Tools
    screen: Screen
    examples: Path
    facts: Facts = field(default_factory=Facts)
    # How far the workspace's clock is ahead of ours.
    turned_by: timedelta = timedelta(0)

    @property
    def now(self) -> datetime:
        """What time it is in the workspace."""
        return datetime.now(UTC) + self.turned_by
