"""What the reader sees: headings, lines and progress bars on a plain terminal, and fewer lines where there is none."""

import sys
import time
from collections.abc import Callable

WIDTH = 32
LOOK_EVERY = 0.5  # seconds
PATIENCE = 300.0  # far more than is needed: a busy machine is no failure


class Screen:
    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.is_terminal = self.out.isatty()
        self._shown = ""
        self._bar_is_open = False

    def heading(self, text: str) -> None:
        self.say(f"\n── {text} " + "─" * max(0, 76 - len(text)))

    def say(self, text: str = "") -> None:
        self._write(("\n" if self._bar_is_open else "") + f"{text}\n")
        self._bar_is_open = False

    def bar(self, label: str, done: int, total: int) -> None:
        """Draws over itself on a terminal; elsewhere it leaves a line for every quarter."""
        share = min(1.0, done / total) if total else 1.0
        filled = round(share * WIDTH)
        line = f"   {label:<22} {'█' * filled}{'░' * (WIDTH - filled)} {done}/{total}"
        if self.is_terminal:
            self._write(f"\r{line}\x1b[K" + ("\n" if share == 1 else ""))
            self._bar_is_open = share < 1
            return
        quarter = f"{label} {int(share * 4)} of 4"
        if quarter != self._shown:
            self._shown = quarter
            self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def wait_for(look: Callable[[], object], *, why: str, every: float = LOOK_EVERY, patience: float = PATIENCE):
    """The first truthy answer of `look`. TimeoutError says what was waited for."""
    give_up_at = time.monotonic() + patience
    while not (answer := look()):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"Waited {patience:.0f} s in vain for {why}.")
        time.sleep(every)
    return answer
