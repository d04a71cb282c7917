"""The mail in tests/corpora, as bytes."""

from benchmarks.places import ROOT

FOLDERS = (
    "bounces-mailman",
    "bounces-sisimai",
    "misc-inbound",
    "replies-trimmer/emails",
    "made",
    "made-replies/emails",
)


def mails() -> list[bytes]:
    folders = [ROOT / "tests/corpora" / name for name in FOLDERS]
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    return [path.read_bytes() for path in files if path.name != "labels.json" and "LICENSE" not in path.name]
