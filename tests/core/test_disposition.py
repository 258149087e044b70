"""The table of dispositions, combination by combination: it has an answer for everything that the outside can say."""

from itertools import product

import pytest
from tests.core.things import a_command

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.disposition import OPENS, SAVED_ERROR, Disposition, dispose, fact_of
from fallsafe.core.commands.ledger import CommandState, Purpose, next_state
from fallsafe.core.commands.outcome import Accepted, Done, Fact, Looked, Lost, NotSent, Rejected, Says

S = CommandState
SOURCES = ("answer", "callback", "look_up", "lease", "breach", "person")
A, DU, C, L, OO, N = (
    Disposition.APPLIED,
    Disposition.DUPLICATE,
    Disposition.CONFLICT,
    Disposition.LATE,
    Disposition.OUT_OF_ORDER,
    Disposition.NOTICE,
)

# A callback about a command that was sent once, and names the same thing as before.
# it says          the command is     disposition  verb        opens
CALLBACKS = [
    (Says.DONE, S.INTENDED, A, "complete", "ABSENCE_WRONG"),
    (Says.DONE, S.SENDING, A, "complete", None),
    (Says.DONE, S.ACCEPTED, A, "complete", None),
    (Says.DONE, S.UNKNOWN, A, "complete", None),
    (Says.DONE, S.ABSENT, A, "complete", "ABSENCE_WRONG"),
    (Says.DONE, S.DONE, DU, None, None),
    (Says.DONE, S.REJECTED, C, None, "CALLBACK_CONFLICT"),
    (Says.DONE, S.SUPERSEDED, C, None, "LATE_SUCCESS"),
    (Says.DONE, S.WITHDRAWN, C, None, "LATE_SUCCESS"),
    (Says.REJECTED, S.INTENDED, L, None, None),
    (Says.REJECTED, S.SENDING, A, "reject", None),
    (Says.REJECTED, S.ACCEPTED, A, "reject", None),
    (Says.REJECTED, S.UNKNOWN, A, "reject", None),
    (Says.REJECTED, S.ABSENT, L, None, None),
    (Says.REJECTED, S.DONE, C, None, "CALLBACK_CONFLICT"),
    (Says.REJECTED, S.REJECTED, DU, None, None),
    (Says.REJECTED, S.SUPERSEDED, L, None, None),
    (Says.REJECTED, S.WITHDRAWN, L, None, None),
    (Says.ACCEPTED, S.INTENDED, L, None, "ABSENCE_WRONG"),
    (Says.ACCEPTED, S.SENDING, A, "accept", None),
    (Says.ACCEPTED, S.ACCEPTED, DU, None, None),
    (Says.ACCEPTED, S.UNKNOWN, A, "accept", None),
    (Says.ACCEPTED, S.ABSENT, L, None, "ABSENCE_WRONG"),
    (Says.ACCEPTED, S.DONE, OO, None, None),
    (Says.ACCEPTED, S.REJECTED, OO, None, None),
    (Says.ACCEPTED, S.SUPERSEDED, OO, None, None),
    (Says.ACCEPTED, S.WITHDRAWN, OO, None, None),
    (Says.PROGRESS, S.ACCEPTED, N, None, None),
    (Says.PROGRESS, S.SENDING, A, "accept", None),
    (Says.PROGRESS, S.UNKNOWN, A, "accept", None),
    (Says.PROGRESS, S.DONE, OO, None, None),
    (Says.LOST, S.ACCEPTED, A, "lose", None),
    (Says.LOST, S.UNKNOWN, DU, None, None),
    (Says.LOST, S.DONE, L, None, None),
    (Says.NOT_SENT, S.ACCEPTED, L, None, None),
    (Says.ABSENT, S.UNKNOWN, L, None, None),
]

# it says          source       the command is  verb
FINDINGS = [
    (Says.DONE, "look_up", S.UNKNOWN, "find_done"),
    (Says.DONE, "person", S.UNKNOWN, "find_done"),
    (Says.REJECTED, "look_up", S.UNKNOWN, "find_rejected"),
    (Says.PENDING, "look_up", S.UNKNOWN, "find_pending"),
    (Says.ABSENT, "look_up", S.UNKNOWN, "find_absent"),
    (Says.ABSENT, "person", S.UNKNOWN, "find_absent"),
    (Says.DONE, "look_up", S.ACCEPTED, "complete"),
    (Says.DONE, "look_up", S.ABSENT, "complete"),
]

