"""Whether a lead is safe to write to (decisions §3). Pure."""

GREEN, YELLOW, RED = "green", "yellow", "red"
NOT_VALIDATED = "The address was not validated yet."
INVALID_UP_TO = 10  # the scores of the short cuts to invalid: syntax 0, disposable 5, no MX 10
RISKY_TLDS = frozenset(
    ["tk", "ml", "ga", "cf", "gq", "top", "xyz", "click", "loan", "work", "zip", "mov", "icu", "cam", "rest"]
)


def health_of(lead) -> tuple[str, list[str]]:
    """(green | yellow | red, reasons). `lead` has status, is_disposable, is_role, email, validation_*, is_catch_all."""
    if lead.status == "blocked":
        return RED, ["The address is suppressed."]
    if _is_invalid(lead):
        return RED, ["The address is invalid."]
    reasons = [(points, why) for points, why in _deductions(lead) if points]
    score = 100 - sum(points for points, _ in reasons)
    return (GREEN if score >= 80 else YELLOW if score >= 50 else RED), [why for _, why in reasons]


def awaits_validation(lead, workspace) -> bool:
    """The workspace wants a verdict on every address before it is written to, and this one has none (decisions C7)."""
    judged = lead.validation_status in ("valid", "risky", "invalid") or lead.validation_score is not None
    return workspace.require_validation and not judged


def shown_health(lead) -> tuple[str, list[str]]:
    """health_of() as people see it: who must be validated first is not green. Asks for the lead's workspace."""
    health, reasons = health_of(lead)
    if health == GREEN and awaits_validation(lead, lead.workspace):
        return YELLOW, [NOT_VALIDATED]
    return health, reasons


def _is_invalid(lead) -> bool:
    """While it is asked again, the old verdict stands: nothing may slip out meanwhile."""
    again = lead.validation_status == "pending" and lead.validation_score is not None
    return lead.validation_status == "invalid" or (again and lead.validation_score <= INVALID_UP_TO)


def _deductions(lead):
    yield 100 * lead.is_disposable, "The address is disposable."
    yield 30 * lead.is_role, "The address belongs to a role, not to a person."
    yield 25 * (lead.email.rpartition(".")[2] in RISKY_TLDS), "The address ends in a risky top-level domain."
    yield 20 * bool(lead.is_catch_all), "The domain accepts every address."
    if lead.validation_score is not None:
        yield max(0, 50 - lead.validation_score / 2), f"Validation scored it {lead.validation_score} of 100."
