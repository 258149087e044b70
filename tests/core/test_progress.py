"""Progress (§15.1): an active order has one of six reasons, or it is stuck, and it is said which clause is broken."""

from itertools import product

import pytest
from tests.core.things import DAY, HOUR, MINUTE, NOW, a_case, a_command, a_task, an_order

from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.orders.order import FINAL_ORDER_STATES
from fallsafe.core.orders.progress import Clause, Reason, ReasonKind, Stuck, progress
from fallsafe.core.orders.task import TaskState, waiting_for_held

T, K = TaskState, ReasonKind
CASE = a_case(task_id=4)
DONE_LONG_AGO = a_task(3, T.COMPLETED, completed_at=NOW - DAY)


def seen(*tasks, commands=(), cases=(), due=None, order=None):
    return progress(order or an_order(), tasks, commands, cases, due, NOW)


# what there is                                                                       the reason
REASONS = [
    ({"tasks": (a_task(4, T.COMPLETED, completed_at=NOW - MINUTE),)}, K.RECENTLY_COMPLETED),
    ({"tasks": (a_task(4, T.WAITING_CALLBACK, breach_at=NOW + MINUTE),)}, K.IN_TIME),
    ({"tasks": (a_task(4, T.HANDED_OVER, breach_at=NOW + DAY),)}, K.IN_TIME),
    (
        {
            "tasks": (a_task(4, T.SENDING),),
            "commands": (a_command(CommandState.SENDING, lease_until=NOW + MINUTE),),
        },
        K.IN_TIME,
    ),
    ({"tasks": (a_task(4, T.UNKNOWN),), "cases": (CASE,)}, K.OPEN_CASE),
    ({"tasks": (a_task(4, T.READY, waiting={"for": "customer"}),)}, K.CUSTOMER_WAIT),
    ({"tasks": (a_task(4, T.READY, waiting={"for": "supplier"}),)}, K.EXTERNAL_WAIT),
    ({"tasks": (a_task(4, T.PLANNED, waiting=waiting_for_held(("router",))),)}, K.EXTERNAL_WAIT),
    ({"tasks": (a_task(4, T.READY),), "due": NOW + HOUR}, K.SCHEDULED),
    ({"tasks": (a_task(4, T.READY),), "due": NOW}, K.SCHEDULED),
]

# what there is                                                                       the broken clause
STUCK = [
    ({"tasks": (a_task(4, T.READY),)}, Clause.NOTHING_SCHEDULED),
    ({"tasks": (DONE_LONG_AGO,)}, Clause.NOTHING_SCHEDULED),
    ({"tasks": ()}, Clause.NOTHING_SCHEDULED),
    ({"tasks": (a_task(4, T.READY),), "due": NOW - MINUTE}, Clause.LOOK_OVERDUE),
    ({"tasks": (DONE_LONG_AGO, a_task(4, T.PLANNED, depends_on=(3,)))}, Clause.DEPENDENCY_DONE),
    ({"tasks": (a_task(4, T.FAILED),), "due": NOW + HOUR}, Clause.FAILURE_WITHOUT_CASE),
    ({"tasks": (a_task(4, T.UNKNOWN),), "due": NOW + HOUR}, Clause.FAILURE_WITHOUT_CASE),
    ({"tasks": (a_task(4, T.WAITING_CALLBACK, breach_at=NOW - MINUTE),)}, Clause.PAST_BREACH),
    (
        {"tasks": (a_task(4, T.SENDING),), "commands": (a_command(lease_until=NOW - MINUTE),)},
        Clause.PAST_BREACH,
    ),
]


class WhenAnOrderHasAReason:
    @pytest.mark.parametrize(("there_is", "kind"), REASONS)
    def test_it_is_one_of_the_six_and_says_why(self, there_is, kind):
        found = seen(*there_is.pop("tasks"), **there_is)
        assert isinstance(found, Reason)
        assert found.kind is kind
        assert found.why

    @pytest.mark.parametrize("state", sorted(FINAL_ORDER_STATES))
    def test_a_final_order_needs_none(self, state):
        assert seen(order=an_order(state=state)).kind is K.FINAL

    def test_a_task_that_waits_in_time_says_until_when(self):
        assert seen(a_task(4, T.WAITING_CALLBACK, breach_at=NOW + MINUTE)).until == NOW + MINUTE


class WhenAnOrderIsStuck:
    @pytest.mark.parametrize(("there_is", "clause"), STUCK)
    def test_the_broken_clause_is_named_with_what_would_unblock_it(self, there_is, clause):
        found = seen(*there_is.pop("tasks"), **there_is)
        assert isinstance(found, Stuck)
        assert found.clause is clause
        assert found.why
        assert found.unblock

    def test_an_open_case_elsewhere_does_not_excuse_a_task_that_nothing_stops(self):
        lost = a_task(4, T.UNKNOWN, item_id=1)
        forgotten = a_task(5, T.PLANNED, item_id=2, depends_on=(3,))
        found = seen(DONE_LONG_AGO, lost, forgotten, cases=(CASE,), due=NOW + HOUR)
        assert (found.clause, found.task_id) == (Clause.DEPENDENCY_DONE, 5)

    def test_a_failure_behind_an_open_case_is_spoken_for(self):
        behind = a_task(5, T.FAILED, depends_on=(4,))
        assert seen(a_task(4, T.UNKNOWN), behind, cases=(CASE,)).kind is K.OPEN_CASE

    def test_a_task_behind_an_item_that_cannot_be_planned_is_not_released(self):
        waits = a_task(4, T.PLANNED, depends_on=(3,), waiting=waiting_for_held(("router",)))
        assert seen(DONE_LONG_AGO, waits, due=NOW + HOUR).kind is K.EXTERNAL_WAIT

    def test_a_frozen_task_is_not_released(self):
        frozen = a_task(4, T.PLANNED, frozen={"why": "suspected duplicate"})
        assert seen(frozen, due=NOW + HOUR).kind is K.SCHEDULED


class WhenAnyTaskIsInAnyState:
    def test_the_answer_is_a_reason_or_what_would_unblock_it(self):
        times = (None, NOW - HOUR, NOW + HOUR)
        for state, breach_at, due, cases in product(T, times, times, ((), (CASE,))):
            found = seen(a_task(4, state, breach_at=breach_at), cases=cases, due=due)
            assert found.why if isinstance(found, Reason) else found.unblock
