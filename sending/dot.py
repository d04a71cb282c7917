"""The point of no return, and the look at the clock before it."""

import time

from outbound import failpoints
from sending.providers.base import SendResult

# After this many seconds since the commit began the dot is not sent: by then the commit may count as nobody's.
DOT_WITHIN = 5.0


def send_dot(handoff, *, began: float) -> SendResult | None:
    """What the server answered; None when it is too late, and the handoff is aborted without the dot.

    `began`: the monotonic moment before the commit.
    """
    failpoints.hit("T3.committed")
    if time.monotonic() - began > DOT_WITHIN:
        handoff.abort()
        return None
    failpoints.hit("dot.before")
    result = handoff.commit()
    failpoints.hit("dot.answered")
    return result
