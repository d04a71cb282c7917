"""What a person wrote themselves: a reply without the quoted mail, the signature and the device's advertisement. Pure.

Simple rules, one pass over the lines, no pattern that can go wrong on a hostile text. A quote we fail to recognise
stays in the text; a person's own words are never cut for a pattern that is not a quote's beginning.
"""

import re

MAX_LINES = 5_000
MAX_LINE = 500

_ORIGINAL = re.compile(
    r"[\s>]*[-_*=]{2,40}\s*(?:\w{0,20}\s?)?(?:original|ursprüngliche|forwarded|weitergeleitete|d'origine|transféré|reenviado|messaggio|oorspronkelijk|mensagem|исходное)"
    r"[\w' ]{0,40}\s*[-_*=]{2,40}\s*|[-_*=]{2,40}\s*(?:message|mensaje|messaggio) (?:d'origine|original|originale|transféré|reenviado)\s*[-_*=]{2,40}\s*",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*_{16,}\s*")
_FROM = re.compile(r"\s*\*{0,2}(?:from|von|de|da|van|från|fra|od|от|mittente|expéditeur|差出人|发件人)\s?:\*{0,2}\s*\S", re.IGNORECASE)
_OTHER = re.compile(
    r"\s*\*{0,2}(?:sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoyé(?: le| par)?|à|objet|date d'envoi|"
    r"enviado(?: el)?|fecha|para|asunto|inviato|data|a|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|wysłano|do|temat|"
    r"отправлено|дата|кому|тема|发送时间|收件人|主题)\s?:\*{0,2}",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"\s*(?:on\b.{4,300}\bwrote\s?:|am\b.{4,300}\bschrieb\b.{0,200}:|.{4,200}\bschrieb am\b.{4,200}:|le\b.{4,300}\ba écrit\s?:|"
    r"el\b.{4,300}\bescribi[óo]\s?:|il\b.{4,300}\bha scritto\s?:|em\b.{4,300}\bescreveu\s?:|op\b.{4,300}\b(?:schreef|het volgende geschreven)\b.{0,200}:|"
    r"(?:den|d)\b.{4,300}\bskrev\b.{0,200}:|.{4,300}<[^<>\s]{3,250}@[^<>\s]{3,250}>\s*(?:wrote|schrieb|a écrit|escribió|ha scritto|napisał\(?a?\)?|написал\(?а?\)?|пише)\s?:)\s*",
    re.IGNORECASE,
)
_DATED = re.compile(r"\s*\d{4}-\d\d-\d\d \d\d?:\d\d\b.{0,40}(?:GMT|UTC|[+-]\d\d:?\d\d)\b.{0,200}")
_CLOCK_OR_YEAR = re.compile(r"\d{1,2}[:.h]\d\d|\b(?:19|20)\d\d\b")
_DEVICE = re.compile(
    r"\W{0,4}(?:sent (?:from|via|with|by)|from my \w|envoyé (?:depuis|de) mon|von meinem .{0,40}gesendet|diese nachricht wurde von|gesendet (?:von|mit)|"
    r"enviado desde mi|inviato da|verzonden (?:met|vanaf)|get outlook for|отправлено с).{0,120}",
    re.IGNORECASE,
)
_LINE_OF_MARKS = re.compile(r"\s*[-_*#~=+ᐧ]{2,60}\s*|\s*ᐧ\s*")


def own_words(text: str) -> str:
    """The part of a reply that its author wrote. A mail that is all quote gives ""."""
    lines = [line[:MAX_LINE].rstrip() for line in text.split("\n")[:MAX_LINES]]
    lines = _before_signature(lines)
    cut, rest = _quote_begins(lines)
    above = [line for line in lines[:cut] if not _is_quoted(line)]
    below = _below_quote(lines[rest:])
    if not any(line.strip() for line in above + below) and _is_attributed(lines, cut):
        below = lines[rest:]  # a quote without marks: what is whose cannot be told
    return _tidy(above + [""] + below)


def _before_signature(lines: list[str]) -> list[str]:
    """Without what follows the signature mark `-- ` (RFC 3676 §4.3), unless quoted text or nothing stands before it."""
    for index, line in enumerate(lines):
        if line in ("--", "-- ") and any(word.strip() for word in lines[:index]):
            below = any(_is_quoted(word) or _ORIGINAL.fullmatch(word) for word in lines[index:])
            return lines if below else lines[:index]
    return lines


def _is_quoted(line: str) -> bool:
    return line.lstrip().startswith(">")


def _quote_begins(lines: list[str]) -> tuple[int, int]:
    """Where the quoted mail's introduction begins, and where it ends; twice len(lines) when there is none."""
    for index, line in enumerate(lines):
        if _ORIGINAL.fullmatch(line) or _DATED.fullmatch(line) or _is_header_block(lines, index):
            return index, len(lines)
        if _RULE.fullmatch(line) and _is_header_block(lines, _next_full(lines, index + 1)):
            return index, len(lines)
        if length := _attribution_length(lines, index):
            return index, index + length
    return len(lines), len(lines)


def _next_full(lines: list[str], start: int) -> int:
    return next((index for index in range(start, min(start + 4, len(lines))) if lines[index].strip()), len(lines))


def _is_header_block(lines: list[str], index: int) -> bool:
    """`From: …` with at least two more such lines right below it, as Outlook puts above a quoted mail."""
    if index >= len(lines) or not _FROM.match(lines[index]):
        return False
    return sum(bool(_OTHER.match(line)) for line in lines[index + 1 : index + 7]) >= 2


def _is_attributed(lines: list[str], index: int) -> bool:
    return index < len(lines) and bool(_attribution_length(lines, index))


def _attribution_length(lines: list[str], index: int) -> int:
    """How many lines `On … wrote:` takes here, 0 for none; in other languages when quoted lines follow a dated one."""
    if not lines[index].strip() or _is_quoted(lines[index]):
        return 0
    joined = lines[index]
    for extra in range(3):
        if extra:
            if index + extra >= len(lines) or not lines[index + extra].strip():
                return 0
            joined += " " + lines[index + extra].lstrip("> ")
        if _ATTRIBUTION.fullmatch(joined):
            return extra + 1
        if joined.endswith(":") and _quote_follows(lines, index + extra + 1):
            return extra + 1 if "@" in joined or _CLOCK_OR_YEAR.search(joined) else 0
    return 0


def _quote_follows(lines: list[str], start: int) -> bool:
    return any(_is_quoted(line) for line in lines[start : start + 3])


def _below_quote(lines: list[str]) -> list[str]:
    """What the author wrote under or between quoted lines: paragraphs of their own. [] when no line is marked.

    A line right below a marked one is that line's broken end, not the author's.
    """
    own: list[str] = []
    after_blank = False
    for line in lines[next((index for index, line in enumerate(lines) if _is_quoted(line)), len(lines)) :]:
        if _is_quoted(line):
            after_blank = False
        elif not line.strip() or after_blank:
            after_blank = True
            own.append(line)
    return own


def _tidy(lines: list[str]) -> str:
    while lines and (not lines[-1].strip() or _DEVICE.fullmatch(lines[-1]) or _LINE_OF_MARKS.fullmatch(lines[-1])):
        lines = lines[:-1]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


_OPT_OUT = re.compile(
    r"\b(?:(?:please )?unsubscribe(?: me| us)?|(?:remove|delete) (?:me|us|my (?:e-?mail|address|name|contact|details|data))|take (?:me|us) off|(?:remove|delete) from (?:your |the |this )?(?:mailing )?list|"
    r"stop (?:e-?mailing|contacting|writing|mailing|messaging|sending)|(?:do not|don'?t|dont|never) (?:e-?mail|contact|write|message)(?: to)? (?:me|us)|no more (?:e-?mails?|messages)|opt(?:ing)?[ -]?(?:me )?out|"
    r"abmelden|austragen|(?:entfernen|streichen|löschen) sie (?:mich|uns|meine)|(?:mich|uns|meine \S{1,20}) (?:bitte )?(?:aus|von) (?:ihr|dem|der)\w{0,3} \S{1,30} (?:entfernen|streichen|löschen|nehmen)|keine (?:weiteren )?(?:e-?mails|mails|nachrichten|werbung)(?: mehr)?|"
    r"(?:me |nous )?(?:désabonner|desabonner|désinscrire|desinscrire)|désabonnez|désinscri(?:vez|ption)|ne (?:plus|pas) (?:me|nous) (?:contacter|écrire|solliciter|envoyer)|(?:retirez|supprimez|enlevez|retirer|supprimer)[ -](?:moi|mon|mes|nous)|"
    r"(?:dar|darme|darnos|dame|denme|deme|déme|quiero la) (?:de )?baja|no (?:me|nos) (?:contacte|contacten|escriba|escriban|envíe|envíen|envie|envien|mande|manden)|(?:elimine|eliminen|borre|borren|quite|quiten|elimíneme|bórreme|bórrenme)(?: me|nos)? (?:mi|de su|de la|de esta))",
    re.IGNORECASE,
)
_ONE_WORD = {"stop", "unsubscribe", "remove", "optout", "opt out", "opt-out", "abmelden", "abbestellen", "désabonner", "désinscription", "baja"}
_UNSURE = re.compile(r"\?|https?:|\b(?:but|instead|until|unless|except|however|aber|sondern|mais|sauf|pero|salvo|(?:do not|don'?t|never) (?:unsubscribe|remove|stop|delete)|nicht abmelden)\b", re.IGNORECASE)
_COURTESY = re.compile(r"\s*(?:hi|hello|hey|dear|hallo|guten tag|sehr geehrte\w?|bonjour|hola|buenos días|thanks|thank you|regards|best|kind regards|danke|viele grüße|mit freundlichen grüßen|merci|cordialement|gracias|saludos|cheers)\b.{0,40}", re.IGNORECASE)


def is_opt_out(own: str) -> bool:
    """Whether a person's own words ask, plainly and in short, for no more mail (English, German, French, Spanish).

    Long, questioning or conditional words are left for a human: `Can you remove me?` is a reply.
    """
    if len(own) > 1_000:
        return False
    lines = [line for line in own.split("\n") if line.strip() and not _COURTESY.fullmatch(line)]
    said = " ".join(" ".join(lines[:4]).split())
    if said.lower().strip(" .!") in _ONE_WORD:
        return True
    return len(said.split()) <= 18 and bool(_OPT_OUT.search(said)) and not _UNSURE.search(said)
