"""§11: an operation with an unknown outcome is never tried again with a new identity, and nothing happens twice.

A small world stands in for the other system: requests are lost before or after their effect, answers come late or
never, senders die, effects show themselves late. Whatever happens, the ledger's own rules decide what goes out next,
and the judge counts effects outside, not sends.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.things import MINUTE, NOW, a_command, a_lost_command, an_operation

from fallsafe.core.commands.contract import Operation, Repeat, repeat_is_harmless
from fallsafe.core.commands.disposition import dispose
from fallsafe.core.commands.ledger import CommandState, Purpose, key_lives, may_intend, may_send, next_state
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.recover.reconcile import (
    FoundAbsent,
    FoundDone,
    FoundPending,
    FoundRejected,
    LookAgain,
    LookUpAnswer,
    Undecided,
    reconcile,
)

S = CommandState
SECOND = timedelta(seconds=1)
LEASE = 30 * SECOND
SENDS = ("answered", "refused", "lost before", "lost after", "sender dies", "sender dies after", "sender is slow")


class World:
    """One command, the operation's contract, and what really exists outside."""

    def __init__(self, operation: Operation, honest: bool) -> None:
        self.honest = honest
        self.lag = timedelta(0)  # how long an effect is not seen by look-ups
        self.now = NOW
        self.operation = operation
        self.command = a_command()
        self.effects: list = []  # when each effect came into being
        self.arriving: list = []  # when a request that is under way will take effect
        self.answers: list = []  # (when, what its sender will say)
        self.keys: set[str] = set()
        self.refusals: list[str] = []

    def let_time_pass(self, span: timedelta) -> None:
        until = self.now + span
        for at in sorted(a for a in self.arriving if a <= until):
            self.arriving.remove(at)
            self._take_effect(at)
        self.now = until

    def _take_effect(self, at) -> None:
        """A repeat is recognized while the key lives, where the contract says so; elsewhere it is a second effect."""
        lives = self.operation.key_lives
        known = self.effects and (lives is None or at <= self.effects[0] + lives)
        if not (known and self.operation.repeat is not Repeat.UNSUPPORTED):
            self.effects.append(at)

    def apply(self, fact: Fact, **columns) -> None:
        verb = dispose(self.command, fact).verb
        if verb is not None:
            self.command = replace(self.command, state=next_state(self.command.state, verb, Purpose.FULFILL), **columns)

    def send(self, how: str, delay: timedelta) -> None:
        refusal = may_send(self.command, self.operation, self.now)
        if refusal is not None:
            self.refusals.append(refusal.code)
            return
        n = self.command.attempts + 1
        self.keys.add(self.command.key)
        self.command = replace(
            self.command,
            state=next_state(self.command.state, "send", Purpose.FULFILL),
            attempts=n,
            first_sent_at=self.command.first_sent_at or self.now,
            last_sent_at=self.now,
            ended_at=None,
            lease_until=self.now + LEASE,
        )
        end = self.now + self.operation.call_timeout
        match how:
            case "answered":
                self._take_effect(self.now)
                self._answer(Fact(Says.DONE, "answer", attempt=n), self.now)
            case "refused":
                self._answer(Fact(Says.NOT_SENT, "answer", attempt=n), self.now)
            case "lost before":
                self._answer(Fact(Says.LOST, "answer", attempt=n), end)
            case "lost after":
                self.arriving.append(self._arrival(delay, end))
                self._answer(Fact(Says.LOST, "answer", attempt=n), end)
            case "sender dies after":
                self.arriving.append(self._arrival(delay, self.now + LEASE))
            case "sender is slow":
                self._take_effect(self.now)
                self.answers.append((self.now + 3 * LEASE, Fact(Says.DONE, "answer", attempt=n)))

    def _arrival(self, delay: timedelta, end):
        """When a lost request takes effect: within the settle window after its attempt's end, or whenever it likes."""
        at = self.now + delay
        return min(at, end + self.operation.settle_window - SECOND) if self.honest else at

    def _answer(self, fact: Fact, at) -> None:
        self.let_time_pass(at - self.now)
        lost = {"lost_because": "timeout"} if fact.says is Says.LOST else {}
        self.apply(fact, ended_at=at, lease_until=None, **lost)

    def expire(self) -> None:
        """A lease that ran out is a lost attempt."""
        lease = self.command.lease_until
        if self.command.state is S.SENDING and lease is not None and lease <= self.now:
            self.apply(
                Fact(Says.LOST, "lease", attempt=self.command.attempts), ended_at=lease, lost_because="lease_expired"
            )
        for at, fact in [a for a in self.answers if a[0] <= self.now]:
            self.answers.remove((at, fact))
            self.apply(fact)

    def call_back(self) -> None:
        if self.effects:
            self.apply(Fact(Says.DONE, "callback", attempt=1))

    def look(self) -> None:
        if self.command.state is not S.UNKNOWN:
            return
        seen = any(at + self.lag <= self.now for at in self.effects)
        says = Says.DONE if seen else Says.ABSENT
        answers = [LookUpAnswer(w.method, says, "", "", self.now, self.now) for w in self.operation.look_ups]
        match reconcile(self.command, self.operation, answers, (), self.now):
            case FoundDone(reference):
                self.apply(Fact(Says.DONE, "look_up", reference))
            case FoundAbsent():
                assert not (self.honest and self.effects), "proved absent although it exists"
                self.apply(Fact(Says.ABSENT, "look_up"), first_empty_at=None)
                self._after_absent()
            case LookAgain(_, _, empty_at):
                self.command = replace(self.command, first_empty_at=empty_at) if empty_at else self.command
            case FoundRejected() | FoundPending() | Undecided():
                raise AssertionError("this world neither rejects nor contradicts itself")

    def _after_absent(self) -> None:
        if repeat_is_harmless(self.operation) and key_lives(self.command, self.operation, self.now):
            state = next_state(self.command.state, "send_again", Purpose.FULFILL)
            self.command = replace(self.command, state=state)


