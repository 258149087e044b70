"""The command ledger: its tables pair by pair, and rule 2, which says when the same key may go out again."""

from datetime import timedelta
from itertools import product

import pytest
from tests.core.things import HOUR, MINUTE, NOW, a_command, a_lost_command, an_operation

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import (
    COMMAND_LIFECYCLE,
    FACT_LIFECYCLE,
    PERSON_SENDS_AGAIN,
    QUERY_LIFECYCLE,
    CommandState,
    Purpose,
    key_for,
    may_intend,
    may_send,
    next_state,
    settles_at,
    task_state_of,
)
from fallsafe.core.errors import Bug
from fallsafe.core.lifecycle import allowed, may, move
from fallsafe.core.orders.task import TaskState

S = CommandState

# from, verb, to: as the model writes it down
ROWS = [
    (S.INTENDED, "send", S.SENDING),
    (S.INTENDED, "withdraw", S.WITHDRAWN),
    (S.SENDING, "accept", S.ACCEPTED),
    (S.SENDING, "complete", S.DONE),
    (S.SENDING, "reject", S.REJECTED),
    (S.SENDING, "not_sent", S.INTENDED),
    (S.SENDING, "lose", S.UNKNOWN),
    (S.ACCEPTED, "complete", S.DONE),
    (S.ACCEPTED, "reject", S.REJECTED),
    (S.ACCEPTED, "lose", S.UNKNOWN),
    (S.UNKNOWN, "find_done", S.DONE),
    (S.UNKNOWN, "find_rejected", S.REJECTED),
    (S.UNKNOWN, "find_pending", S.ACCEPTED),
    (S.UNKNOWN, "find_absent", S.ABSENT),
    (S.ABSENT, "send_again", S.INTENDED),
    (S.ABSENT, "supersede", S.SUPERSEDED),
    (S.REJECTED, "supersede", S.SUPERSEDED),
]
FACT_ROWS = [
    (S.UNKNOWN, "accept", S.ACCEPTED),
    (S.UNKNOWN, "complete", S.DONE),
    (S.UNKNOWN, "reject", S.REJECTED),
    (S.INTENDED, "complete", S.DONE),
    (S.ABSENT, "complete", S.DONE),
]
QUERY_ROWS = [
    (S.INTENDED, "send", S.SENDING),
    (S.INTENDED, "withdraw", S.WITHDRAWN),
    (S.SENDING, "complete", S.DONE),
    (S.SENDING, "reject", S.REJECTED),
    (S.SENDING, "not_sent", S.INTENDED),
    (S.SENDING, "lose", S.INTENDED),
]
VERBS = sorted({verb for _, verb, _ in ROWS + FACT_ROWS})


class WhenACommandMoves:
    @pytest.mark.parametrize(("state", "verb", "after"), ROWS + FACT_ROWS)
    def test_each_row_of_the_tables_moves_it(self, state, verb, after):
        assert next_state(state, verb, Purpose.FULFILL) is after

    @pytest.mark.parametrize(("state", "verb", "after"), QUERY_ROWS)
    def test_a_question_has_its_own_table(self, state, verb, after):
        assert next_state(state, verb, Purpose.QUERY) is after

    @pytest.mark.parametrize(
        ("table", "rows"),
        [(COMMAND_LIFECYCLE, ROWS), (FACT_LIFECYCLE, FACT_ROWS), (QUERY_LIFECYCLE, QUERY_ROWS)],
    )
    def test_nothing_else_is_in_the_tables(self, table, rows):
        assert table == {(state, verb): after for state, verb, after in rows}

    def test_each_other_pair_is_refused(self):
        known = {(state, verb) for state, verb, _ in ROWS}
        for state, verb in product(S, VERBS):
            assert may(COMMAND_LIFECYCLE, state, verb) == ((state, verb) in known)
            if (state, verb) not in known | {(s, v) for s, v, _ in FACT_ROWS}:
                with pytest.raises(Bug):
                    next_state(state, verb, Purpose.FULFILL)

    def test_from_unknown_no_verb_leads_to_a_send(self):
        after = {move(COMMAND_LIFECYCLE, S.UNKNOWN, verb) for verb in allowed(COMMAND_LIFECYCLE, S.UNKNOWN)}
        assert after == {S.DONE, S.REJECTED, S.ACCEPTED, S.ABSENT}

    def test_a_question_never_becomes_unknown(self):
        assert S.UNKNOWN not in QUERY_LIFECYCLE.values()


