"""Finding out what happened (§11): silence, "not found" and contradictions prove nothing."""

from datetime import timedelta

import pytest
from tests.core.things import DAY, MINUTE, NOW, a_command, a_look_up, a_lost_command, an_operation

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import CommandState, Purpose
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.recover.polling import is_poll, next_number
from fallsafe.core.recover.reconcile import (
    FoundAbsent,
    FoundDone,
    FoundPending,
    FoundRejected,
    LookAgain,
    LookUpAnswer,
    Undecided,
    next_look_at,
    reconcile,
    ways_to_look,
)

# Sent at NOW, timed out at NOW+10s; settle window 5m, second look 5m later.
ENDED = NOW + timedelta(seconds=10)
SETTLES = ENDED + 5 * MINUTE
OPERATION = an_operation()
EARLY, FIRST, SECOND = ENDED + MINUTE, SETTLES + MINUTE, SETTLES + 7 * MINUTE


def said(says: Says, method: str = "key", at=FIRST, **more) -> LookUpAnswer:
    reference = more.pop("reference", "SRV-1" if says is Says.DONE else "")
    return LookUpAnswer(method, says, reference, more.pop("raw_code", ""), at, at, **more)


def both(says: Says, at=FIRST) -> list[LookUpAnswer]:
    return [said(says, "key", at), said(says, "reference", at)]


def finding(answers, at=FIRST, facts=(), operation=OPERATION, **command):
    return reconcile(a_lost_command(**command), operation, answers, facts, at + timedelta(seconds=1))


class WhenAnActivationTimedOut:
    def test_it_is_done_when_the_original_key_says_so_even_at_once(self):
        assert finding([said(Says.DONE, at=EARLY), said(Says.ABSENT, "reference", EARLY)], EARLY) == FoundDone("SRV-1")

    def test_not_found_within_the_settle_window_never_counts(self):
        found = finding(both(Says.ABSENT, EARLY), EARLY)
        assert found == LookAgain(
            SETTLES, "not found, which proves nothing before the settle window is over at 03:05:10 UTC"
        )

    def test_one_empty_look_after_it_is_the_first_of_two(self):
        found = finding(both(Says.ABSENT))
        assert isinstance(found, LookAgain)
        assert (found.at, found.empty_at) == (FIRST + 5 * MINUTE, FIRST + timedelta(seconds=1))

    def test_its_second_is_far_enough_from_it_though_the_clock_was_set_back_before_it_was_answered(self):
        found = reconcile(a_lost_command(), OPERATION, both(Says.ABSENT), (), FIRST - MINUTE)
        assert (found.at, found.empty_at) == (FIRST + 5 * MINUTE, FIRST)

    def test_two_empty_looks_far_enough_apart_prove_absence(self):
        assert finding(both(Says.ABSENT, SECOND), SECOND, first_empty_at=FIRST, empty_looks=1) == FoundAbsent()

    def test_a_second_look_that_comes_too_early_does_not_count(self):
        found = finding(both(Says.ABSENT, FIRST + MINUTE), FIRST + MINUTE, first_empty_at=FIRST, empty_looks=1)
        assert isinstance(found, LookAgain)
        assert (found.at, found.empty_at) == (FIRST + 5 * MINUTE, None)

    def test_both_looks_may_be_told_at_once(self):
        assert finding(both(Says.ABSENT) + both(Says.ABSENT, SECOND), SECOND) == FoundAbsent()

    def test_two_early_looks_prove_nothing_however_often(self):
        looks = [a for n in range(4) for a in both(Says.ABSENT, ENDED + n * MINUTE)]
        assert finding(looks, ENDED + 4 * MINUTE).at == SETTLES

    def test_one_look_is_never_two_even_without_a_pause_between(self):
        operation = an_operation(second_look=timedelta(0))
        assert isinstance(finding(both(Says.ABSENT), operation=operation), LookAgain)

    def test_an_empty_look_of_an_earlier_attempt_does_not_count(self):
        found = finding(both(Says.ABSENT, SECOND), SECOND, first_empty_at=NOW - MINUTE, empty_looks=1)
        assert (found.empty_at, found.at) == (SECOND + timedelta(seconds=1), SECOND + 5 * MINUTE)

    def test_what_was_asked_before_the_window_ended_was_asked_too_early(self):
        asked_early = [
            LookUpAnswer(m, Says.ABSENT, "", "", SETTLES + MINUTE, SETTLES - MINUTE) for m in ("key", "reference")
        ]
        assert finding(asked_early).at == SETTLES

    def test_the_window_counts_from_the_end_of_the_lease_where_the_sender_died(self):
        lease = NOW + 30 * MINUTE
        found = finding(both(Says.ABSENT, SECOND), SECOND, ended_at=None, lease_until=lease)
        assert found.at == lease + 5 * MINUTE

    def test_every_way_must_find_nothing(self):
        found = finding([said(Says.ABSENT, "key", SECOND)], SECOND, first_empty_at=FIRST)
        assert found == LookAgain(None, "no usable answer to the question by reference")


