"""What comes next for a mailbox or a domain, and when: the machine's own rules in a sentence. Pure."""

from datetime import datetime

from sending import healing
from sending.healing import Phase, Subject
from sending.models import Domain, Mailbox

BY_HAND = "Nothing happens by itself: a person must look, and resume it."


def outlook(subject: Subject) -> tuple[str | None, datetime | None]:
    """(a sentence, when), each None where there is nothing to say. A mailbox's domain must be loaded."""
    if isinstance(subject, Mailbox) and subject.domain.phase in healing.STOPPED and subject.phase in healing.STOPPED:
        return "Its domain has to recover first.", subject.domain.phase_until
    return _SAYING[subject.phase](subject)


def _of_a_warning(subject: Subject):
    if isinstance(subject, Domain):
        return "Healthy again once fewer than 30 % of its mailboxes are stopped.", None
    return "Healthy again unless another mail bounces.", subject.phase_until


def _of_a_pause(subject: Subject):
    if subject.phase_until is None:
        return BY_HAND, None
    return "Then its SPF, DKIM, DMARC and blocklists are checked.", subject.phase_until


def _of_a_quarantine(subject: Subject):
    if subject.phase_until is None:
        return BY_HAND, None
    passed = subject.checks_passed
    said = f"SPF, DKIM, DMARC and blocklists are checked, twice an hour apart ({passed} passed)."
    return said, subject.phase_until


def _of_a_stay(subject: Subject):
    sends, time = healing.needs(subject)
    after = {Phase.WARM_RECOVERY: "warm_recovery", Phase.HEALTHY: "healthy"}[healing.STAYS[subject.phase].next]
    so_far = f" ({subject.spell_sent} so far)" if isinstance(subject, Mailbox) else ""
    said = f"Goes on to {after} when {sends} mails went well{so_far} and the time is over."
    return said, subject.phase_since and subject.phase_since + time


_SAYING = {
    Phase.HEALTHY: lambda subject: (None, None),
    Phase.WARNING: _of_a_warning,
    Phase.PAUSED: _of_a_pause,
    Phase.QUARANTINE: _of_a_quarantine,
    Phase.RESTRICTED_SEND: _of_a_stay,
    Phase.WARM_RECOVERY: _of_a_stay,
}