OPERATIONS = st.builds(
    an_operation,
    repeat=st.sampled_from(Repeat),
    key_lives=st.sampled_from([None, 8 * MINUTE, timedelta(days=30)]),
    settle_window=st.sampled_from([SECOND, MINUTE, 5 * MINUTE]),
    second_look=st.sampled_from([SECOND, 5 * MINUTE]),
)
EVENTS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(SENDS), st.integers(0, 900)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 30, 70, 310, 700])),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
    st.tuples(st.just("call back"), st.just(""), st.just(0)),
)


def play(world: World, events: list) -> None:
    """Lets things happen, and judges after each."""
    for kind, how, seconds in events:
        match kind:
            case "send":
                world.send(how, seconds * SECOND)
            case "wait":
                world.let_time_pass(seconds * SECOND)
            case "look":
                world.look()
            case _:
                world.call_back()
        world.expire()
        assert len(world.effects) <= 1
        assert len(world.keys) <= 1


class WhenTheWorldIsUnreliable:
    @given(OPERATIONS, st.lists(EVENTS, max_size=16))
    @settings(max_examples=300, deadline=None)
    def test_nothing_happens_twice_and_the_truth_is_found(self, operation, events):
        world = World(operation, honest=True)
        play(world, events)
        for _ in range(8):  # the storm is over; look until nothing changes any more
            world.let_time_pass(6 * MINUTE)
            world.expire()
            world.look()
        assert world.command.state in (S.INTENDED, S.DONE, S.ABSENT)
        assert (world.command.state is S.DONE) == (len(world.effects) == 1)

    @given(OPERATIONS, st.integers(0, 10_000), st.lists(EVENTS, max_size=16))
    @settings(max_examples=300, deadline=None)
    def test_nothing_happens_twice_even_where_a_contract_is_wrong_about_its_settle_window(self, operation, lag, events):
        world = World(operation, honest=False)
        world.lag = lag * SECOND
        play(world, events)

    @pytest.mark.parametrize("repeat", Repeat)
    def test_nor_when_absence_was_proved_wrongly(self, repeat):
        """Lost, not seen for hours, found absent twice, and only then seen: the worst that can be told to us."""
        world = World(an_operation(repeat=repeat), honest=False)
        world.lag = timedelta(hours=3)
        looks = [("wait", "", 700), ("look", "", 0)] * 3
        play(world, [("send", "lost after", 1), *looks, ("send", "answered", 0)])
        resent = repeat in (Repeat.SAME_RESULT, Repeat.REJECTS_DUPLICATE)
        assert world.command.state is (S.DONE if resent else S.ABSENT)
        assert world.command.attempts == (2 if resent else 1)

    def test_nor_when_the_key_has_been_forgotten_meanwhile(self):
        world = World(an_operation(repeat=Repeat.SAME_RESULT, key_lives=8 * MINUTE), honest=False)
        world.lag = timedelta(hours=3)
        looks = [("wait", "", 700), ("look", "", 0)] * 3
        play(world, [("send", "lost after", 1), *looks, ("send", "answered", 0)])
        assert (world.command.state, world.command.attempts) == (S.ABSENT, 1)


class WhenAnActivationTimedOut:
    def test_every_new_command_for_it_is_refused_whatever_it_is_for(self):
        for purpose in set(Purpose) - {Purpose.QUERY}:
            refusal = may_intend([a_lost_command()], purpose, NOW)
            assert refusal.code == "OUTCOME_UNKNOWN"
            assert "first find out" in refusal.hint

    @pytest.mark.parametrize("repeat", Repeat)
    def test_not_even_the_same_key_goes_out_while_it_is_unknown(self, repeat):
        assert may_send(a_lost_command(), an_operation(repeat=repeat), NOW + MINUTE).code == "OUTCOME_UNKNOWN"

    def test_a_system_that_says_it_already_has_it_is_believed_only_after_a_look(self):
        sending = a_command(S.SENDING, attempts=2)
        verdict = dispose(sending, Fact(Says.LOST, "answer", message="already_done", attempt=2))
        assert next_state(S.SENDING, verdict.verb, Purpose.FULFILL) is S.UNKNOWN
