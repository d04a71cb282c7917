"""How automatic replies title themselves, and the headers they carry. Pure data.

RFC 3834 names `Auto-Submitted`; the others are its older cousins. `X-Auto-Response-Suppress` alone says nothing:
Exchange puts it on ordinary mail too.
"""

import re

# The beginning of a subject, after at most three marks. `Re: Automatic reply: …` is a person's.
SUBJECT = re.compile(
    r"\W{0,3}(?:auto(?:matic|mated|matische?|matisch)?[ :-]{0,3}(?:reply|response|re\b|antwort|antwoord|svar)|auto:|"
    r"autoreply|automatiskt? svar|autoodpowiedź|automaattinen vastaus|automatyczna odpowiedź|automatická odpove[ďd]|"
    r"automatická odpověď|automatikus válasz|automatický|otomatik (?:yanıt|cevap)|balasan otomatis|trả lời tự động|"
    r"r[ée]ponse automatique|respuesta autom[áa]tica|risposta automatica|resposta autom[áa]tica|resposta automàtica|"
    r"răspuns automat|автоответ|автоматический ответ|автоматична відповідь|автоматичен отговор|αυτόματη απάντηση|"
    r"自動応答|自動返信|自动回复|自动答复|自動回覆|자동 ?(?:응답|회신)|תשובה אוטומטית|رد تلقائي|ตอบกลับอัตโนมัติ|"
    r"out of (?:the )?office|ooo\b|i am (?:currently )?(?:away|out of)|away (?:from|until)|"
    r"on (?:vacation|holiday|leave|annual leave|parental leave|maternity leave)|vacation\b|annual leave|"
    r"abwesenheit|abwesend|nicht im (?:büro|hause)|außer haus|ausser haus|ich bin (?:im urlaub|nicht im)|"
    r"absence|absent|message d'absence|en cong[ée]s?|hors du bureau|fuera de (?:la )?oficina|ausencia|ausente|"
    r"fuori (?:ufficio|sede)|assen(?:te|za)|ausência|fora do escritório|de férias|afwezig|niet (?:aanwezig|op kantoor)|"
    r"frånvar|ej på plats|fravær|ikke til stede|poissa|ulkona toimistosta|nieobecn|poza biurem|nepřítomn|"
    r"mimo kancelář|házon kívül|nu sunt la birou|ofis dışında|εκτός γραφείου|вне офиса|отсутств|不在|외출|부재중)",
    re.IGNORECASE,
)
# Any value but `no` or nothing.
HEADERS = (
    "x-autoreply",
    "x-auto-reply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-reply-from",
    "x-autoreply-from",
    "x-mail-autoreply",
    "x-fc-machinegenerated",
    "x-ms-exchange-inbox-rules-loop",
    "x-vacation",
)
PRECEDENCE = ("auto_reply", "auto-reply", "autoreply")
# Together with X-Auto-Response-Suppress: help desks that acknowledge.
BULK = ("bulk", "junk", "list")
