"""The wording of mail servers: what a refusal means when its status code does not say. Pure data.

Checked in this order, because one sentence often carries words of several families: "550 5.7.1 sender address rejected:
domain not found" is about us and not about the recipient's domain; "mailbox full" beats "unavailable".
Written from the replies of Postfix, Exim, qmail, Sendmail, Exchange, Gmail, Yahoo and their peers; each pattern is
linear (bounded repeats only), since the text is a stranger's.
"""

import re


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


# Refused because of who sends: never the lead's fault.
SENDER = _any_of(
    r"sender (?:address|domain|verify|was|is|denied|id|verification)\W{0,3}(?:was |is |has been )?(?:rejected|denied|failed|blocked|invalid|not)",
    r"sender (?:was )?rejected", r"(?:my|your) name was rejected", r"mail from\b.{0,40}(?:rejected|denied|refused)",
    r"(?:reverse|inverse)[ -]?(?:dns|name|lookup|mapping)", r"\bptr\b", r"\brdns\b", r"no reverse", r"valid (?:sender|helo)",
    r"invalid helo", r"helo\b.{0,40}(?:rejected|invalid|denied)", r"(?:cannot|could not|can't) (?:find|resolve) your (?:host|reverse|ip)",
    r"\bspf\b", r"\bdkim\b", r"\bdmarc\b", r"unauthenticated (?:email|mail|sender)", r"authentication (?:is )?(?:required|failed|results)",
    r"relay(?:ing)? (?:access |is |was )?(?:denied|not (?:permitted|allowed)|prohibited)", r"(?:no|not permitted to|unable to|not allowed to|does not allow|deny(?:ing)?) relay",
    r"we do not relay", r"rcpthosts", r"tls.{0,20}required", r"must issue a starttls", r"encryption (?:is )?(?:needed|required)",
    r"(?:unrout\w{0,8}|invalid|bad|unverif\w{0,8}|unknown|malformed) sender", r"mismatch\w{0,4} (?:client|your) ", r"send mail as", r"you(?:'ve| have) (?:reached|exceeded) your (?:daily|hourly|sending|relay|rate)",
    r"domain of sender", r"sender'?s? domain", r"unresolv\w* (?:domain|sender)", r"you are sending (?:to/)?from",
)
# The mailbox is there, or may be, and cannot take this mail now.
STATE = _any_of(
    r"mail ?box (?:is |for [^\n]{1,80} is )?(?:full|over|exceeded)", r"(?:mailbox|quota|storage|disk space)[^\n]{0,40}(?:exceed|full\b|exhausted|limit)",
    r"(?:exceed\w*|over|beyond|out of)[^\n]{0,30}(?:quota|storage|mailbox|limit)", r"over ?quota", r"quota ?exceeded", r"insufficient (?:disk |system |mailbox )?(?:space|storage)",
    r"not enough (?:space|storage)", r"no space left", r"user is over", r"bo[iî]te (?:aux lettres )?pleine", r"postfach[^\n]{0,20}voll", r"buz[oó]n[^\n]{0,20}lleno",
    r"(?:message|mail|content)[^\n]{0,30}(?:too (?:big|large|long)|size (?:limit )?exceed\w*|larger than|length exceeds)", r"(?:size|length) limit exceed", r"message size",
    r"(?:account|mailbox|user|recipient|address)[^\n]{0,60}(?:disabled|suspended|frozen|locked|inactive|temporarily|discontinued|on hold|expired|deactivated|restricted)",
    r"(?:disabled|suspended|frozen|locked|discontinued|deactivated) (?:user|account|mailbox|recipient)", r"recipient preferences",
    r"(?:is )?not (?:currently )?accepting (?:mail|messages|email)", r"too many hops", r"mail(?:er)? loop", r"loop(?:s)? (?:back|detected)", r"routing loop",
    r"grey ?list", r"try (?:again )?later", r"temporar(?:y|ily)", r"timed? ?out", r"time-?out", r"connection (?:refused|reset|lost|closed)", r"unable to (?:contact|connect)",
    r"did not accept our requests to connect", r"wasn'?t able to establish", r"giving up", r"queue too long", r"retry time(?:out)? (?:not reached|exceeded)",
    r"host (?:is )?(?:not reachable|unreachable|down)", r"no route to host", r"delivery time expired", r"(?:message|delivery)[^\n]{0,20} expired", r"could not be delivered for",
    r"service (?:currently |temporarily )?unavailable(?!; client)", r"malformed (?:address|recipient)", r"improper (?:use|sequence|command)",
)
# There is no such person or no such domain.
NOBODY = _any_of(
    r"(?:user|recipient|address|mailbox|account|addressee|destinataire|local part)[^\n]{0,80}(?:unknown|not (?:found|known|exist|listed|recognized|recognised|a known|valid|present|a valid)|invalid|(?:does|do|did) ?n[o']t (?:have|exist|match)|no longer|non valide|inconnu)",
    r"(?:unknown|no such|invalid|nonexist\w*|non-exist\w*|bad destination|unrouteable|undeliverable|not a valid|no valid) ?(?:local[ -]?part|user|recipient|address|mailbox|account|person|name|mail ?drop|destination)",
    r"(?:does not|doesn'?t|did not|didn'?t) exist", r"no (?:mailbox|user|account|one|such)[^\n]{0,30}(?:here|by that|with that|called|exists)",
    r"(?:couldn'?t|could not|cannot|can ?not) be found(?! your)", r"(?:address|recipient) (?:not found|rejected: (?:user|access denied\W{0,3}$))", r"recipient address rejected\W{0,3}$", r"check(?:ing)? (?:if |that |the |whether |recipient\W?s? |\w{1,12}.s ){1,3}(?:e-?mail )?address", r"recipnotfound",
    r"(?:not|isn'?t) (?:our customer|a (?:known|valid)|in (?:our|the) (?:directory|database)|listed in|recogni[sz]ed)", r"mailbox (?:unavailable|not available|not found)", r"inactive email address",
    r"(?:has|have) moved", r"no forwarding address", r"no longer (?:on|at|with|in|available|valid|works|employed|exists)", r"this user doesn'?t have",
    r"(?:host|domain)(?: or domain)?(?: name)? (?:is )?(?:unknown|not found|not exist|not reachable)", r"unknown (?:host|domain)", r"no such (?:domain|host)", r"nxdomain", r"name service error",
    r"(?:null|no) mx\b", r"mx (?:record|host)[^\n]{0,30}(?:found|not)", r"doesn'?t receive e?mail", r"domain[^\n]{0,60}(?:does not accept|doesn'?t accept|no mail)",
    r"unbekannt", r"existiert nicht", r"n'existe pas", r"no existe", r"не (?:существует|найден)", r"unrouteable",
)
# Refused because of content, reputation or policy.
POLICY = _any_of(
    r"\bspam", r"\bjunk\b", r"\bblack ?list", r"\bblock ?list", r"\bdns[br]l\b", r"\brbl\b", r"blocked", r"bloqu[eé]", r"\bbanned\b", r"spamhaus", r"sorbs", r"barracuda", r"cloudmark", r"proofpoint", r"spamcop",
    r"polic(?:y|ies)", r"reputation", r"unsolicited", r"bulk (?:mail|e-?mail)", r"complaint", r"prohibited", r"(?:access|permission|connection\w*|delivery) (?:is |was |has been )?(?:denied|refused|not accepted|not allowed|restricted)",
    r"not authorized", r"not permitted", r"(?:don'?t|not) have permission", r"group\b[^\n]{0,80}(?:may not exist|quizás no exista)", r"(?:message|mail|content|e-?mail)[^\n]{0,30}(?:reject|refus|rejet)", r"client host rejected", r"\bhost rejected", r"no access from", r"suspicious", r"suspected", r"virus", r"malware",
    r"(?:frequency|rate|connection|too many)[^\n]{0,20}(?:limit|connections|messages|recipients)", r"not accepting connections", r"unwanted", r"refused", r"open relay", r"-filter\b", r"service refuse",
)

