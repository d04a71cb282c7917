"""What the post office has promised, in plain words and sets, and what was seen to happen: the machine's oracle.

It knows nothing of guards, leases or tokens. It is told what was acknowledged and asked nothing; it looks at what the
mail server took and at what the ledger says, and raises where the two do not go together.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

FINAL = ("sent", "refused", "canceled", "skipped")
MAY_HAVE_ARRIVED = ("committed", "sent", "unknown")


class Row(NamedTuple):
    """A mail as the ledger has it; `walk` and `position` are none where no step of anybody counts for it any more."""

    pk: str
    name: str  # its Message-ID
    state: str
    to: str
    lane: str
    walk: str | None
    position: int | None


class Mail(NamedTuple):
    """A mail, and whose step it was when it was planned."""

    walk: str
    position: int
    lane: str
    to: str


@dataclass
class Promises:
    """Everything acknowledged so far. Each `nothing_more_…` holds from the call on, for all that arrives later."""

    mails: dict[str, Mail] = field(default_factory=dict)  # by Message-ID
    arrived: Counter = field(default_factory=Counter)  # by Message-ID
    again: Counter = field(default_factory=Counter)  # by (walk, position): how often a person said "send again"
    decided: set[str] = field(default_factory=set)  # Message-IDs that a person decided on
    assumed: set[str] = field(default_factory=set)
    ends: dict[str, str] = field(default_factory=dict)  # the final state of a row
    lanes: dict[str, str] = field(default_factory=dict)  # shut or closed, and why
    walks: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)  # or @domains
    moved: dict[tuple[str, str], str] = field(default_factory=dict)  # (walk, the address its lead has left)

    # --- what was acknowledged ----------------------------------------------------------------------------------------

    def nothing_more_from(self, lane: str, why: str) -> None:
        self.lanes[lane] = why

    def goes_on(self, lane: str) -> None:
        del self.lanes[lane]

    def nothing_more_for(self, walks, why: str) -> None:
        self.walks |= dict.fromkeys(walks, why)

    def nothing_more_to(self, address: str, why: str) -> None:
        self.addresses[address] = why

    def nothing_more_at_the_old_address(self, walks, address: str) -> None:
        self.moved |= {(walk, address): "the lead has another address" for walk in walks}

    def was_decided(self, name: str, decision: str) -> None:
        self.decided.add(name)
        if decision == "send_again":
            mail = self.mails[name]
            self.again[mail.walk, mail.position] += 1
        if decision == "assume_sent":
            self.assumed.add(name)

    # --- what is seen -------------------------------------------------------------------------------------------------

    def see(self, rows: list[Row], new: list[str]) -> None:
        """The whole ledger, and the Message-IDs that the server took since the last look."""
        for row in rows:
            if row.walk and row.name not in self.mails:
                self.mails[row.name] = Mail(row.walk, row.position, row.lane, row.to)
        for name in new:
            self._arrives(name)
        for row in rows:
            self._stands(row)

    def _arrives(self, name: str) -> None:
        self.arrived[name] += 1
        mail = self.mails[name]
        same_step = [other for other, each in self.mails.items() if each[:2] == mail[:2]]
        times = sum(self.arrived[other] for other in same_step)
        assert times <= 1 + self.again[mail[:2]], f"step {mail.position} of {mail.walk} arrived {times} times"
        broken = self.lanes.get(mail.lane) or self.walks.get(mail.walk) or self.moved.get((mail.walk, mail.to))
        broken = broken or self.addresses.get(mail.to) or self.addresses.get("@" + mail.to.rpartition("@")[2])
        assert not broken, f"a mail to {mail.to} left after the acknowledgement: {broken}"

    def _stands(self, row: Row) -> None:
        ended = self.ends.get(row.pk)
        assert ended in (None, row.state), f"{row.name} was {ended} and is {row.state}"
        if row.state in FINAL:
            self.ends[row.pk] = row.state
        if row.state == "sent":
            assert self.arrived[row.name] or row.name in self.assumed, f"{row.name} is booked and never arrived"
        if self.arrived[row.name] and row.name not in self.decided:
            assert row.state in MAY_HAVE_ARRIVED, f"{row.name} arrived and is {row.state}"