class WhenItIsKnownThere:
    def test_rejected_is_rejected_with_its_own_code(self):
        answers = [
            said(Says.REJECTED, raw_code="ADDRESS_NOT_SERVICEABLE", message="no drop"),
            said(Says.ABSENT, "reference"),
        ]
        assert finding(answers) == FoundRejected("ADDRESS_NOT_SERVICEABLE", "no drop")

    def test_not_finished_is_not_finished(self):
        assert finding([said(Says.PENDING, reference="SRV-1"), said(Says.ABSENT, "reference")]) == FoundPending("SRV-1")

    def test_not_finished_has_an_end(self):
        assert isinstance(finding([said(Says.PENDING)], pending_looks=12), Undecided)

    def test_a_callback_that_came_meanwhile_counts(self):
        done = Fact(Says.DONE, "callback", "SRV-1", attempt=1)
        assert finding(both(Says.ABSENT, EARLY), EARLY, [done]) == FoundDone("SRV-1")

    def test_a_callback_about_an_earlier_attempt_refuses_nothing(self):
        refused = Fact(Says.REJECTED, "callback", raw_code="NO", attempt=1)
        assert isinstance(finding(both(Says.ABSENT, EARLY), EARLY, [refused], attempts=2), LookAgain)
        assert finding(both(Says.ABSENT, EARLY), EARLY, [refused]) == FoundRejected("NO")

    def test_an_older_not_found_is_overtaken(self):
        answers = [*both(Says.ABSENT, FIRST), said(Says.DONE, "key", SECOND)]
        assert finding(answers, SECOND) == FoundDone("SRV-1")


CONTRADICTIONS = {
    "another key": [
        said(Says.ABSENT),
        said(Says.DONE, "reference", key="CRM/778/fiber.activateFiberService/fulfill/1"),
    ],
    "done by object, absent by key": [said(Says.ABSENT), said(Says.DONE, "reference")],
    "done by key, absent by object": [said(Says.DONE), said(Says.ABSENT, "reference")],
    "done and rejected": [said(Says.DONE), said(Says.REJECTED, "reference", raw_code="NO")],
    "rejected and pending": [said(Says.REJECTED, raw_code="NO"), said(Says.PENDING, "reference")],
    "two of them": [said(Says.DONE), said(Says.DONE, "reference", reference="SRV-2")],
}


class WhenAnswersContradictEachOther:
    @pytest.mark.parametrize("answers", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
    def test_a_person_decides(self, answers):
        found = finding(answers)
        assert isinstance(found, Undecided)
        assert found.why

    def test_the_same_effect_found_twice_is_no_contradiction(self):
        assert finding([said(Says.DONE), said(Says.DONE, "reference")]) == FoundDone("SRV-1")

    def test_an_object_that_is_not_seen_under_our_key_yet_is_looked_at_again(self):
        answers = [said(Says.ABSENT, at=EARLY), said(Says.DONE, "reference", EARLY)]
        assert isinstance(finding(answers, EARLY), LookAgain)
        assert finding(answers, EARLY).at == SETTLES

    def test_an_object_that_carries_our_key_is_ours(self):
        answers = [said(Says.ABSENT, at=EARLY), said(Says.DONE, "reference", EARLY, key=a_lost_command().key)]
        assert finding(answers, EARLY) == FoundDone("SRV-1")

    def test_where_no_key_can_be_asked_the_object_decides(self):
        operation = an_operation(look_ups=(a_look_up("reference"),))
        assert finding([said(Says.DONE, "reference")], operation=operation) == FoundDone("SRV-1")


class WhenNobodyCanBeAsked:
    def test_a_person_must_find_out(self):
        assert isinstance(finding([], operation=an_operation(look_ups=())), Undecided)

    def test_the_identical_repeat_is_a_look_only_where_the_result_is_the_same_and_the_key_lives(self):
        repeat = (a_look_up("repeat"),)
        command = a_lost_command()
        same = an_operation(look_ups=repeat, repeat=Repeat.SAME_RESULT, key_lives=DAY)
        assert ways_to_look(command, same, NOW + MINUTE) == repeat
        assert ways_to_look(command, same, NOW + 2 * DAY) == ()
        assert ways_to_look(command, an_operation(look_ups=repeat, repeat=Repeat.UNSUPPORTED), NOW + MINUTE) == ()

    def test_asking_comes_before_repeating(self):
        operation = an_operation(look_ups=(a_look_up("repeat"), a_look_up("key")), repeat=Repeat.SAME_RESULT)
        assert [way.method for way in ways_to_look(a_lost_command(), operation, NOW)] == ["key"]

    def test_a_repeat_never_proves_absence(self):
        operation = an_operation(look_ups=(a_look_up("repeat"),), repeat=Repeat.SAME_RESULT)
        found = finding([said(Says.LOST, "repeat", SECOND)], SECOND, operation=operation, first_empty_at=FIRST)
        assert isinstance(found, LookAgain)


class WhenTheNextLookIsPlanned:
    # looks   first empty   now        next look
    @pytest.mark.parametrize(
        ("looks", "first_empty_at", "now", "at"),
        [
            (0, None, ENDED, ENDED),
            (1, None, EARLY, SETTLES),
            (1, None, FIRST, FIRST),
            (2, FIRST, FIRST, FIRST + 5 * MINUTE),
            (2, FIRST, SECOND, SECOND),
        ],
    )
    def test_the_first_comes_at_once_and_the_others_when_they_can_say_more(self, looks, first_empty_at, now, at):
        command = a_lost_command(looks=looks, first_empty_at=first_empty_at)
        assert next_look_at(command, OPERATION, now) == at


class WhenWhatWasLookedForIsAskedAboutLater:
    """A poll, or a comparison: its answers are heard as such, and are none of a look's."""

    @pytest.mark.parametrize(("asked", "number"), [((), -1), ((1, 2), -1), ((1, -1), -2)])
    def test_its_questions_have_numbers_of_their_own(self, asked, number):
        target = a_command(CommandState.ACCEPTED)
        queries = [
            a_command(CommandState.DONE, id=n, purpose=Purpose.QUERY, target_id=target.id, look=look)
            for n, look in enumerate(asked, 900)
        ]
        assert next_number(target, [target, *queries]) == number
        assert is_poll(a_command(purpose=Purpose.QUERY, look=number))
