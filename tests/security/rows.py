"""Which test stands for which attack: the table of the guarantees page, and what is not met yet.

A test of this folder belongs to exactly one row; `test_rows` sees to it. Tests of other folders that carry a row further
are named with their path.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Row:
    """An attack, what must come of it, and the tests that try it: `module::test`, the module's `test_` left out."""

    attack: str
    expected: str
    tests: tuple[str, ...] = ()
    comes_with: str = ""
    """What has to be built before the attack can be tried; empty when it is tried now."""


def _row(attack: str, expected: str, *tests: str) -> Row:
    return Row(attack, expected, tests)


ROWS: Final = (
    _row(
        "Another department's ticket by id, by list filter, by verb, in figures",
        "404 as for one that is not there; lists and figures without it",
        "keys::test_another_departments_ticket_is_not_there",
        "keys::test_a_refused_verb_has_left_the_ticket_as_it_was",
        "keys::test_no_filter_lists_what_is_another_departments",
        "keys::test_figures_of_another_department_count_nothing",
    ),
    _row(
        "Mass assignment: status, sla, department, score, revision",
        "422 that names the field, nothing stored",
        "keys::test_a_field_that_is_not_the_callers_to_set_is_refused",
        "keys::test_a_patch_may_not_set_what_the_service_sets",
    ),
    _row(
        "An agent at operators' doors, a key without scopes, a role that would rise",
        "403 that names the scope",
        "keys::test_an_agent_is_stopped_at_every_door_that_is_not_its_own",
        "keys::test_a_key_without_scopes_opens_nothing",
        "keys::test_no_role_but_admin_makes_keys",
    ),
    _row(
        "Expired and revoked keys, keys of another installation",
        "401 in every service",
        "keys::test_an_expired_key_is_no_key",
        "keys::test_a_revoked_key_ends_everywhere",
        "keys::test_a_key_of_another_installation_is_unknown",
    ),
    _row(
        "Telling keys and objects apart from outside: messages, timing, guessing",
        "one and the same 401; digests compared in constant time",
        "keys::test_every_wrong_key_gets_one_and_the_same_answer",
        "keys::test_a_stranger_learns_no_more_of_what_there_is_than_of_what_there_is_not",
        "keys::test_keys_are_compared_by_digest_in_constant_time",
        "keys::test_guessing_keys_costs_the_guesser_and_not_the_memory",
        "secrets::test_doors_without_a_key_are_the_five_that_tell_nothing_of_anybody",
    ),
    _row(
        "10 MB bodies, 10⁶ keys, depth 1000, endless numbers, batches over the limit",
        "400, 413 or 422, memory flat",
        "bodies::test_a_body_out_of_proportion_is_refused",
        "bodies::test_refusing_huge_bodies_leaves_the_memory_flat",
        "bodies::test_a_batch_of_more_than_it_may_have_is_refused",
        "slow_clients::test_a_refusal_is_heard_by_a_client_that_is_still_sending",
    ),
    _row(
        "Compressed bodies (bombs), XML and other kinds of body",
        "415 before a byte is unpacked or parsed",
        "bodies::test_a_compressed_body_is_not_unpacked",
        "bodies::test_a_body_of_another_kind_is_not_parsed",
    ),
    _row(
        "Page size 10⁹, foreign cursors",
        "422 that names the parameter",
        "bodies::test_a_page_is_never_longer_than_two_hundred",
        "bodies::test_a_cursor_that_is_not_ours_is_refused",
    ),
    _row(
        "Slow heads and bodies (slow-loris), answers that nobody reads",
        "408 after 10 s (head) or 30 s (body), unread answers dropped, the others served",
        "slow_clients::test_a_head_by_drops_is_given_ten_seconds",
        "slow_clients::test_answers_that_nobody_reads_do_not_pile_up",
        "tests/chassis/test_bodies.py::test_a_body_that_does_not_arrive_is_given_up",
        "tests/chassis/test_connection.py::test_an_answer_that_nobody_reads_is_dropped",
    ),
    _row(
        "1,000 connections, connections broken off in the middle",
        "memory flat, files given back, the others served",
        "slow_clients::test_a_thousand_connections_leave_the_memory_flat_and_the_others_served",
        "slow_clients::test_requests_that_are_broken_off_leave_nothing_behind",
        "slow_clients::test_after_all_that_the_suite_is_well",
        "tests/chassis/test_connection.py::test_one_connection_too_many_is_told_so_and_the_others_go_on",
    ),
    _row(
        "Request smuggling: length and chunks together, two lengths, bad chunks, folded lines, bare LF, NUL, two Hosts",
        "400, 501 or 505 as a problem document; the connection ends, what follows is not read",
        "framing::test_a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_ends",
        "framing::test_what_is_no_request_of_ours_is_a_problem_document",
        "framing::test_chunk_extensions_and_trailers_carry_nothing_in",
        "framing::test_two_requests_in_one_piece_are_answered_in_order",
        "framing::test_an_upgrade_is_not_taken_and_what_follows_it_is_not_read",
        "framing::test_an_old_client_gets_its_answer_and_the_end_of_the_connection",
        "framing::test_an_address_in_absolute_form_reaches_only_our_own_resources",
    ),
    _row(
        "Huge heads, invalid header bytes, two keys or idempotency keys, Expect, unknown methods",
        "431, 414, 401, 400, 413, 501 or 405; nothing is echoed",
        "framing::test_a_huge_head_is_refused",
        "framing::test_a_key_that_is_no_text_is_a_wrong_key",
        "framing::test_of_two_keys_in_one_request_neither_is_chosen_for_the_better",
        "framing::test_of_two_idempotency_keys_in_one_request_neither_is_taken",
        "framing::test_who_asks_before_sending_is_told_at_once",
        "framing::test_a_method_that_no_resource_knows_is_refused_and_echoes_nothing",
    ),
    _row(
        "SQL, LIKE wildcards, ORDER BY, templates in ids, filters and texts",
        "compared and stored as text, never executed; unknown parameters 422",
        "texts::test_a_filter_is_compared_and_never_executed",
        "texts::test_an_id_is_compared_and_never_executed",
        "texts::test_nobody_orders_or_selects_by_a_name_that_they_send",
        "texts::test_a_hostile_text_is_stored_and_told_as_it_was_written",
    ),
    _row(
        "NUL bytes, lone surrogates, invalid UTF-8 in bodies and addresses",
        "400 or 422, nothing stored",
        "texts::test_what_no_database_can_hold_is_refused",
        "texts::test_an_address_with_a_nul_is_refused",
        "texts::test_an_address_that_is_no_text_finds_nothing",
    ),
    _row(
        "CRLF, ANSI codes and forged JSON in what is logged",
        "one JSON object per line, control characters escaped",
        "texts::test_a_forged_line_stays_inside_the_line_that_tells_of_it",
        "tests/chassis/test_logging.py::test_forged_lines_and_terminal_codes_are_inert",
    ),
    _row(
        "Texts that almost match a rule, over and over (256 KB)",
        "answered and classified in bounded time",
        "bodies::test_the_largest_text_allowed_is_answered_and_classified_in_bounded_time",
    ),
    _row(
        "Idempotency-Key with another body, by another principal, 100 at once",
        "422; independent; one creates, the others replay or get 409",
        "repeats::test_a_key_used_for_another_body_is_refused_and_stores_nothing",
        "repeats::test_another_principals_key_is_another_key",
        "repeats::test_of_a_hundred_at_once_one_creates_and_the_others_learn_of_it",
    ),
    _row(
        "Forged events: a service on another's topic, wrong source, unknown version, oversized headers",
        "dead letter at every reader, no effect, later events taken",
        "forged_events::test_a_forged_key_is_put_aside_by_every_reader_and_opens_nothing",
        "forged_events::test_a_true_event_after_a_forged_one_is_obeyed",
        "tests/eventbus/test_deliveries.py::test_an_event_that_its_publisher_did_not_put_there_is_not_believed",
    ),
    _row(
        "The broker's port from another user of the machine; rubbish, huge frames, 1,000 silent connections",
        "loopback only; nothing without the password; only its own connection ends, memory flat",
        "broker_port::test_another_user_of_the_machine_gets_nothing_without_the_password",
        "broker_port::test_with_the_password_the_owner_gets_in",
        "broker_port::test_no_address_but_loopback_is_ever_listened_on",
        "broker_port::test_the_running_suite_listens_on_loopback_only",
        "broker_port::test_rubbish_ends_its_own_connection_and_no_more",
        "broker_port::test_a_thousand_silent_connections_leave_the_memory_flat",
        "tests/broker/test_refusals.py::test_a_frame_that_is_begun_and_not_ended_ends_the_connection",
    ),
    _row(
        "Secrets and customers' words in logs, metrics, errors, dead letters, arguments, files",
        "canaries found 0 times; files for their owner only",
        "secrets::test_a_customers_words_are_told_nowhere",
        "secrets::test_a_name_is_told_only_where_it_was_asked_for",
        "secrets::test_a_key_is_told_once_and_never_again",
        "secrets::test_no_file_of_the_suite_holds_the_admin_key",
        "secrets::test_no_answer_shows_how_it_came_to_be",
        "secrets::test_arguments_of_the_process_hold_no_secret",
        "secrets::test_what_the_suite_keeps_is_readable_by_its_owner_only",
        "secrets::test_a_password_in_a_wrong_setting_is_not_repeated",
        "forged_events::test_what_was_put_aside_is_shown_to_operators_without_its_words",
    ),
    _row(
        "API documentation that loads from elsewhere, other origins",
        "own assets only; no CORS header, no cookie",
        "secrets::test_the_api_page_loads_nothing_from_elsewhere",
        "secrets::test_browsers_of_other_origins_get_nothing",
    ),
    Row("JWT: alg none, key confusion, wrong audience, expired", "401", comes_with="sign-in of people"),
    Row("Replayed or wrongly signed channel push", "401, nothing stored", comes_with="channel adapters"),
    Row("XML billion laughs, external entities, archive bombs, path traversal", "400 or 413", comes_with="channel adapters and imports"),
    Row("Vote and NPS stuffing, review flooding", "429, flagged", comes_with="surveys"),
    Row("Webhook to private, loopback, rebinding and odd addresses", "refused at save and at send", comes_with="notify"),
    Row("Feedback with script, RTL override, zalgo in pages, mail and PDF", "inert text", comes_with="console and reports"),
    Row("Formulas in exported cells", "quoted text", comes_with="exports"),
    Row("Regular expressions supplied by admins", "linear time", comes_with="regular expressions in rules"),
    Row("A tampered or cut audit trail", "verify fails at that row", comes_with="the audit trail"),
    Row("Dependencies with known faults, unpinned hashes", "the build fails", comes_with="release builds"),
)  # fmt: skip


def path_of(name: str) -> str:
    """Return the pytest id of a row's test."""
    module, _, test = name.partition("::")
    return name if "/" in module else f"tests/security/test_{module}.py::{test}"


def _told(row: Row) -> str:
    files = sorted({path_of(name).partition("::")[0].rpartition("/")[2] for name in row.tests})
    return f"{len(row.tests)} in " + ", ".join(f"`{file}`" for file in files)


def table() -> str:
    """Return the rows as a Markdown table; what is not tried yet stands below it, with what it waits for."""
    lines = ["| attack | what comes of it | tests |", "|---|---|---|"]
    lines += [f"| {row.attack} | {row.expected} | {_told(row)} |" for row in ROWS if row.tests]
    waiting = [f"- {row.attack}: comes with {row.comes_with}." for row in ROWS if not row.tests]
    return "\n".join(
        [*lines, "", "Not tried yet, because what would be attacked is not built:", "", *waiting]
    )
