"""Which folders are read, and which one holds what was sent. Pure."""

import re

from sending.providers.imap import Folder

MOST = 50
# RFC 6154. \All is read instead of everything else; these never are.
NEVER = frozenset({"\\sent", "\\drafts", "\\trash", "\\flagged", "\\important", "\\noselect", "\\nonexistent"})
# Names of servers that know no special use, as mail programs give them, last part and lower case.
SENT = frozenset({
    "sent", "sent items", "sent messages", "sent mail", "gesendet", "gesendete elemente", "gesendete objekte",
    "envoyés", "éléments envoyés", "messages envoyés", "enviados", "elementos enviados", "itens enviados", "inviata",
    "inviati", "posta inviata", "verzonden", "verzonden items", "wysłane", "skickat", "отправленные",
    "已发送", "送信済み",
})  # fmt: skip
OTHERS = frozenset({
    "drafts", "draft", "entwürfe", "brouillons", "borradores", "rascunhos", "bozze", "concepten", "черновики",
    "trash", "deleted items", "deleted messages", "papierkorb", "gelöschte elemente", "corbeille", "papelera",
    "lixeira", "cestino", "prullenbak", "корзина", "outbox", "templates",
})  # fmt: skip


def readable(folders: list[Folder]) -> list[str]:
    """INBOX first. With a folder of all mail, that one and Spam: the others hold the same mails once more."""
    everything = [folder for folder in folders if "\\all" in folder.flags]
    chosen = [folder for folder in folders if "\\junk" in folder.flags] if everything else folders
    names = [folder.name for folder in [*everything, *chosen] if _may_be_read(folder)]
    return sorted(dict.fromkeys(names), key=lambda name: name.upper() != "INBOX")[:MOST]


def sent_of(folders: list[Folder]) -> str:
    """The folder of what was sent; "" when there is none."""
    flagged = [folder.name for folder in folders if "\\sent" in folder.flags]
    named = [folder.name for folder in folders if _last_part(folder.name) in SENT]
    return (flagged or named or [""])[0]


def _may_be_read(folder: Folder) -> bool:
    return not (folder.flags & NEVER) and _last_part(folder.name) not in SENT | OTHERS


def _last_part(name: str) -> str:
    return re.split(r"[/.\\]", name)[-1].strip().lower()
