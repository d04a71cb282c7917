"""Our words for what a vendor tells of a mail that it sends for us. Pure."""

from dataclasses import dataclass
from typing import Literal

from sending.bounces import Bounce

Word = Literal[
    "accepted", "delivered", "delayed", "bounced", "complained", "opened", "clicked", "failed", "suppressed"
]  # fmt: skip


@dataclass(frozen=True)
class Feedback:
    """`message_id` is ours, `provider_id` theirs; either may be blank. `bounce`: why it did not arrive.

    `suppress_as`: a kind of suppression, when the vendor refuses to write to the address at all.
    """

    word: Word
    message_id: str = ""
    provider_id: str = ""
    recipient: str = ""
    bounce: Bounce | None = None
    suppress_as: str = ""
    link: str = ""