# Who writes bounces, and how they title them.
DAEMON = _any_of(
    r"mailer[-_. ]?daemon", r"\bpost ?master", r"poostmaster", r"mail(?:er)? deliver(?:y|er)? (?:sub)?system", r"mail deliver(?:y)?[- ]system", r"mail[-. ]?delivery", r"maildelivery",
    r"mail administrator", r"delivery[- ](?:notification|subsystem|service)", r"microsoftexchange", r"<>", r"^\W*$", r"mail\.d[ae]", r"\bmdaemon\b", r"mailadmin",
)
SUBJECT = _any_of(
    r"undeliver", r"undelivr", r"un ?delivered", r"returned (?:mail|message|e-?mail)", r"return(?:ing)? (?:mail|message) to sender", r"failure notice", r"(?:delivery|mail|sending|message)\W{1,3}(?:status|fail|error|problem|has failed|could not)",
    r"delivery (?:status|notification|report|delay)", r"failed? (?:mail|delivery|message)", r"failure[^\n]{0,12}(?:delivery|notice|mail)", r"mail (?:system )?error", r"mail (?:could )?not (?:be )?deliver", r"not? (?:be )?deliver(?:ed|able)",
    r"non[- ]?(?:delivery|remis|distribu)", r"unzustellbar", r"nicht zugestellt", r"(?:zustellung|übermittlung)[^\n]{0,20}fehl", r"no (?:se pudo )?entrega", r"échec de", r"mancato recapito", r"недоставлен", r"не доставлено", r"could not send message", r"delayed (?:mail|\d)", r"still being retried",
    r"error sending", r"bounce", r"message (?:delayed|not delivered)", r"warning: message", r"\bndn\b", r"notice: mail", r"配信", r"エラー",
)
BODY = _any_of(
    r"(?:could|can|was|were|did)(?: ?not|n'?t) (?:be )?(?:deliver|reach|sent)", r"(?:unable|failed|failure|trouble|impossible|problems?|wasn'?t able) (?:to |in )?(?:send|deliver|delivering|sending)", r"deliver\w*[^\n]{0,40}(?:fail|error|problem|delayed)",
    r"undeliver", r"permanent (?:error|failure|fatal)", r"(?:following|these) (?:address|recipient)[^\n]{0,60}(?:fail|error|problem|reject|ignored)", r"transcript of session", r"remote host said", r"smtp error", r"returned message", r"message returned",
    r"not (?:yet )?been delivered", r"failure reasons?", r"error_code", r"\b5\d\d[ -]\d\.\d\.\d", r"did not exactly match", r"(?:mail|message) has been returned because", r"no such user", r"user unknown", r"was blocked", r"ha sido|quizás no exista", r"送信できません|配信できません|届けられ", r"не может быть доставлено",
)
DELAYED = _any_of(
    r"warning only", r"still being retried", r"do(?:es)? not need to resend", r"delivery attempts will (?:continue|be)", r"will (?:be retried|continue to (?:try|be)|keep trying|retry)", r"not yet been delivered", r"has been delayed", r"temporary problem delivering|\bwarning: could not send",
)
# Where the machine's words end and the copy of our mail begins.
COPY = re.compile(
    r"^[ \t>*=_-]{0,60}(?:(?:the )?(?:original|unsent|returned|non-delivered|undelivered) (?:e-?mail )?message\b(?! (?:was|from))(?: (?:follows|headers?|as received|attached))?|message headers? follow|below this line is a copy|"
    r"this is a copy of|included is a copy|the header of the original|headers? of the (?:original )?message|returned message|unsent message|message text follows|original (?:mail|message) (?:follows|header)|received:\s|return-path:\s|dkim-signature:\s)",
    re.IGNORECASE | re.MULTILINE,
)
