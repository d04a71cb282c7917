"""How mail programs introduce the mail they quote, in the languages they speak. Pure data.

Gathered from Gmail, Outlook, Apple Mail, Thunderbird, Yahoo and phones. Each pattern is linear (bounded repeats only).
"""

import re

# The verb of `On … wrote:`.
_WROTE = (
    r"wrote|schrieb|schrieb am|a écrit|escribió|escribio|ha scritto|scrive|escreveu|schreef|"
    r"het volgende geschreven|geschreven|skrev|skrev følgende|följande|skrifaði|kirjoitti|napisał(?:a|\(a\))?|"
    r"napsal(?:a|\(a\))?|napísal(?:a|\(a\))?|je napisao|je napisala|je napisal|написал(?:а|\(а\)|\(-а\))?|пише|"
    r"написав(?:ла)?|пишет|írta|ezt írta|yazdı|şunu yazdı|a scris|va escriure|έγραψε|schrijft|"
    r"đã viết|menulis|เขียนว่า|כתב|כתבה|كتب|写道|寫道|書きました|wrote the following|作成|작성|님이 작성"
)
ATTRIBUTION = re.compile(
    r"(?:on\b.{4,300}\bwrote\s?:|am\b.{4,300}\bschrieb\b.{0,200}:|.{4,200}\bschrieb am\b.{4,200}:|"
    r"le\b.{4,300}\ba écrit\s?:|el\b.{4,300}\bescribi[óo]\s?:|il\b.{4,300}\bha scritto\s?:|"
    r"em\b.{4,300}\bescreveu\s?:|op\b.{4,300}\b(?:schreef|het volgende geschreven)\b.{0,200}:|"
    r"(?:den|d)\b.{4,300}\bskrev\b.{0,200}:)",
    re.IGNORECASE,
)
# In any language: someone, a verb of writing, a colon; who calls must also see a date or an address.
WROTE = re.compile(rf".{{0,300}}(?:{_WROTE}).{{0,120}}[:：]\s*", re.IGNORECASE)
DATE_OR_CLOCK = re.compile(r"\d{1,2}[:.h]\d\d|\b(?:19|20)\d\d(?!\d)")
ADDRESS = re.compile(r"[<(\[](?:mailto:)?[^<>()\[\]\s]{1,64}@[^<>()\[\]\s]{3,250}[>)\]]")
DATED = re.compile(r"\s*\d{4}-\d\d-\d\d \d\d?:\d\d\b.{0,40}(?:GMT|UTC|[+-]\d\d:?\d\d)\b.{0,200}")

# `-----Original Message-----` and its cousins: marks, a few words, marks.
_ORIGINAL_WORDS = (
    r"original|ursprüngliche|forwarded|weitergeleitet|d'origine|transféré|reenviado|inoltrato|oorspronkelijk|"
    r"doorgestuurd|mensagem|mensaje|messaggio|исходное|пересыла|oprindelig|opprinnelig|ursprungligt|alkuperäinen|"
    r"wiadomość|původní|eredeti|özgün|orijinal|αρχικό|元のメッセージ|転送|原始|转发|轉寄|원본|הודעה מקורית"
)
ORIGINAL = re.compile(
    rf"[\s>]*[-_*=]{{2,40}}[^-_*=\n]{{0,40}}(?:{_ORIGINAL_WORDS})[^-_*=\n]{{0,40}}[-_*=]{{2,40}}\s*", re.I
)
BEGIN_FORWARDED = re.compile(
    r"\s*(?:begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-?mail)|début du message (?:réexpédié|"
    r"transféré)|inicio del mensaje reenviado|inizio messaggio inoltrato|begin doorgestuurd bericht)\s?:\s*",
    re.IGNORECASE,
)
RULE = re.compile(r"\s*_{16,}\s*")

# The header lines that Outlook and others put above a quoted mail.
_FROM = (
    r"from|von|de|da|van|från|fra|od|от|від|mittente|expéditeur|expediteur|remitente|lähettäjä|feladó|de la|"
    r"kimden|gönderen|από|差出人|发件人|發件人|寄件者|보낸 ?사람|מאת|من|dari"
)
_OTHER = (
    r"sent|date|to|cc|subject|reply-to|importance|gesendet|datum|an|betreff|envoyé(?: le| par)?|à|objet|"
    r"date d'envoi|enviado(?: el| em)?|enviada em|fecha|para|asunto|assunto|inviato|data|a|oggetto|verzonden|aan|"
    r"onderwerp|skickat|till|ämne|sendt|til|emne|dato|wysłano|do|dw|temat|odesláno|komu|předmět|predmet|"
    r"lähetetty|vastaanottaja|aihe|küldve|címzett|tárgy|trimis|către|subiect|gönderme tarihi|gönderildi|tarih|"
    r"kime|bilgi|konu|στάλθηκε|προς|θέμα|отправлено|дата|кому|тема|копия|надіслано|送信日時|日時|宛先|件名|"
    r"发送时间|日期|收件人|主题|寄件日期|收件者|主旨|보낸 ?날짜|받는 ?사람|제목|נשלח|אל|נושא|תאריך|"
    r"تم الإرسال|إلى|الموضوع|kepada|subjek"
)
FROM_LINE = re.compile(rf"\s*\*{{0,2}}(?:{_FROM})\s?[:：]\*{{0,2}}\s*\S", re.IGNORECASE)
OTHER_LINE = re.compile(rf"\s*\*{{0,2}}(?:{_OTHER})\s?[:：]\*{{0,2}}", re.IGNORECASE)

# What a phone or a program adds about itself.
DEVICE = re.compile(
    r"\W{0,4}(?:sent (?:from|via|with|by|using)|from my \w|\w{2,20} from mobile$|envoyé (?:depuis|de|à partir d)|"
    r"von meinem .{0,40}gesendet|von .{1,20}(?:gesendet|iphone|ipad)$|diese nachricht wurde von|"
    r"gesendet (?:von|mit|über)|enviado (?:desde|do|a partir do|con|com)|inviato (?:da|dal|con)|"
    r"verzonden (?:met|vanaf|vanuit)|verstuurd (?:vanaf|met)|skickat från|sendt fra|lähetetty|wysłane z|odesláno z|"
    r"trimis de pe|küldve|get \[?outlook for|(?:download|obtenir|télécharger|holen sie sich|obtener) outlook|"
    r"outlook (?:für|for|pour|para|per|voor) |отправлено (?:с|из)|надіслано з|從我的|从我的|.{0,20}から送信|"
    r"나의 .{0,20}에서 보냄|sent on the go|yahoo mail:|typed on).{0,120}",
    re.IGNORECASE,
)
MARKS = re.compile(r"\s*[-–—_*#~=+ᐧ]{2,80}\s*|\s*[ᐧ—]\s*")
