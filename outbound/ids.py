"""UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, 12 of their fraction (§6.2, method 3), then random.

Ids sort by time, so indexes stay warm, and what one process makes in the same millisecond stays in its order.
"""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0x2 << 62) | random)
