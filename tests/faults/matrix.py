"""The failure matrix: each fault, what must hold, the tests that show it, and the mutants that those tests have caught.

`python -m tests.faults.matrix` prints it as it stands in docs/ledger.md; test_matrix.py holds both together.
"""

from typing import NamedTuple

EACH = "tests/faults/test_each_operation.py"
DEATHS = "tests/faults/test_matrix_deaths.py"
ANSWERS = "tests/faults/test_matrix_answers.py"
PROCESSES = "tests/faults/test_matrix_processes.py"
SMTP = "tests/sending/test_smtp.py"
LEDGER = "tests/sending/test_ledger.py"
HTTP = "tests/faults/test_http_transport.py"
REPLAY = "tests/sending/test_replay.py"
EVENTS = "tests/sending/test_resend_events.py"


class Row(NamedTuple):
    fault: str
    holds: str
    tests: tuple[str, ...]
    mutants: tuple[str, ...] = ()


ROWS = {
    "F1": Row(
        "killed between plan and its commit", "nothing happened; the next tick plans",
        (f"{EACH}::test_F1_a_plan_killed_at_each_operation_is_made_once",), ("plan_in_pieces",),
    ),
    "F2": Row(
        "killed after the claim and anywhere up to the body", "sent once, after the lease",
        (
            f"{DEATHS}::TestF2::test_F2_killed_at_a_point",
            f"{DEATHS}::TestF2::test_F2_killed_while_the_server_is_at_a_stage",
            f"{EACH}::test_F2_to_F6_a_send_killed_at_each_operation_arrives_once_or_is_parked",
        ),
        ("claims_are_not_freed",),
    ),
    "F3": Row(
        "killed between commit and dot", "sent again once the Sent folder proves it; parked until then",
        (f"{DEATHS}::TestF3ToF6::test_F3_killed_between_commit_and_dot",
         "tests/sending/test_reconcile.py::TestEvidence::test_absent_from_a_folder_that_proves_is_sent_again_once",
         "tests/sending/test_reconcile.py::TestEvidence::test_absent_from_a_folder_that_proves_nothing_stays_unknown",
         f"{HTTP}::test_F2_to_F6_a_send_over_http_killed_at_each_operation_arrives_once_and_none_stays_unknown",
         f"{REPLAY}::TestWhatHoldsAnyMailHoldsThis::test_somebody_who_opted_out"),
        ("commits_are_requeued", "asked_again_unguarded"),
    ),
    "F4": Row(
        "killed after the dot, the server took it", "never again; found and booked as sent",
        (f"{DEATHS}::TestF3ToF6::test_F4_F6_killed_after_the_dot",
         f"{SMTP}::TestLostConnections::test_after_the_dot_it_is_unknown",
         "tests/sending/test_smtp_lines.py::test_a_line_cut_at_many_bytes"),
        ("blind_retry_after_the_dot", "commits_are_requeued"),
    ),
    "F5": Row(
        "killed after the dot, the server dropped it", "as F3",
        (f"{DEATHS}::TestF3ToF6::test_F5_killed_after_a_dot_that_the_server_dropped",
         f"{HTTP}::test_F5_a_day_later_it_is_left_to_a_person"),
        ("commits_are_requeued", "a_forgotten_key_is_asked"),
    ),
    "F6": Row(
        "killed before the outcome is committed", "as F4; after it there is nothing left to do",
        (f"{DEATHS}::TestF3ToF6::test_F4_F6_killed_after_the_dot",
         f"{DEATHS}::TestF3ToF6::test_F6_killed_after_the_outcome_was_committed",
         f"{LEDGER}::TestReap::test_a_commit_without_an_answer_is_parked_after_the_grace_and_never_sent_again",
         "tests/faults/test_failpoints.py::test_a_lease_or_grace_that_is_too_short_stops_the_start"),
        ("grace_too_short", "grace_unchecked"),
    ),
    "F7": Row(
        "killed inside the reconciler; one that wakes up late", "another finishes; a later attempt is not touched",
        (f"{EACH}::test_F7_a_reconciler_killed_at_each_operation_leaves_it_to_the_next",
         f"{EACH}::test_a_reaper_killed_at_each_operation_leaves_it_to_the_next",
         f"{EACH}::test_a_decision_killed_at_each_operation_is_made_whole_or_not_at_all",
         "tests/sending/test_reconcile.py::TestFences::test_a_slow_reconciler_writes_nothing_about_a_later_attempt",
         f"{HTTP}::test_F7_who_asks_again_killed_at_each_operation_leaves_it_to_the_next",
         f"{REPLAY}::TestFences::test_whoever_committed_it_first_and_wakes_up_writes_nothing"),
        ("no_token_in_the_reconciler", "asked_again_under_the_old_token"),
    ),
    "F8": Row(
        "asleep for longer than its lease, before the commit", "zero rows; the socket is closed without a dot",
        (f"{DEATHS}::TestF8AndF9::test_F8_asleep_for_longer_than_its_lease_it_commits_nothing",
         f"{DEATHS}::TestF8AndF9::test_F8_even_when_another_has_only_claimed_it",
         f"{LEDGER}::TestCommit::test_a_claim_whose_lease_ran_out_commits_nothing",
         f"{DEATHS}::TestFrozen::test_F8_its_transaction_is_ended_and_its_lane_is_free",
         f"{DEATHS}::TestFrozen::test_F8_every_connection_of_the_product_is_bounded_so"),
        ("no_token_at_the_commit", "a_dot_without_a_commit", "lease_not_asked", "frozen_transactions_stay"),
    ),
    "F9": Row(
        "asleep between commit and dot", "the local clock closes the socket; the row goes back",
        (f"{DEATHS}::TestF8AndF9::test_F9_asleep_between_commit_and_dot_it_sends_no_dot",
         f"{DEATHS}::TestF8AndF9::test_F9_asleep_for_longer_than_the_grace_it_changes_nothing"),
        ("no_clock_before_the_dot",),
    ),
    "F10": Row(
        "the database goes away in a transaction, or during its COMMIT", "no dot without a commit that was confirmed",
        (f"{DEATHS}::TestF10::test_F10_lost_before_the_commit",
         f"{DEATHS}::TestF10::test_F10_lost_during_the_commit",
         f"{DEATHS}::TestF10::test_F10_lost_while_the_answer_is_written_down",
         "tests/faults/test_chaos_storms.py::test_a_whole_storm"),
        ("a_lost_commit_is_forgotten",),
    ),
    "F12": Row(
        "Redis down, flushed, started again", "mail goes on by looking",
        (f"{PROCESSES}::test_F12_with_the_broker_down_flushed_and_back_mail_goes_on",),
        ("no_look_without_the_bell",),
    ),
    "F13": Row(
        "one task fifty times, two clocks", "no effect",
        (f"{ANSWERS}::TestF13::test_F13_the_same_bell_fifty_times_and_two_clocks_send_each_mail_once",
         "tests/sending/test_concurrency.py::test_ticks_at_once_plan_each_step_once"),
        ("claims_without_a_lock",),
    ),
    "F14": Row(
        "421, 450, 451, 452 at any stage", "later, longer each time; one mail; refused after 72 hours",
        (f"{ANSWERS}::TestF14::test_F14_later_at_any_stage_is_one_mail_and_one_attempt_more_each_time",
         f"{ANSWERS}::TestF14::test_F14_the_last_try_is_at_its_72nd_hour_and_then_it_is_refused_as_expired",
         f"{EACH}::test_F14_turned_away_at_its_dot_and_killed_at_each_operation_it_arrives_once_or_never",
         f"{SMTP}::TestWhatTheServerSays::test_4xx_before_the_dot_is_try_later"),
        ("no_last_hour",),
    ),
    "F15": Row(
        "550 5.1.1, 5.7.x, 552 5.2.2", "suppress the address; pause the mailbox; neither",
        (f"{LEDGER}::TestSettle::test_an_address_that_does_not_exist_is_suppressed",
         f"{LEDGER}::TestSettle::test_a_policy_against_us_stops_the_mailbox_and_keeps_the_lead",
         f"{LEDGER}::TestSettle::test_a_full_mailbox_is_not"),
        ("policy_stops_nobody",),
    ),
    "F17": Row(
        "endless, malformed and early answers, stripped STARTTLS",
        "bounded reads; never in clear where TLS is required",
        (f"{SMTP}::TestRudeServers::test_an_endless_answer_is_cut_off",
         f"{SMTP}::TestRudeServers::test_without_a_354_no_body_is_sent",
         f"{SMTP}::TestEncryption::test_a_stripped_starttls_sends_nothing_in_clear"),
        ("endless_reads", "in_clear_without_starttls"),
    ),
    "F18": Row(
        "certificate not valid, AUTH 535", "auth_failed, one try in 15 minutes, others go on",
        (f"{ANSWERS}::TestF18::test_F18_a_certificate_that_is_not_valid_stops_its_mailbox_and_no_other",
         "tests/sending/test_postoffice.py::TestTheServerSaysNo::test_another_mailbox_goes_on"),
        ("certificates_do_not_stop",),
    ),
    "F19": Row(
        "one byte at a time", "one deadline for all before the dot; the worker is freed",
        (f"{ANSWERS}::test_F19_a_server_that_says_one_byte_at_a_time_frees_its_worker_and_the_mail_waits",
         "tests/sending/test_smtp_lines.py::test_a_line_of_one_byte_at_a_time_does_not_hold_the_worker",
         f"{SMTP}::TestRudeServers::test_all_steps_before_the_dot_share_one_deadline"),
        ("no_deadline_for_all_steps",),
    ),
    "F20": Row(
        "pause, stop, resume at random moments", "nothing after the answer; resumed, the rest once",
        ("tests/faults/test_pause.py::test_after_the_answer_to_a_pause_nothing_leaves_and_resume_sends_the_rest_once",
         "tests/faults/test_pause.py::test_a_stop_is_final",
         "tests/faults/test_chaos_storms.py::test_nothing_leaves_after_an_acknowledgement",
         f"{LEDGER}::TestCommit::test_a_guard_leaves_nothing_behind"),
        ("pause_not_asked",),
    ),
    "F21": Row(
        "opt-out, reply, suppression at the moment of the commit", "committed before, or never",
        (f"{ANSWERS}::TestF21::test_F21_after_the_locks_it_waits_for_the_commit",
         f"{ANSWERS}::TestF21::test_F21_before_the_locks_it_wins",
         f"{ANSWERS}::test_F21_an_address_that_is_no_leads_any_more_is_locked_too"),
        ("addresses_are_not_locked", "suppression_not_asked"),
    ),
    "F22": Row(
        "lead deleted or edited", "skipped; unsent steps follow the edit; threads keep the old address",
        (f"{ANSWERS}::TestF22::test_F22_unsent_steps_follow_an_edit_and_the_thread_keeps_the_old_address",
         f"{LEDGER}::TestGuards::test_another_address", f"{LEDGER}::TestGuards::test_a_deleted_lead"),
        ("address_not_compared",),
    ),
    "F23": Row(
        "sequence edited", "a new version; nobody gets a position twice",
        ("tests/campaigns/test_changes_under_way.py::TestEdit::test_edits_at_every_moment_send_each_position_once",),
        ("an_edit_starts_over",),
    ),
    "F24": Row(
        "one person in other letters, two groups", "one mail per step and address; walking elsewhere excludes",
        (f"{ANSWERS}::TestF24::test_F24_one_person_in_other_letters_and_two_groups_gets_one_mail",
         "tests/campaigns/test_api_runs.py::TestStarting::test_who_walks_elsewhere_stays_out_unless_asked_for"),
        ("letters_make_persons",),
    ),
    "F25": Row(
        "clocks an hour off, DST, leap day", "the database's clock; ten years of windows",
        (f"{DEATHS}::TestF25::test_F25_a_worker_whose_clock_is_an_hour_off_frees_and_parks_nothing_too_soon",
         f"{DEATHS}::TestF25::test_F25_nor_does_its_own_claim_last_longer_or_shorter",
         f"{DEATHS}::TestF25::test_F25_nor_does_it_knock_or_read_where_another_has_said_when",
         "tests/pure/test_schedule.py::TestOverTenYears::test_the_slot_is_inside_and_not_before"),
        ("leases_by_our_own_clock", "rests_by_our_own_clock", "reading_leases_by_our_own_clock"),
    ),
    "F26": Row(
        "cap 50, 16 workers, more due", "exactly 50",
        ("tests/sending/test_concurrency.py::test_a_mailbox_sends_exactly_its_share_of_the_day",
         f"{LEDGER}::TestGuards::test_without_a_gap_whoever_looked_at_the_clock_earlier_waits_for_nobody"),
        ("cap_checked_outside_the_transaction", "no_gap_is_a_gap"),
    ),
    "F28": Row(
        "the model is silent, busy or refuses", "no mail with holes",
        ("tests/campaigns/test_main_job.py::test_a_lead_without_its_value_is_held_and_says_so",
         "tests/leads/test_writers.py::TestModelTrouble::test_a_silent_service_is_given_up",
         "tests/leads/test_variables.py::TestCalls::test_a_busy_model_puts_it_off"),
        ("holes_are_sent",),
    ),
    "F29": Row(
        "a crash after the model's answer", "at most one charge for an input",
        ("tests/leads/test_variables.py::TestCalls::test_an_input_that_was_written_before_costs_no_call",),
        ("every_value_is_paid_for",),
    ),
    "F30": Row(
        "UIDVALIDITY changes, a drop in mid-fetch, a mail in two folders", "processed once",
        ("tests/sending/test_imap_reading.py::TestTrouble::test_a_folder_numbered_anew_is_read_again_and_taken_in_once",
         "tests/sending/test_imap_reading.py::TestTrouble::"
         "test_a_connection_that_breaks_in_the_middle_loses_and_doubles_nothing",
         "tests/sending/test_imap_reading.py::TestTakingIn::test_the_same_mail_in_several_folders_is_taken_in_once"),
        ("numbers_are_never_new",),
    ),
    "F31": Row(
        "the answer comes before our own `sent`", "matched; the sequence stops",
        (f"{ANSWERS}::TestF31::test_F31_a_reply_before_our_own_commit_is_matched_and_stops_the_sequence",),
        ("only_sent_mail_is_answered",),
    ),
    "F32": Row(
        "a provider's webhook early, twice, out of order, forged", "states never go back; 401",
        (
            f"{EVENTS}::TestEarly::test_F32_before_the_answer_the_mail_waits_for_its_answer",
            f"{EVENTS}::TestEarly::test_F32_should_the_answer_never_come_the_event_is_the_proof",
            f"{EVENTS}::TestTheDoor::test_F32_the_same_event_twice_acts_once",
            f"{EVENTS}::TestWhatFollows::test_F32_out_of_order_no_state_goes_back",
            f"{EVENTS}::TestTheDoor::test_F32_a_forged_one_is_401_and_changes_nothing",
            f"{EVENTS}::TestTheDoor::test_F32_one_that_is_older_or_younger_than_five_minutes_is_401",
        ),
        ("forged_events_are_taken",),
    ),
    "F34": Row(
        "SIGTERM with mail in flight; old and new code together", "drained in 30 s; claims given back",
        (f"{PROCESSES}::test_F34_asked_to_end_with_mail_in_flight_it_finishes_that_mail_and_gives_the_rest_back",
         f"{ANSWERS}::TestF13::test_F13_the_same_bell_fifty_times_and_two_clocks_send_each_mail_once"),
        ("tasks_do_not_stop",),
    ),
}  # fmt: skip


def table() -> str:
    """Markdown: one line for each row, tests by their names."""
    lines = ["| | fault | must hold | shown by | tried with |", "|---|---|---|---|---|"]
    for name, row in ROWS.items():
        tests = ", ".join(f"`{test.rpartition('::')[2]}`" for test in row.tests)
        mutants = ", ".join(f"`{mutant}`" for mutant in row.mutants) or "–"
        lines.append(f"| {name} | {row.fault} | {row.holds} | {tests} | {mutants} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
