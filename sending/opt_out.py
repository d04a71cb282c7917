"""Whether a person asks, in their own words, for no more mail: plain and short requests only. Pure.

Wrong by one is costly both ways: a missed request annoys, an invented one loses an answer. So doubtful words stay a
reply, which stops the sequence too and is read by a person.
"""

import re

_OPT_OUT = re.compile(
    r"\b(?:unsubscribe (?:me|us)|(?:remove|delete) (?:me|us|my (?:e-?mail|address|name|contact|details|data))|"
    r"take (?:me|us) off|(?:remove|delete) from (?:your |the |this )?(?:mailing )?list|"
    r"stop (?:e-?mailing|contacting|writing|mailing|messaging|sending)|(?:do not|don'?t|dont|never) (?:e-?mail|"
    r"contact|write|message)(?: to)? (?:me|us)|no more (?:e-?mails?|messages)|opt (?:me|us) out|"
    r"(?:entfernen|streichen|löschen) sie (?:mich|uns|meine)|(?:mich|uns|meine \S{1,20}) (?:bitte )?(?:aus|"
    r"von) (?:ihr|dem|der)\w{0,3} \S{1,30} (?:entfernen|streichen|löschen|nehmen)|keine (?:weiteren )?(?:e-?mails|"
    r"mails|nachrichten|werbung)(?: mehr)?|"
    r"(?:me |nous )(?:désabonner|desabonner|désinscrire|desinscrire)|(?:désabonnez|désinscrivez)[ -](?:moi|nous)|"
    r"ne (?:plus|pas) (?:me|nous) (?:contacter|écrire|solliciter|envoyer)|(?:retirez|supprimez|enlevez|retirer|"
    r"supprimer)[ -](?:moi|mon|mes|nous)|"
    r"(?:dar|darme|darnos|dame|denme|deme|déme|quiero la) (?:de )?baja|no (?:me|nos) (?:contacte|contacten|"
    r"escriba|escriban|envíe|envíen|envie|envien|mande|manden)|(?:elimine|eliminen|borre|borren|quite|quiten|"
    r"elimíneme|bórreme|bórrenme)(?: me|nos)? (?:mi|de su|de la|de esta))",
    re.IGNORECASE,
)
# Words that also occur in talk about unsubscribing: only as the whole request.
_BARE = re.compile(
    r"(?:(?:please|pls|kindly|bitte|i (?:want|wish|would like|'d like) to|ich (?:möchte|will)(?: mich)?|merci de|"
    r"veuillez|je (?:souhaite|veux|voudrais)(?: me)?|por favor)\W{1,3})?"
    r"(?:unsubscribe|opt[ -]?out|remove|abmelden|abbestellen|austragen|désabonner|désinscrire|"
    r"cancelar suscripción)(?: (?:please|bitte|now|thanks|thank you|merci|svp|gracias))?\W{0,5}|"
    r"bitte .{0,40}\b(?:abmelden|austragen|abbestellen)\W{0,5}",
    re.IGNORECASE,
)
_ONE_WORD = {"stop", "désinscription", "desinscription", "baja"}
_UNSURE = re.compile(
    r"\?|https?:|\b(?:but|instead|until|unless|except|however|aber|sondern|mais|sauf|pero|salvo|(?:do not|don'?t|"
    r"never) (?:unsubscribe|remove|stop|delete)|nicht abmelden)\b",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"\s*(?:hi|hello|hey|dear|hallo|guten tag|sehr geehrte\w?|bonjour|hola|buenos días|thanks|thank you|regards|"
    r"best|kind regards|danke|viele grüße|mit freundlichen grüßen|merci|cordialement|gracias|saludos|"
    r"cheers)\b.{0,40}",
    re.IGNORECASE,
)


def is_opt_out(own: str) -> bool:
    """Whether a person's own words ask, plainly and in short, for no more mail (English, German, French, Spanish).

    Long, questioning or conditional words are left for a human: `Can you remove me?` is a reply.
    """
    if len(own) > 1_000:
        return False
    lines = [
        line for line in own.split("\n") if line.strip() and (_OPT_OUT.search(line) or not _COURTESY.fullmatch(line))
    ]
    said = " ".join(" ".join(lines[:4]).split())
    if said.lower().strip(" .!") in _ONE_WORD or _BARE.fullmatch(said):
        return True
    return len(said.split()) <= 18 and bool(_OPT_OUT.search(said)) and not _UNSURE.search(said)