class WhenACommandGivesItsTaskAState:
    @pytest.mark.parametrize(
        ("state", "fulfilling", "undoing"),
        [
            (S.INTENDED, TaskState.READY, TaskState.UNDOING),
            (S.SENDING, TaskState.SENDING, TaskState.UNDOING),
            (S.ACCEPTED, TaskState.WAITING_CALLBACK, TaskState.UNDOING),
            (S.DONE, TaskState.COMPLETED, TaskState.UNDONE),
            (S.REJECTED, TaskState.FAILED, TaskState.UNDO_FAILED),
            (S.ABSENT, TaskState.FAILED, TaskState.UNDO_FAILED),
            (S.UNKNOWN, TaskState.UNKNOWN, TaskState.UNDO_UNKNOWN),
            (S.SUPERSEDED, None, None),
            (S.WITHDRAWN, None, None),
        ],
    )
    def test_it_follows_the_command(self, state, fulfilling, undoing):
        assert task_state_of(a_command(state)) is fulfilling
        assert task_state_of(a_command(state, purpose=Purpose.UNDO)) is undoing
        assert task_state_of(a_command(state, purpose=Purpose.QUERY)) is None


class WhenACommandWantsToGoOut:
    def test_what_never_left_may_go(self):
        assert may_send(a_command(), an_operation(repeat=Repeat.UNSUPPORTED), NOW) is None

    def test_after_proof_that_nothing_left_any_operation_may_go(self):
        command = a_command(attempts=1, first_sent_at=NOW, last_sent_at=NOW, ended_at=NOW)
        assert may_send(command, an_operation(repeat=Repeat.UNSUPPORTED, key_lives=timedelta(0)), NOW + HOUR) is None

    # the contract says                          the key lives   hours later   refused with
    @pytest.mark.parametrize(
        ("repeat", "key_lives", "hours", "code"),
        [
            (Repeat.SAME_RESULT, timedelta(days=1), 1, None),
            (Repeat.REJECTS_DUPLICATE, timedelta(days=1), 1, None),
            (Repeat.SAME_RESULT, None, 10_000, None),
            (Repeat.REPLAYS_SAVED_ERROR, timedelta(days=1), 1, "REPEAT_NOT_SAFE"),
            (Repeat.UNSUPPORTED, None, 1, "REPEAT_NOT_SAFE"),
            (Repeat.SAME_RESULT, timedelta(days=1), 24, "KEY_EXPIRED"),
            (Repeat.REJECTS_DUPLICATE, timedelta(days=1), 25, "KEY_EXPIRED"),
        ],
    )
    def test_after_an_attempt_that_may_have_left_the_contract_decides(self, repeat, key_lives, hours, code):
        operation = an_operation(repeat=repeat, key_lives=key_lives)
        refusal = may_send(a_lost_command(state=S.INTENDED), operation, NOW + hours * HOUR)
        assert (refusal.code if refusal else None) == code

    def test_the_key_must_still_live_when_the_request_arrives(self):
        operation = an_operation(key_lives=HOUR, call_timeout=10 * MINUTE)
        command = a_lost_command(state=S.INTENDED)
        assert may_send(command, operation, NOW + 50 * MINUTE) is None
        assert may_send(command, operation, NOW + 51 * MINUTE).code == "KEY_EXPIRED"

    def test_the_life_of_the_key_counts_from_the_first_send(self):
        command = a_lost_command(state=S.INTENDED, attempts=2, last_sent_at=NOW + 23 * HOUR)
        assert may_send(command, an_operation(key_lives=24 * HOUR), NOW + 24 * HOUR).code == "KEY_EXPIRED"

    def test_a_proved_refusal_of_a_later_attempt_does_not_make_an_earlier_loss_harmless(self):
        command = a_lost_command(state=S.INTENDED, attempts=2, ended_at=NOW + MINUTE)
        assert may_send(command, an_operation(repeat=Repeat.UNSUPPORTED), NOW + HOUR).code == "REPEAT_NOT_SAFE"

    def test_a_person_may_send_again_what_no_contract_protects(self):
        command = a_lost_command(state=S.INTENDED, finding=PERSON_SENDS_AGAIN)
        assert may_send(command, an_operation(repeat=Repeat.UNSUPPORTED), NOW + HOUR) is None

    def test_a_lost_question_is_asked_again(self):
        query = a_lost_command(state=S.INTENDED, purpose=Purpose.QUERY)
        assert may_send(query, an_operation(repeat=Repeat.UNSUPPORTED), NOW + HOUR) is None

    @pytest.mark.parametrize(
        ("state", "code"),
        [
            (S.UNKNOWN, "OUTCOME_UNKNOWN"),
            (S.SENDING, "ALREADY_SENT"),
            (S.ACCEPTED, "ALREADY_SENT"),
            (S.ABSENT, "ABSENT_UNDECIDED"),
            (S.DONE, "ALREADY_DECIDED"),
            (S.REJECTED, "ALREADY_DECIDED"),
            (S.SUPERSEDED, "ALREADY_DECIDED"),
            (S.WITHDRAWN, "ALREADY_DECIDED"),
        ],
    )
    def test_from_every_other_state_it_is_refused_with_what_would_work(self, state, code):
        refusal = may_send(a_lost_command(state=state), an_operation(), NOW + MINUTE)
        assert refusal.code == code
        assert refusal.why
        assert refusal.hint

    def test_the_refusal_says_what_why_and_how_to_find_out(self):
        refusal = may_send(a_lost_command(), an_operation(), NOW + MINUTE)
        says, works = str(refusal).splitlines()
        assert says == "cannot send command C-9: the outcome of C-9 is unknown since 03:00:10 UTC (timeout)"
        assert works.startswith("first find out: fallsafe command reconcile C-9")
        assert works.endswith(f"(asks PRV by key {a_command().key}; settle window ends 03:05:10 UTC)")


