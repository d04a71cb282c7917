"""What people say in each class of reply: a pattern and how sure it makes us, 0 to 1. Pure data.

English first, then German, French, Spanish, Italian, Portuguese, Dutch. Linear patterns only: the text is a stranger's.
"""

import re


def _sayings(*rows: tuple[float, str]) -> tuple[tuple[float, re.Pattern[str]], ...]:
    return tuple((sure, re.compile(pattern, re.IGNORECASE)) for sure, pattern in rows)


SAYINGS = {
    "angry": _sayings(
        (
            0.95,
            r"\bf+u+c+k|\bpiss off\b|\bgo to hell\b|\bass ?hole|\bbullshit\b|\bidiots?\b|\bmorons?\b|"
            r"\bscumbags?\b",
        ),
        (
            0.9,
            r"\breport(?:ed|ing)? (?:you|this|it) (?:as|for) (?:spam|phishing)|\bmarked? (?:you|this|"
            r"it) as spam\b",
        ),
        (
            0.9,
            r"\b(?:i|we)(?:'ll| will| am going to| are going to)? (?:report|sue) you\b|\bhear from (?:my|"
            r"our) (?:lawyer|attorney|legal)",
        ),
        (
            0.85,
            r"\bstop (?:spamming|harassing)|\b(?:this|that) is (?:spam|harassment)\b|\bspammers?\b|"
            r"\bhow dare you\b",
        ),
        (
            0.85,
            r"\bleave (?:me|us) alone\b|\b(?:gdpr|data protection|privacy) (?:complaint|violation|breach|"
            r"authority)",
        ),
        (
            0.9,
            r"\bverpiss|\barschl|\bunverschämt|\bfrechheit\b|\bbelästig\w+|\babmahnung|\b(?:mein|unser)(?:em|"
            r"en)? anwalt\b|\banzeige erstatt",
        ),
        (
            0.9,
            r"\bva te faire|\bfoutez|\bconnard|\bharcèlement|\bporter plainte\b|\bhijos? de|\bvete a la|"
            r"\bmierda\b|\b(?:voy a|vamos a) denunciar",
        ),
        (0.9, r"\bvaffanculo|\bbasta (?:spam|con)|\bstronz|\boprotten|\brot op\b|\baangifte\b"),
    ),
    "hard_no": _sayings(
        (
            0.9,
            r"\b(?:not|aren't|isn't|no longer)(?: (?!only|just)\w{1,10}){0,2} interested\b|\b(?:no|"
            r"zero) interest\b",
        ),
        (
            0.95,
            r"(?<!n't )(?<!not )\b(?:remove|delete) (?:me|us|my (?:e-?mail|address|name|details|data)|"
            r"this address)\b|\btake (?:me|us) off\b|\bunsubscribe (?:me|us)\b|^\W{0,3}unsubscribe\b",
        ),
        (
            0.95,
            r"\b(?:do not|don'?t|never|stop) (?:e-?mail|mail|contact|writ|messag|call|send|"
            r"bother)\w*(?: to)?(?: me| us| anything| this| these)?(?: any ?more| again| ever)?\W{0,3}(?:$|"
            r"[.!,;]|please|thanks)",
        ),
        (
            0.85,
            r"\b(?:we|i)(?:'ll| will)? (?:have to )?(?:pass(?=\W*$|[.,!]| on this| thanks)|decline\b)|"
            r"\bnot (?:for us|a fit|a good fit|relevant)\b",
        ),
        (
            0.65,
            r"\b(?:we|i) (?:do not|don'?t|will not|won'?t) (?:need|want|require|use|be needing|be proceeding)\b|"
            r"\bno need\b",
        ),
        (
            0.95,
            r"\bkein(?:erlei)? interesse\b|\bnicht interessiert\b|\bkein bedarf\b|\b(?:kontaktieren|"
            r"schreiben) sie (?:mich|uns) nicht",
        ),
        (
            0.95,
            r"\bpas (?:du tout )?intéress|\baucun intérêt|\bne nous intéresse pas|\bpas besoin\b|"
            r"\bne me contactez plus",
        ),
        (
            0.95,
            r"\bno (?:me|nos|estoy|estamos) interesa|\bno (?:estoy|estamos) interesad|\bsin interés\b|"
            r"\bno necesit",
        ),
        (0.95, r"\bnon (?:sono|siamo|mi|ci) interess|\bnessun interesse|\bnon (?:mi|ci) serve|\bnon contatt"),
        (
            0.95,
            r"\b(?:não|nao) (?:tenho|temos|estou|estamos) interess|\bsem interesse\b|\bgeen (?:interesse|"
            r"behoefte)\b|\bniet geïnteresseerd",
        ),
        (
            0.85,
            r"^\W{0,3}(?:no|nope|nah|no,? thanks?(?: you)?|no,? thank you|nein(?:,? danke)?|non(?:,? merci)?|"
            r"no,? gracias|no,? grazie|não,? obrigad[oa]|nee(?:,? (?:bedankt|dank u|dank je))?|nej tack|"
            r"nie,? dziękuję)\W{0,4}$",
        ),
    ),
    "referral": _sayings(
        (
            0.9,
            r"\b(?:not|n't) (?:really )?(?:be )?the (?:right|best|correct) (?:person|contact|one)|"
            r"\bwrong person\b",
        ),
        (
            0.9,
            r"\b(?:please |kindly |you (?:should|can|could|may|might want to) )?(?:contact|speak (?:to|with)|"
            r"talk to|reach out to|get in touch with|e-?mail|write to) (?:my |our |the )?(?!me\b|us\b|"
            r"you\b)[\w.@'-]{1,40}(?: [\w.'-]{1,30}){0,4} ?(?:instead|directly|who|at |\(|<|, our|he |she )",
        ),
        (
            0.9,
            r"\b(?:forwarded|passed|forwarding|passing|cc'?e?d|copied|looping in|adding|"
            r"copying)\b[^.\n]{0,60}\b(?:to|on|in|colleague|team|manager|cc)\b",
        ),
        (
            0.85,
            r"\bwill (?:pass|forward) (?:it|this|that|your)|\b(?:colleague|manager|head of|director|"
            r"department)[^.\n]{0,30} (?:handles|is responsible|takes care|looks after|in charge)",
        ),
        (
            0.85,
            r"\b(?:no longer|don'?t|do not) (?:work|working|am) (?:here|at|for|with)|\bhas left (?:the|"
            r"our) (?:company|organi[sz]ation)|\bretired\b",
        ),
        (
            0.9,
            r"\bnicht (?:der|die) richtige ansprech|\bzuständig\w* (?:ist|für)|\bwenden sie sich (?:bitte )?an|"
            r"\b(?:leite|habe)[^.\n]{0,40}weiter",
        ),
        (
            0.9,
            r"\bpas la bonne personne|\b(?:adressez|adresser|contacter|contactez)[ -](?:vous )?(?:à |mon |ma |"
            r"notre )|\btransm(?:ets|is|ettre)\b|\bfais suivre",
        ),
        (
            0.9,
            r"\bno soy la persona|\b(?:contacte|diríjase|escriba)[^.\n]{0,10} (?:a|con) |\breenv(?:ío|iado|"
            r"iaré)\b|\bpersona (?:adecuada|indicada)",
        ),
        (
            0.9,
            r"\bnon sono la persona|\bpersona (?:giusta|competente)|\binoltr[oa]\b|\bnão sou a pessoa|"
            r"\bencaminh|\bniet de juiste persoon|\bdoorgestuurd",
        ),
    ),
    "soft_no": _sayings(
        (
            0.9,
            r"\b(?:not|n't|no)(?: \w{1,14}){0,5} (?:right now|at the moment|at this (?:time|point|stage)|"
            r"at present|currently|for now|this (?:year|quarter|month)|yet|today|now)\b",
        ),
        (
            0.9,
            r"\b(?:maybe|perhaps|possibly|check back|reach out|circle back|come back|follow up|get back|"
            r"touch base|try (?:me|us) )[^.\n]{0,50}\b(?:later|next|again|in (?:a|an|the|"
            r"\w{1,8}) (?:few )?(?:month|week|quarter|year|spring|summer|autumn|fall|winter|new year|future)|"
            r"q[1-4]|january|february|march|april|may|june|july|august|september|october|november|december)",
        ),
        (
            0.85,
            r"\b(?:bad|wrong|not the right|not a good) (?:time|timing|moment)\b|\btoo busy\b|\bno (?:time|"
            r"capacity|bandwidth)\b|\bother priorities\b",
        ),
        (
            0.85,
            r"\b(?:happy|satisfied|fine|good|all set|covered)\b[^.\n]{0,30}(?:with (?:our|what|the)|for now|"
            r"already|current)|\bwe(?:'re| are) all set\b",
        ),
        (0.8, r"\bkeep (?:you|your (?:details|e-?mail|info\w*))[^.\n]{0,20}(?:in mind|on file)"),
        (
            0.9,
            r"\b(?:momentan|derzeit|aktuell|zurzeit|im moment|vorerst|noch) (?:leider )?(?:nicht|kein)|"
            r"\bkein(?:e|en)? (?:zeit|kapazität)|\bspäter (?:noch|wieder)|\bnächstes (?:jahr|quartal)",
        ),
        (
            0.9,
            r"\bpas (?:pour le moment|maintenant|actuellement|en ce moment|cette année)|\bplus tard\b|"
            r"\bl'année prochaine|\bpas le (?:bon )?moment|\brecontact\w+",
        ),
        (
            0.9,
            r"\b(?:por ahora|de momento|por el momento|en este momento|ahora mismo)\b[^.\n]{0,20}\bno\b|"
            r"\bno\b[^.\n]{0,40}(?:por ahora|de momento|por el momento|en este momento|ahora)|\bmás adelante|"
            r"\bpróximo año",
        ),
        (
            0.9,
            r"\bper (?:ora|il momento|adesso)\b|\bal momento (?:no|non)|\bpiù avanti|\bpor (?:enquanto|agora)\b|"
            r"\bno momento (?:não|nao)|\bmais tarde|\bop dit moment (?:niet|geen)|\bvolgend jaar|"
            r"\bvoorlopig (?:niet|geen)",
        ),
    ),
    "qualified": _sayings(
        (
            0.9,
            r"\b(?:book|schedule|set up|arrange|have|do|hop on|jump on|happy to)\b[^.\n]{0,25}\b(?:call|meeting|"
            r"demo|chat|zoom|teams)\b",
        ),
        (
            0.9,
            r"\b(?:are|is|would|do|does|how about|what about)\b[^?\n]{0,40}\b(?:monday|tuesday|wednesday|"
            r"thursday|friday|tomorrow|next week|\d{1,2}(?::\d\d)? ?(?:am|pm|uhr|h)\b)[^?\n]{0,40}\?",
        ),
        (
            0.85,
            r"\b(?:i'?m|i am|we'?re|we are) (?:free|available)\b|\bcalendly|\b(?:my|your) (?:calendar|"
            r"availability)\b|\bcall me\b|\bgive (?:me|us) a call\b",
        ),
        (
            0.9,
            r"\b(?:pricing|prices?|price list|quote|cost|how much|rates|budget of|proposal|contract|trial|"
            r"demo)\b(?=[^.!\n]{0,60}\?)|\bsend (?:me|us|over|through)?[^.\n]{0,40}(?:pricing|prices|quote|"
            r"proposal|offer|overview and)",
        ),
        (
            0.9,
            r"\bwe(?:'re| are)? (?:currently |actively )?(?:looking for|evaluating|in the market|comparing)|"
            r"\bwe need (?:a|an|this|something|to)\b|\b(?:do|have) you (?:have )?\d{1,3} minutes",
        ),
        (
            0.9,
            r"\b(?:termin|telefonat|rückruf|angebot|preisliste|preise?|kosten|demo)\b[^.\n]{0,60}(?:\?|senden|"
            r"schicken|zukommen|vereinbaren|passt)|\bpasst (?:es )?(?:ihnen|dir|bei)|\brufen sie (?:mich|uns)",
        ),
        (
            0.9,
            r"\b(?:rendez-vous|devis|tarifs?|prix|démo|rappel\w*)\b[^.\n]{0,60}(?:\?|envoy|conven|dispon)|"
            r"\b(?:envoyez|envoyer)[- ]\w{1,6}[^.\n]{0,30}(?:tarif|devis|offre|prix)|\b(?:êtes|es)-(?:vous|"
            r"tu) (?:dispo|libre)",
        ),
        (
            0.9,
            r"\b(?:reunión|llamada|presupuesto|precios?|tarifas?|demo)\b[^.\n]{0,60}(?:\?|envi|mand|agend)|"
            r"\b(?:envíe|mande|enviar|mándame|envíame)\w*[^.\n]{0,40}(?:precio|presupuesto|tarifa|oferta)|"
            r"\bcuánto cuesta",
        ),
        (
            0.9,
            r"\b(?:preventivo|prezz[io]|chiamata|appuntamento|reunião|orçamento|preços?|offerte|prijs|prijzen|"
            r"afspraak)\b[^.\n]{0,60}(?:\?|inv|env|mand|stur|maken|plan)|\bquanto cost|\bquanto custa|\bwat kost",
        ),
    ),
    "objection": _sayings(
        (
            0.9,
            r"\b(?:too|very|rather|quite|pretty) (?:expensive|pricey|costly|high)\b|\b(?:can'?t|cannot|don't|"
            r"unable to) afford|\bno budget\b|\b(?:out of|beyond|tight) (?:our |the )?budget",
        ),
        (
            0.85,
            r"\b(?:already|currently) (?:use|using|have|work(?:ing)? with|got|covered|a customer|"
            r"under contract)\b|\b(?:have|got) (?:someone|a (?:provider|supplier|vendor|tool|solution|partner|"
            r"agency))\b|\bin-?house\b|\bunder contract\b",
        ),
        (
            0.85,
            r"\b(?:how|where) did you (?:get|find|obtain)\b|\bwho (?:are you|gave you)\b|"
            r"\bis this (?:a )?(?:spam|scam|automated|legit|gdpr)",
        ),
        (
            0.8,
            r"\b(?:how (?:is|are|do) (?:this|you|it)[^?\n]{0,20}differ|what makes you|why (?:should|"
            r"would) (?:we|i)|not (?:sure|convinced)|skeptical|sceptical|doubt)\b",
        ),
        (
            0.9,
            r"\bzu teuer\b|\bkein budget\b|\bhaben (?:wir )?(?:bereits|schon)\b|\bbereits (?:einen|eine|"
            r"versorgt|partner|anbieter)|\bwoher haben sie",
        ),
        (
            0.9,
            r"\btrop cher|\bpas de budget|\bavons déjà|\bdéjà (?:un|une|équip)|\bcomment avez-vous|\bmuy caro|"
            r"\bdemasiado caro|\bsin presupuesto|\bya (?:tenemos|trabajamos|contamos)|\bde dónde",
        ),
        (
            0.9,
            r"\btroppo car|\babbiamo già|\bgià (?:un|una)\b|\bmuito caro|\bjá (?:temos|usamos|trabalhamos)|"
            r"\bte duur|\bhebben (?:we |wij )?al\b|\bgeen budget",
        ),
    ),
    "positive": _sayings(
        (
            0.85,
            r"\b(?:interested|interesting|intrigu\w+|curious|sounds (?:good|great|interesting|promising|"
            r"perfect)|love (?:to|it|this)|keen)\b",
        ),
        (
            0.85,
            r"\b(?:tell me more|more (?:info\w*|details)|learn more|know more|send (?:me |us |it |"
            r"them )?(?:over|more|the|a|some|details|info)|let'?s (?:talk|do|chat|connect)|go ahead)\b",
        ),
        (
            0.8,
            r"\b(?:good|perfect|great) timing\b|\b(?:yes|sure|absolutely|definitely|of course),? (?:please|let|"
            r"i|we|send|that|happy|go)\b|\bhappy to (?:hear|learn|see|take)\b|\blooks? (?:good|great|"
            r"interesting|useful)\b",
        ),
        (
            0.85,
            r"^\W{0,3}(?:yes|yes please|yep|sure|absolutely|ok(?:ay)?|ja|ja,? (?:gerne|bitte)|gerne|oui|"
            r"avec plaisir|sí|si|claro|sì|certo|sim|graag)\W{0,4}$",
        ),
        (
            0.85,
            r"\b(?:klingt|hört sich) (?:gut|interessant|spannend)|\binteress(?:ant|iert)\b|\bmehr (?:infos|"
            r"informationen|details|erfahren)|\bgerne\b",
        ),
        (
            0.85,
            r"\bintéress(?:ant|é|ée|és)\b|\bvolontiers\b|\bavec plaisir\b|\ben savoir plus|\bdites-m'en plus|"
            r"\binteresa(?:nte|do|da)?\b|\bcuénteme|\bme gustaría|\bmás información",
        ),
        (
            0.85,
            r"\binteress(?:ante|ato|ata|ati|a)\b|\bmaggiori informazioni|\bvolentieri\b|\bmais (?:informações|"
            r"detalhes)|\bgostaria\b|\bgeïnteresseerd\b|\bklinkt (?:goed|interessant)|\bmeer (?:informatie|"
            r"info)|\bgraag\b",
        ),
    ),
    "auto": _sayings(
        (
            0.9,
            r"\b(?:i am|i'm|i will be|i'll be)(?: \w{1,12}){0,3} (?:out of (?:the )?office|on (?:annual |"
            r"parental |maternity |sick )?leave|on (?:vacation|holiday)|away from)",
        ),
        (
            0.9,
            r"\b(?:limited|no) access to (?:my )?e-?mail|\bthis (?:is an|e-?mail is an) automat|"
            r"\bautomatic(?:ally generated)? (?:reply|response)|\bthank you for (?:contacting|your (?:email|"
            r"message|enquiry|inquiry))[^.\n]{0,60}(?:will (?:get back|respond|reply)|received)",
        ),
        (
            0.9,
            r"\b(?:ich bin|wir sind)[^.\n]{0,40}(?:nicht im (?:büro|haus)|im urlaub|abwesend|außer haus)|"
            r"\bje suis (?:absent|en congé)|\bestoy (?:fuera de la oficina|de vacaciones)|"
            r"\bsono (?:fuori ufficio|in ferie)|\bestou (?:de férias|ausente)|\bik ben (?:afwezig|met vakantie|"
            r"niet op kantoor)",
        ),
        (
            0.9,
            r"\byour (?:ticket|case|request) (?:has been|was) (?:created|received|opened)|\bticket (?:id|number|"
            r"#)",
        ),
    ),
}