# A rejection that answers an attempt of a command that was lost before, where the same key gives the saved error again.
# contract                     attempt  the command is  disposition  verb
REPLAYED = [
    (Repeat.REPLAYS_SAVED_ERROR, 2, S.SENDING, A, "lose"),
    (Repeat.REPLAYS_SAVED_ERROR, 2, S.UNKNOWN, DU, None),
    (Repeat.REPLAYS_SAVED_ERROR, 1, S.SENDING, L, None),
    (Repeat.SAME_RESULT, 2, S.SENDING, A, "reject"),
    (Repeat.REJECTS_DUPLICATE, 2, S.SENDING, A, "reject"),
]

# it says          the command is  verb
ANSWERS = [
    (Says.ACCEPTED, S.SENDING, "accept"),
    (Says.DONE, S.SENDING, "complete"),
    (Says.REJECTED, S.SENDING, "reject"),
    (Says.NOT_SENT, S.SENDING, "not_sent"),
    (Says.LOST, S.SENDING, "lose"),
    (Says.DONE, S.UNKNOWN, "complete"),  # its sender came back after the lease had run out
    (Says.NOT_SENT, S.UNKNOWN, None),
    (Says.LOST, S.ACCEPTED, None),  # the callback was quicker than the answer
    (Says.LOST, S.DONE, None),
]


class WhenASavedErrorIsReplayed:
    """A repeat that gives the old error again is no new rejection, and no proof that nothing happened."""

    @pytest.mark.parametrize(("repeat", "attempt", "state", "disposition", "verb"), REPLAYED)
    def test_it_is_read_by_what_the_contract_does_with_a_repeat(self, repeat, attempt, state, disposition, verb):
        lost_once = a_command(state, attempts=2, lost_because="timeout")
        verdict = dispose(lost_once, Fact(Says.REJECTED, "answer", raw_code="X", attempt=attempt), repeat)
        assert (verdict.disposition, verdict.verb) == (disposition, verb)
        assert verdict.sign == (SAVED_ERROR if verb == "lose" else "")

    def test_what_was_never_lost_is_rejected(self):
        verdict = dispose(a_command(S.SENDING, attempts=2), Fact(Says.REJECTED, "answer", attempt=2), REPLAYED[0][0])
        assert verdict.verb == "reject"


class WhenAFactArrives:
    @pytest.mark.parametrize(("says", "state", "disposition", "verb", "opens"), CALLBACKS)
    def test_a_callback_is_read_by_the_table(self, says, state, disposition, verb, opens):
        verdict = dispose(a_command(state, attempts=1), Fact(says, "callback", attempt=1))
        assert (verdict.disposition, verdict.verb, verdict.opens) == (disposition, verb, opens)

    @pytest.mark.parametrize(("says", "source", "state", "verb"), FINDINGS)
    def test_what_was_found_out_moves_by_the_verb_of_finding(self, says, source, state, verb):
        assert dispose(a_command(state, attempts=1), Fact(says, source)).verb == verb

    @pytest.mark.parametrize(("says", "state", "verb"), ANSWERS)
    def test_the_senders_own_answer_moves_by_the_verb_of_sending(self, says, state, verb):
        assert dispose(a_command(state, attempts=1), Fact(says, "answer", attempt=1)).verb == verb

    def test_silence_past_breach_loses_an_accepted_command(self):
        assert dispose(a_command(S.ACCEPTED, attempts=1), Fact(Says.LOST, "breach")).verb == "lose"

    def test_a_lease_that_ran_out_while_sending_is_lost_and_never_sent_again(self):
        verdict = dispose(a_command(S.SENDING, attempts=1), Fact(Says.LOST, "lease", attempt=1))
        assert next_state(S.SENDING, verdict.verb, Purpose.FULFILL) is S.UNKNOWN