class WhenATaskWantsAnotherCommand:
    @pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.QUERY])
    def test_nobody_gets_one_while_an_outcome_is_unknown(self, purpose):
        older = a_command(S.SUPERSEDED, id=8)
        refusal = may_intend([older, a_lost_command()], purpose, NOW + MINUTE)
        assert refusal.code == "OUTCOME_UNKNOWN"
        assert "fallsafe command reconcile C-9" in refusal.hint

    @pytest.mark.parametrize(
        ("state", "code"),
        [
            (S.INTENDED, "ALREADY_INTENDED"),
            (S.SENDING, "ALREADY_SENT"),
            (S.ACCEPTED, "ALREADY_SENT"),
            (S.ABSENT, "ABSENT_UNDECIDED"),
            (S.DONE, None),
            (S.REJECTED, None),
            (S.SUPERSEDED, None),
            (S.WITHDRAWN, None),
        ],
    )
    def test_one_at_a_time(self, state, code):
        refusal = may_intend([a_command(state)], Purpose.UNDO, NOW)
        assert (refusal.code if refusal else None) == code

    def test_asking_is_always_allowed(self):
        assert may_intend([a_lost_command()], Purpose.QUERY, NOW) is None

    def test_a_question_under_way_stops_nothing(self):
        assert may_intend([a_command(S.SENDING, purpose=Purpose.QUERY)], Purpose.FULFILL, NOW) is None


class WhenTheSettleWindowIsCounted:
    def test_it_starts_at_the_end_that_the_sender_recorded(self):
        command = a_lost_command(lease_until=NOW + 30 * MINUTE)
        assert settles_at(command, an_operation()) == command.ended_at + 5 * MINUTE

    def test_else_at_the_end_of_the_lease(self):
        command = a_lost_command(ended_at=None, lease_until=NOW + MINUTE)
        assert settles_at(command, an_operation()) == NOW + 6 * MINUTE

    def test_the_end_of_an_earlier_attempt_does_not_count(self):
        command = a_lost_command(attempts=2, last_sent_at=NOW + HOUR, lease_until=NOW + HOUR + MINUTE)
        assert settles_at(command, an_operation()) == NOW + HOUR + 6 * MINUTE


class WhenAKeyIsMade:
    def test_it_is_the_business_identity_and_never_our_own_ids(self):
        key = key_for("CRM", "777", "fiber", "activateFiberService", Purpose.FULFILL, 1)
        assert key == "CRM/777/fiber.activateFiberService/fulfill/1"
