"""Keep spreadsheets from running what a stranger typed: formula cells are defused on export, restored on import.

Excel, LibreOffice and Google Sheets evaluate a CSV cell that begins with one of TRIGGERS, even inside quotes
(OWASP, "CSV Injection"); a leading apostrophe makes it text. JSON exports need none of this.
"""

TRIGGERS = frozenset("=+-@\t\r\n＝＋－＠")  # the wide ones count in East Asian versions of Excel
IGNORED = "' "  # what a spreadsheet, or our own apostrophe, may leave before the trigger


def defuse(cell: str) -> str:
    """For a CSV cell. restore(defuse(x)) == x for every x, since an apostrophe already there is doubled too."""
    return "'" + cell if _would_run(cell) else cell


def restore(cell: str) -> str:
    """What defuse() was given. An apostrophe that does not stand before a formula is part of the name."""
    return cell[1:] if cell.startswith("'") and _would_run(cell) else cell


def _would_run(cell: str) -> bool:
    return cell.lstrip(IGNORED)[:1] in TRIGGERS if cell else False
