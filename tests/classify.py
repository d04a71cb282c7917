"""How well what comes back is read, on the mail in tests/corpora: `make classify` prints it, the tests bound it.

`Figures` of one set: counts of (labeled class, our class), names of mails that went wrong, seconds per mail.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sending.inbound import Inbound, read_mail

CORPORA = Path(__file__).parent / "corpora"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
OURS = ("hard", "soft", "blocked", "delayed", "complaint", "unsubscribe", "auto_reply", "ignored", "reply")
_LABELS = {"block": "blocked", "hard_bounce": "hard"}


@dataclass
class Figures:
    name: str
    matrix: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def hard(self) -> tuple[float, float]:
        """Recall and precision of hard bounces, each 0 to 1."""
        right = self.matrix["hard", "hard"]
        labeled = sum(count for (label, _), count in self.matrix.items() if label == "hard")
        called = sum(count for (_, ours), count in self.matrix.items() if ours == "hard")
        return right / max(1, labeled), right / max(1, called)

    def suppressed_wrongly(self) -> list[str]:
        return [line for line in self.wrong if line.endswith("-> hard")]


def class_of(mail: Inbound) -> str:
    return mail.bounce.hardness if mail.kind == "bounce" and mail.bounce else mail.kind


def bounces(folder: str) -> Figures:
    """A set whose labels.json gives each file a class."""
    figures = Figures(folder)
    for name, label, raw in labeled(folder):
        mail = _timed(figures, name, raw)
        if mail:
            ours = class_of(mail)
            figures.matrix[label, ours] += 1
            figures.wrong += [f"{name}: {label} -> {ours}"] if label != ours else []
    return figures


def labeled(folder: str) -> Iterator[tuple[str, str, bytes]]:
    """(file name, class, bytes) for each mail of a set."""
    for name, told in json.loads((CORPORA / folder / "labels.json").read_text()).items():
        label = told["class"] if isinstance(told, dict) else told.split()[0]
        yield name, _LABELS.get(label, label), (CORPORA / folder / name).read_bytes()


def failures(folder: str = "bounces-mailman") -> Figures:
    """A set that knows only who failed: a permanent failure is a bounce that names one of its addresses."""
    figures = Figures(folder)
    for name, told in json.loads((CORPORA / folder / "labels.json").read_text()).items():
        mail = _timed(figures, name, (CORPORA / folder / name).read_bytes())
        if mail:
            label = next((kind for kind in ("permanent", "temporary") if told[kind]), "nobody")
            figures.matrix[label, class_of(mail)] += 1
            expected = {address.lower() for address in told["permanent"] + told["temporary"]}
            named = {bounce.recipient for bounce in mail.bounces}
            if expected and not expected & named:
                figures.wrong.append(f"{name}: names {sorted(named)}, not {sorted(expected)}")
    return figures


def replies(folder: str = "replies-trimmer") -> Figures:
    """Replies and the text that should be left of each, spaces folded."""
    figures = Figures(folder)
    for path in sorted((CORPORA / folder / "emails").glob("*")):
        mail = _timed(figures, path.name, path.read_bytes())
        if mail:
            same = _folded(mail.reply_text) == _folded((CORPORA / folder / "trimmed" / path.name).read_text())
            figures.matrix["text", "exact" if same else "differs"] += 1
            figures.wrong += [] if same else [path.name]
    return figures


def _timed(figures: Figures, name: str, raw: bytes) -> Inbound | None:
    start = time.perf_counter()
    try:
        return read_mail(raw, received_at=NOW)
    except Exception as error:  # noqa: BLE001 - a crash is a figure here
        figures.crashes.append(f"{name}: {type(error).__name__}: {error}")
        return None
    finally:
        figures.seconds.append(time.perf_counter() - start)


def _folded(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    read_mail(b"Subject: x\n\nwarm up", received_at=NOW)
    print("Real mail")
    for figures in (bounces("bounces-sisimai"), bounces("misc-inbound"), failures(), replies()):
        _print_set(figures)
    print("\nMail we wrote ourselves, in formats we know")
    for figures in (bounces("made"), replies("made-replies")):
        _print_set(figures)


def _print_set(figures: Figures) -> None:
    print(f"\n{figures.name}: {len(figures.seconds)} mails")
    columns = [ours for ours in (*OURS, "exact", "differs") if any(key[1] == ours for key in figures.matrix)]
    print(" " * 14 + "".join(f"{column:>12}" for column in columns))
    for label in dict.fromkeys(key[0] for key in sorted(figures.matrix)):
        print(f"  {label:12}" + "".join(f"{figures.matrix[label, column] or '.':>12}" for column in columns))
    if any(label == "hard" for label, _ in figures.matrix):
        recall, precision = figures.hard()
        print(f"  hard bounces: recall {recall:.1%}, precision {precision:.1%}")
    spent = sorted(figures.seconds)
    print(f"  ms per mail: median {spent[len(spent) // 2] * 1e3:.1f}, most {spent[-1] * 1e3:.1f}", end="")
    print(f" · crashes: {len(figures.crashes)} · not as labeled: {len(figures.wrong)}")
    for line in figures.wrong + figures.crashes:
        print(f"    {line}")


if __name__ == "__main__":
    main()
