"""Protections taken away one by one, in a copy of the code: the test named beside each must fail there.

    make mutants                          all of them
    make mutants ARGS="grace_too_short"   some

`on`: where its test runs, "sqlite" or "servers" (PostgreSQL and Redis).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.faults import matrix

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
BOOK, OFFICE, GUARDS = "sending/ledger.py", "sending/postoffice.py", "sending/guards.py"
REPLAYS = "sending/replay.py"
STATES, CLIENT, WIRE = "sending/states.py", "sending/providers/smtp.py", "sending/providers/smtp_wire.py"
DEATHS, ANSWERS, SMTP, LEDGER = matrix.DEATHS, matrix.ANSWERS, matrix.SMTP, matrix.LEDGER


class Mutant(NamedTuple):
    edits: tuple[tuple[str, str, str], ...]  # (file, what stands there once, what shall stand there)
    test: str
    on: str = "sqlite"


MUTANTS = {
    "blind_retry_after_the_dot": Mutant(
        ((CLIENT, 'SendResult("unknown", code=trouble', 'SendResult("try_later", code=trouble'),),
        f"{SMTP}::TestLostConnections::test_after_the_dot_it_is_unknown",
    ),
    "commits_are_requeued": Mutant(
        ((BOOK, "move(message, State.UNKNOWN, token", "move(message, State.QUEUED, token"),),
        f"{DEATHS}::TestF3ToF6",
    ),
    "asked_again_unguarded": Mutant(
        ((REPLAYS, "guards.check(departure, but_not=", "dict(departure=departure, but_not="),),
        f"{matrix.REPLAY}::TestWhatHoldsAnyMailHoldsThis",
    ),
    "asked_again_under_the_old_token": Mutant(
        ((REPLAYS, "new_token=uuid.uuid4(), ", ""),),
        f"{matrix.REPLAY}::TestFences",
    ),
    "a_forgotten_key_is_asked": Mutant(
        ((REPLAYS, "body__handed_at__gt=now - ASKED_AGAIN_FOR,", "body__handed_at__isnull=False,"),),
        f"{matrix.REPLAY}::TestTheKey",
    ),
    "forged_events_are_taken": Mutant(
        (("apikeys/webhook_signing.py", "return any(same(given, expected) for", "return any(True for"),),
        f"{matrix.EVENTS}::TestTheDoor",
    ),
    "grace_too_short": Mutant(
        ((BOOK, "-timedelta(seconds=settings.UNKNOWN_AFTER_SECONDS)", "-timedelta(seconds=1)"),),
        f"{LEDGER}::TestReap",
    ),
    "grace_unchecked": Mutant(
        (("outbound/settings.py", "if UNKNOWN_AFTER_SECONDS <= SMTP_DOT_TIMEOUT_SECONDS + 5:", "if False:"),),
        "tests/faults/test_failpoints.py::test_a_lease_or_grace_that_is_too_short_stops_the_start",
    ),
    "no_token_at_the_commit": Mutant(
        ((BOOK, "token=message.token, state=State.CLAIMED)\n    return", "state=State.CLAIMED)\n    return"),
         (STATES, "state=message.state, token=token)", "state=message.state)")),
        f"{DEATHS}::TestF8AndF9",
    ),
    "no_token_in_the_reconciler": Mutant(
        (("sending/reconcile.py", "move(message, State.QUEUED, token=message.token,",
          'move(message, State.QUEUED, token=Message.objects.values_list("token", flat=True).get(pk=message.pk),'),),
        "tests/sending/test_reconcile.py::TestFences",
    ),
    "cap_checked_outside_the_transaction": Mutant(
        ((BOOK,
          "    try:\n        with transaction.atomic():\n            departure = departure_of(message, now)",
          "    box = Mailbox.objects.select_related('workspace', 'domain').get(pk=message.mailbox_id)\n"
          "    early = guards.report([guards.Departure(message, message.lane, message.lead, box, now)])[0]\n"
          "    full = next((each.held for each in early if each.held and each.name.endswith('_day')), None)\n"
          "    try:\n        with transaction.atomic():\n            if full:\n                raise full\n"
          "            departure = departure_of(message, now)"),
         ("sending/limits.py", "(pk=pk, used__lt=limit)", "(pk=pk)")),
        "tests/sending/test_concurrency.py::test_a_mailbox_sends_exactly_its_share_of_the_day", "servers",
    ),
    "lease_not_asked": Mutant(
        ((BOOK, "return held.filter(lease_until__gt=lease_now())", "return held"),),
        f"{LEDGER}::TestCommit",
    ),
    "no_clock_before_the_dot": Mutant(
        (("sending/dot.py", "if time.monotonic() - began > DOT_WITHIN:", "if False:"),),
        f"{DEATHS}::TestF8AndF9",
    ),
    "a_dot_without_a_commit": Mutant(
        ((OFFICE, "    if not committed:\n        handoff.abort()\n    return committed\n", "    return True\n"),),
        f"{DEATHS}::TestF8AndF9",
    ),
    "a_lost_commit_is_forgotten": Mutant(
        ((OFFICE, "        _write_down(message, LOST_IN_COMMIT, now)\n", ""),),
        f"{DEATHS}::TestF10", "servers",
    ),
    "leases_by_our_own_clock": Mutant(
        (("outbound/clock.py", 'Now() + plus if connection.vendor == "postgresql" else timezone', "timezone"),),
        f"{DEATHS}::TestF25", "servers",
    ),
    "frozen_transactions_stay": Mutant(
        (("outbound/env.py", "    if not seconds:", "    if True:"),), f"{DEATHS}::TestFrozen", "servers",
    ),
    "reading_leases_by_our_own_clock": Mutant(
        (("sending/imap_watch.py", "held_until__lt=lease_now()", "held_until__lt=real_now()"),),
        f"{DEATHS}::TestF25", "servers",
    ),
    "rests_by_our_own_clock": Mutant(
        ((BOOK, "retry_connection_at__lte=lease_now()", "retry_connection_at__lte=real_now()"),),
        f"{DEATHS}::TestF25", "servers",
    ),
    "no_gap_is_a_gap": Mutant(
        ((BOOK, "    if not gap:  #", "    if False:  #"),), f"{LEDGER}::TestGuards",
    ),
    "no_look_without_the_bell": Mutant(
        (("outbound/celery.py", "    dispatcher.start()\n", ""),),
        f"{matrix.PROCESSES}::test_F12_with_the_broker_down_flushed_and_back_mail_goes_on", "servers",
    ),
    "claims_without_a_lock": Mutant(
        ((BOOK, '            .select_for_update(skip_locked=True, of=("self",))\n            .order_by("send_at"',
          '            .order_by("send_at"'),),
        f"{ANSWERS}::TestF13", "servers",
    ),
    "an_edit_starts_over": Mutant(
        (("campaigns/collecting.py", "if step.position > position)", "if step.position >= position)"),),
        "tests/campaigns/test_changes_under_way.py::TestEdit::test_edits_at_every_moment_send_each_position_once",
    ),
    "letters_make_persons": Mutant(
        (("leads/checks.py", "        return lowered\n", "        return address\n"),), f"{ANSWERS}::TestF24",
    ),
    "holes_are_sent": Mutant(
        (("campaigns/planning.py", "if composed.holds:", "if False:"),),
        "tests/campaigns/test_main_job.py::test_a_lead_without_its_value_is_held_and_says_so",
    ),
    "every_value_is_paid_for": Mutant(
        (("leads/writing.py", "in share_what_is_there({key: task.rows for key, task in fresh.items()}):", "in ():"),),
        "tests/leads/test_variables.py::TestCalls::test_an_input_that_was_written_before_costs_no_call",
    ),
    "numbers_are_never_new": Mutant(
        (("sending/imap_reading.py", "if uidvalidity != cursor.uidvalidity:", "if False:"),),
        "tests/sending/test_imap_reading.py::TestTrouble::test_a_folder_numbered_anew_is_read_again_and_taken_in_once",
    ),
    "claims_are_not_freed": Mutant(
        ((BOOK, '{"freed": _free(),', '{"freed": 0,'),), f"{LEDGER}::TestReap",
    ),
    "plan_in_pieces": Mutant(
        (("campaigns/planning.py", "with transaction.atomic():\n        if not _is", "if True:\n        if not _is"),),
        f"{matrix.EACH}::test_F1_a_plan_killed_at_each_operation_is_made_once",
    ),
    "no_last_hour": Mutant(
        ((BOOK, "), last_try),", "), last_try + GIVE_UP_AFTER),"),),
        f"{ANSWERS}::TestF14",
    ),
    "policy_stops_nobody": Mutant(
        ((BOOK, 'elif result.blame == "sender":', "elif False:"),), f"{LEDGER}::TestSettle",
    ),
    "endless_reads": Mutant(
        ((WIRE, "budget = REPLY_BYTES", "budget = 10**12"),
         (WIRE, "len(lines) < REPLY_LINES", "len(lines) < 10**9")),
        f"{SMTP}::TestRudeServers::test_an_endless_answer_is_cut_off",
    ),
    "in_clear_without_starttls": Mutant(
        ((CLIENT,
          'raise NotAccepted(in_clear("The server does not offer STARTTLS, and mail in clear is not sent."))',
          "return"),),
        f"{SMTP}::TestEncryption::test_a_stripped_starttls_sends_nothing_in_clear",
    ),
    "no_deadline_for_all_steps": Mutant(
        ((CLIENT, "return min(self.finish, time.monotonic() + settings.SMTP_STEP_TIMEOUT_SECONDS)",
          "return time.monotonic() + settings.SMTP_STEP_TIMEOUT_SECONDS"),),
        f"{SMTP}::TestRudeServers::test_all_steps_before_the_dot_share_one_deadline",
    ),
    "certificates_do_not_stop": Mutant(
        ((BOOK, "if result.code in NEEDS_A_PERSON else {}", 'if result.code == "auth_failed" else {}'),),
        f"{ANSWERS}::TestF18",
    ),
    "pause_not_asked": Mutant(
        ((GUARDS, "elif state != Lane.State.OPEN:", "elif False:"),), f"{LEDGER}::TestCommit",
    ),
    "suppression_not_asked": Mutant(
        ((GUARDS, "if found and not confirmed:", "if False:"),), f"{ANSWERS}::TestF21",
    ),
    "addresses_are_not_locked": Mutant(
        (("leads/suppression.py", 'SELECT pg_advisory_xact_lock(key) FROM', "SELECT key FROM"),),
        f"{ANSWERS}::test_F21_an_address_that_is_no_leads_any_more_is_locked_too", "servers",
    ),
    "address_not_compared": Mutant(
        ((GUARDS, "elif departure.lead.email != departure.message.to_email:", "elif False:"),),
        f"{LEDGER}::TestGuards",
    ),
    "only_sent_mail_is_answered": Mutant(
        (("sending/inbox.py", "direction=Message.Direction.OUT)", 'direction=Message.Direction.OUT, state="sent")'),),
        f"{ANSWERS}::TestF31",
    ),
    "tasks_do_not_stop": Mutant(
        (("sending/tasks.py", "drain(mailbox_id, stop=closing.is_set)", "drain(mailbox_id)"),),
        f"{matrix.PROCESSES}::test_F34_asked_to_end_with_mail_in_flight_it_finishes_that_mail_and_gives_the_rest_back",
    ),
}  # fmt: skip


def change(folder: Path, mutant: Mutant) -> None:
    """Raises ValueError where the code is no longer what the mutant changes."""
    for name, old, new in mutant.edits:
        text = (folder / name).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{name} has this {text.count(old)} times: {old}")
        (folder / name).write_text(text.replace(old, new))


def is_caught(name: str) -> bool:
    """Whether the test fails. Neither an error of pytest's own nor a test that is gone counts."""
    mutant, began = MUTANTS[name], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        copy = Path(shutil.copytree(ROOT, Path(place) / "copy", ignore=LEFT_OUT))
        change(copy, mutant)
        env = {key: value for key, value in os.environ.items() if key not in ("TEST_RUN", "OUTBOUND_HOME")}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", mutant.test]
        run = subprocess.run(
            command,
            cwd=copy,
            env=env | {"TEST_ON": mutant.on},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    caught = run.returncode == 1 and "FAILED" in run.stdout
    seconds = round(time.monotonic() - began)
    print(f"{'caught' if caught else 'SURVIVED'}: {name} by {mutant.test} on {mutant.on} in {seconds} s", flush=True)
    if not caught:
        print(run.stdout[-2000:], run.stderr[-1000:], flush=True)
    return caught


def main(names: list[str]) -> int:
    results = [is_caught(name) for name in names or MUTANTS]
    print(f"{sum(results)} of {len(results)} mutants caught")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