class WhenTheTableIsAskedEverything:
    def verdicts(self):
        everything = product(
            S, Says, SOURCES, ("", "SRV-1", "SRV-2"), (0, 1, 2), (0, 2), (Purpose.FULFILL, Purpose.QUERY)
        )
        for state, says, source, reference, attempt, attempts, purpose in everything:
            command = a_command(state, attempts=attempts, reference="SRV-1", purpose=purpose)
            fact = Fact(says, source, reference, attempt=attempt)
            yield command, fact, dispose(command, fact)

    def test_there_is_an_answer_for_each_and_only_applied_moves(self):
        for _, _, verdict in self.verdicts():
            assert (verdict.verb is not None) == (verdict.disposition is A)

    def test_each_verb_is_in_a_lifecycle_table(self):
        for command, _, verdict in self.verdicts():
            if verdict.verb:
                assert next_state(command.state, verdict.verb, command.purpose) in S

    def test_a_conflict_always_opens_a_case_with_a_known_code(self):
        for _, _, verdict in self.verdicts():
            assert verdict.disposition is not C or verdict.opens in OPENS
            assert verdict.opens is None or verdict.opens in OPENS

    def test_no_fact_takes_back_what_is_decided(self):
        for command, _, verdict in self.verdicts():
            if command.state in (S.DONE, S.REJECTED, S.SUPERSEDED, S.WITHDRAWN):
                assert verdict.verb is None

    def test_no_fact_lets_a_command_out_again_but_proof_that_nothing_left(self):
        for command, fact, verdict in self.verdicts():
            if verdict.verb and command.purpose is Purpose.FULFILL:
                after = next_state(command.state, verdict.verb, command.purpose)
                assert after is not S.INTENDED or fact.says is Says.NOT_SENT

    def test_a_look_that_finds_nothing_moves_only_what_is_unknown(self):
        for command, fact, verdict in self.verdicts():
            if fact.says is Says.ABSENT and verdict.verb and command.purpose is Purpose.FULFILL:
                assert (command.state, fact.source in ("look_up", "person")) == (S.UNKNOWN, True)


class WhenASuccessMeetsWhatWeThought:
    def test_another_reference_for_a_done_command_is_a_second_effect(self):
        command = a_command(S.DONE, attempts=1, reference="SRV-1")
        verdict = dispose(command, Fact(Says.DONE, "callback", "SRV-2"))
        assert (verdict.disposition, verdict.verb, verdict.opens) == (C, None, "DUPLICATE_EFFECT")

    def test_the_same_reference_again_is_a_duplicate(self):
        command = a_command(S.DONE, attempts=1, reference="SRV-1")
        assert dispose(command, Fact(Says.DONE, "callback", "SRV-1")).disposition is DU

    @pytest.mark.parametrize("state", [S.INTENDED, S.WITHDRAWN])
    def test_success_of_what_never_left_is_a_contradiction(self, state):
        verdict = dispose(a_command(state), Fact(Says.DONE, "callback"))
        assert (verdict.disposition, verdict.opens) == (C, "CALLBACK_CONFLICT")

    @pytest.mark.parametrize("state", [S.SENDING, S.ACCEPTED, S.UNKNOWN])
    def test_the_success_of_an_earlier_attempt_counts(self, state):
        assert dispose(a_command(state, attempts=2), Fact(Says.DONE, "callback", attempt=1)).verb == "complete"

    @pytest.mark.parametrize("state", [S.SENDING, S.ACCEPTED, S.UNKNOWN])
    def test_the_refusal_of_an_earlier_attempt_does_not(self, state):
        assert dispose(a_command(state, attempts=2), Fact(Says.REJECTED, "callback", attempt=1)).disposition is L


class WhenAQuestionIsAnswered:
    # the connector brought          the query is then
    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            (Looked(Says.DONE, "SRV-1"), S.DONE),
            (Looked(Says.ABSENT), S.DONE),
            (Rejected("401"), S.REJECTED),
            (NotSent("refused"), S.INTENDED),
            (Lost("timeout"), S.INTENDED),
            (Accepted(), S.INTENDED),
        ],
    )
    def test_an_answer_ends_the_query_and_a_lost_one_is_asked_again(self, outcome, state):
        query = a_command(S.SENDING, purpose=Purpose.QUERY, attempts=1)
        verb = dispose(query, fact_of(outcome, 1)).verb
        assert next_state(S.SENDING, verb, Purpose.QUERY) is state


class WhenAnOutcomeBecomesAFact:
    @pytest.mark.parametrize(
        ("outcome", "says"),
        [
            (Accepted("R"), Says.ACCEPTED),
            (Done("R"), Says.DONE),
            (Rejected("NO", "words", "R"), Says.REJECTED),
            (NotSent("refused"), Says.NOT_SENT),
            (Lost("timeout"), Says.LOST),
        ],
    )
    def test_it_says_the_same_and_remembers_its_attempt(self, outcome, says):
        fact = fact_of(outcome, 3)
        assert (fact.says, fact.source, fact.attempt) == (says, "answer", 3)

    def test_a_refusal_keeps_the_systems_own_words(self):
        fact = fact_of(Rejected("BC-1404 ACCOUNT_NOT_FOUND", "acct 88121 unknown"), 1)
        assert (fact.raw_code, fact.message) == ("BC-1404 ACCOUNT_NOT_FOUND", "acct 88121 unknown")
