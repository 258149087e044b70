"""The lifecycle tables of task, case and order phase pair by pair, and the states of item and order, which are
derived (§3, §4).
"""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import HOUR, NOW, a_case, a_task, an_item

from fallsafe.core.cases.case import CASE_LIFECYCLE, OPEN_CASE_STATES, CaseState, advance, case_key, joins
from fallsafe.core.errors import Bug
from fallsafe.core.lifecycle import allowed, may, move
from fallsafe.core.orders.item import FINAL_ITEM_STATES, ItemState, derive_state
from fallsafe.core.orders.order import PHASE_LIFECYCLE, OrderState, Phase
from fallsafe.core.orders.order import derive_state as derive_order
from fallsafe.core.orders.task import FINAL_TASK_STATES, TASK_LIFECYCLE, TaskState

T, C, I, O = TaskState, CaseState, ItemState, OrderState  # noqa: E741

TASK_ROWS = {
    (T.PLANNED, "dependencies_met"): T.READY,
    (T.READY, "park"): T.PARKED,
    (T.PARKED, "release"): T.READY,
    (T.FAILED, "repair"): T.READY,
    (T.COMPLETED, "undo"): T.UNDOING,
    (T.UNDONE, "redo"): T.READY,
    (T.READY, "hand_over"): T.HANDED_OVER,
    (T.HANDED_OVER, "done"): T.COMPLETED,
    (T.HANDED_OVER, "fail"): T.FAILED,
    **{(s, "skip"): T.SKIPPED for s in (T.PLANNED, T.READY, T.PARKED, T.FAILED)},
    **{(s, "cancel"): T.CANCELLED for s in (T.PLANNED, T.READY, T.PARKED, T.FAILED)},
}
CASE_ROWS = {
    (C.DETECTED, "classify"): C.CLASSIFIED,
    (C.CLASSIFIED, "assign"): C.ASSIGNED,
    (C.ASSIGNED, "diagnose"): C.DIAGNOSING,
    (C.DIAGNOSING, "repair"): C.REPAIRING,
    (C.REPAIRING, "revalidate"): C.REVALIDATING,
    (C.REVALIDATING, "resolve"): C.RESOLVED,
    (C.REVALIDATING, "fail"): C.DIAGNOSING,
    (C.RESOLVED, "close"): C.CLOSED,
    (C.RESOLVED, "reopen"): C.ASSIGNED,
    (C.NOT_RESOLVED, "close"): C.CLOSED,
    **{(s, "heal"): C.RESOLVED for s in OPEN_CASE_STATES},
    **{(s, "merge"): C.MERGED for s in OPEN_CASE_STATES},
    **{(s, "withdraw"): C.WITHDRAWN for s in OPEN_CASE_STATES},
    **{(s, "give_up"): C.NOT_RESOLVED for s in OPEN_CASE_STATES},
}
PHASE_ROWS = {
    (Phase.ACKNOWLEDGED, "start"): Phase.RUNNING,
    (Phase.ACKNOWLEDGED, "reject"): Phase.REJECTED,
    (Phase.RUNNING, "assess_cancellation"): Phase.ASSESSING_CANCELLATION,
    (Phase.ASSESSING_CANCELLATION, "refuse_cancellation"): Phase.RUNNING,
    (Phase.ASSESSING_CANCELLATION, "accept_cancellation"): Phase.PENDING_CANCELLATION,
    (Phase.PENDING_CANCELLATION, "cancel"): Phase.CANCELLED,
}
TABLES = [(TASK_LIFECYCLE, TASK_ROWS, T), (CASE_LIFECYCLE, CASE_ROWS, C), (PHASE_LIFECYCLE, PHASE_ROWS, Phase)]


class WhenALifecycleIsATable:
    @pytest.mark.parametrize(("table", "rows", "states"), TABLES, ids=["task", "case", "phase"])
    def test_each_row_moves_and_each_other_pair_is_refused(self, table, rows, states):
        verbs = {verb for _, verb in rows}
        for state, verb in product(states, verbs):
            assert may(table, state, verb) == ((state, verb) in rows)
            assert (verb in allowed(table, state)) == ((state, verb) in rows)
            if (state, verb) in rows:
                assert move(table, state, verb) is rows[state, verb]
            else:
                with pytest.raises(Bug, match=verb):
                    move(table, state, verb)
        assert table == rows

    @pytest.mark.parametrize("state", [T.SENDING, T.WAITING_CALLBACK, T.UNKNOWN])
    def test_a_task_whose_outcome_is_open_can_be_neither_skipped_nor_cancelled(self, state):
        assert allowed(TASK_LIFECYCLE, state) == ()

    def test_a_case_that_is_over_stays_over(self):
        for state in (C.CLOSED, C.MERGED, C.WITHDRAWN):
            assert allowed(CASE_LIFECYCLE, state) == ()


class WhenACaseMoves:
    def test_it_is_touched_and_its_other_columns_change_beside(self):
        case = advance(a_case(state=C.CLASSIFIED), "assign", NOW + HOUR, owner_group="NETWORK_OPERATIONS")
        assert (case.state, case.touched_at, case.owner_group) == (C.ASSIGNED, NOW + HOUR, "NETWORK_OPERATIONS")

    def test_a_verb_that_its_state_does_not_have_is_a_bug(self):
        with pytest.raises(Bug):
            advance(a_case(state=C.CLOSED), "reopen", NOW)

    def test_what_makes_two_failures_one_is_order_thing_and_code(self):
        assert case_key(1, 4, "UNKNOWN_OUTCOME") == "1/4/UNKNOWN_OUTCOME"
        assert case_key(1, None, "ORDER_STUCK") == "1/0/ORDER_STUCK"


# fiber (4) ← static IP (5) ← test call (6); billing (7) stands alone
WAITS = {4: (), 5: (4,), 6: (5,), 7: ()}


class WhenASecondFailureShowsItself:
    CAUSE = a_case(id=1, task_id=4, code="UNKNOWN_OUTCOME")

    # task  code                   joins
    @pytest.mark.parametrize(
        ("task_id", "code", "joined"),
        [
            (4, "UNKNOWN_OUTCOME", True),  # the same again
            (4, "MISSING_CALLBACK", True),  # the same doubt, noticed otherwise
            (4, "ADDRESS_NOT_SERVICEABLE", False),  # another failure of the same task
            (5, "PROMISE_BROKEN", True),  # a consequence
            (6, "PROMISE_BROKEN", True),  # a consequence of a consequence
            (7, "UNKNOWN_OUTCOME", False),  # other items go on and fail on their own
            (None, "ORDER_STUCK", False),
            (5, "DUPLICATE_EFFECT", False),  # a contradiction always stands by itself
            (4, "LATE_SUCCESS", False),
        ],
    )
    def test_a_consequence_never_opens_beside_its_cause(self, task_id, code, joined):
        assert joins([self.CAUSE], task_id, code, WAITS) == (self.CAUSE if joined else None)

    def test_the_nearest_cause_takes_it(self):
        nearer = a_case(id=2, task_id=5, code="X")
        assert joins([self.CAUSE, nearer], 6, "Y", WAITS) == nearer

    def test_a_contradiction_swallows_nothing(self):
        assert joins([a_case(task_id=4, code="LATE_SUCCESS")], 5, "Y", WAITS) is None

    def test_tasks_that_wait_in_a_circle_end(self):
        assert joins([self.CAUSE], 8, "Y", {8: (9,), 9: (8,)}) is None


def item_state(*tasks, children=(), blocked=False, **item):
    made = [a_task(n, t) if isinstance(t, TaskState) else t for n, t in enumerate(tasks, 1)]
    below = [an_item(f"c{n}", state=s) for n, s in enumerate(children)]
    return derive_state(an_item(**item), made, below, blocked)


OPTIONAL_FAILED = a_task(7, T.FAILED, mandatory=False)
OPTIONAL_UNKNOWN = a_task(7, T.UNKNOWN, mandatory=False)
NO_EFFECT = a_task(8, T.COMPLETED, undo="none")
WAITS_FOR_CUSTOMER = a_task(9, T.PLANNED, waiting={"for": "customer"})

# its own tasks                          children         blocked   the item is
ITEMS = [
    ((T.READY,), (), False, I.IN_PROGRESS),
    ((T.SENDING,), (), False, I.IN_PROGRESS),
    ((T.WAITING_CALLBACK,), (), False, I.IN_PROGRESS),
    ((T.HANDED_OVER,), (), False, I.IN_PROGRESS),
    ((T.PLANNED,), (), False, I.IN_PROGRESS),
    ((T.PLANNED,), (), True, I.HELD),  # behind something that a case stops
    ((T.UNKNOWN, T.PLANNED), (), True, I.HELD),
    ((T.FAILED,), (), True, I.HELD),
    ((T.FAILED,), (), False, I.HELD),  # even before its case is there
    ((T.PARKED,), (), False, I.HELD),
    ((T.FAILED, T.READY), (), True, I.IN_PROGRESS),  # the rest of it goes on
    ((WAITS_FOR_CUSTOMER,), (), True, I.PENDING),
    ((T.COMPLETED,), (), False, I.COMPLETED),
    ((T.COMPLETED, T.SKIPPED), (), False, I.COMPLETED),
    ((T.COMPLETED, OPTIONAL_FAILED), (), False, I.COMPLETED),
    ((T.COMPLETED, OPTIONAL_UNKNOWN), (), True, I.HELD),
    ((T.CANCELLED,), (), False, I.CANCELLED),
    ((T.UNDONE, T.CANCELLED), (), False, I.CANCELLED),
    ((NO_EFFECT, T.CANCELLED), (), False, I.CANCELLED),
    ((T.COMPLETED, T.CANCELLED), (), False, I.HELD),  # an effect is left that could be undone
    ((T.UNDO_FAILED,), (), True, I.HELD),  # not "cancelled" before it is settled
    ((T.UNDOING,), (), False, I.IN_PROGRESS),
    ((), (), False, I.ACKNOWLEDGED),
    ((T.COMPLETED,), (I.IN_PROGRESS,), False, I.IN_PROGRESS),
    ((T.COMPLETED,), (I.HELD, I.COMPLETED), False, I.HELD),  # held rises
    ((T.COMPLETED,), (I.HELD, I.IN_PROGRESS), False, I.IN_PROGRESS),
    ((T.COMPLETED,), (I.COMPLETED, I.CANCELLED), False, I.COMPLETED),
    ((T.COMPLETED,), (I.ACKNOWLEDGED,), False, I.IN_PROGRESS),
    ((), (I.COMPLETED,), False, I.COMPLETED),  # a mere parent
    ((T.UNKNOWN,), (I.IN_PROGRESS,), True, I.HELD),
]


class WhenAnItemIsDerived:
    @pytest.mark.parametrize(("tasks", "children", "blocked", "state"), ITEMS)
    def test_its_tasks_children_and_cases_say_what_it_is(self, tasks, children, blocked, state):
        assert item_state(*tasks, children=children, blocked=blocked) is state

    def test_an_item_that_does_not_change_is_done(self):
        assert item_state(action="noChange") is I.COMPLETED

    def test_an_item_that_cannot_be_planned_is_held(self):
        assert item_state(hold_code="OFFER_RETIRED") is I.HELD

    def test_what_is_ready_and_has_a_case_of_its_own_is_held(self):
        tasks = [a_task(1, T.READY), a_task(2, T.PLANNED)]
        assert derive_state(an_item(), tasks, [], True, {1}) is I.HELD
        assert derive_state(an_item(), [a_task(1, T.SENDING)], [], True, {1}) is I.IN_PROGRESS

    @pytest.mark.parametrize("decided", [I.REJECTED, I.FAILED, I.CANCELLED, I.ASSESSING_CANCELLATION])
    def test_what_was_decided_is_not_counted_away(self, decided):
        assert item_state(T.READY, state=decided) is decided


TASKS = st.lists(
    st.builds(a_task, st.integers(1, 99), st.sampled_from(T), mandatory=st.booleans(), undo=st.sampled_from(["", "x"])),
    max_size=6,
)
BELOW = st.lists(st.sampled_from(I).map(lambda s: an_item("c", state=s)), max_size=3)


class WhenAnyTasksMeetAnyCases:
    @given(TASKS, BELOW, st.booleans())
    def test_completed_means_that_every_mandatory_task_is_completed_or_skipped(self, tasks, below, blocked):
        state = derive_state(an_item(), tasks, below, blocked)
        if state is I.COMPLETED:
            assert all(t.state in (T.COMPLETED, T.SKIPPED) for t in tasks if t.mandatory)
            assert all(child.state in FINAL_ITEM_STATES for child in below)

    @given(TASKS, BELOW, st.booleans())
    def test_failed_is_never_derived(self, tasks, below, blocked):
        assert derive_state(an_item(), tasks, below, blocked) not in (I.FAILED, I.REJECTED)

    @given(TASKS, BELOW, st.booleans())
    def test_cancelled_leaves_no_effect_that_could_be_undone(self, tasks, below, blocked):
        if derive_state(an_item(), tasks, below, blocked) is I.CANCELLED:
            assert not any(t.state is T.COMPLETED and t.undo for t in tasks if t.mandatory)

    @given(TASKS, BELOW, st.booleans())
    def test_an_unknown_outcome_is_never_final(self, tasks, below, blocked):
        if any(t.state is T.UNKNOWN for t in tasks):
            assert derive_state(an_item(), tasks, below, blocked) not in FINAL_ITEM_STATES


# items                                     the order is
ORDERS = [
    ((I.IN_PROGRESS, I.HELD, I.PENDING), O.IN_PROGRESS),
    ((I.PENDING, I.HELD, I.COMPLETED), O.PENDING),
    ((I.HELD, I.COMPLETED), O.HELD),
    ((I.HELD, I.FAILED), O.HELD),
    ((I.ACKNOWLEDGED,), O.IN_PROGRESS),
    ((I.PENDING_CANCELLATION, I.COMPLETED), O.IN_PROGRESS),
    ((I.COMPLETED, I.COMPLETED), O.COMPLETED),
    ((I.FAILED, I.FAILED), O.FAILED),
    ((I.CANCELLED, I.CANCELLED), O.CANCELLED),
    ((I.COMPLETED, I.FAILED), O.PARTIAL),
    ((I.COMPLETED, I.CANCELLED), O.COMPLETED),
    ((I.FAILED, I.CANCELLED), O.FAILED),
    ((I.COMPLETED, I.FAILED, I.CANCELLED), O.PARTIAL),
    ((I.REJECTED, I.REJECTED), O.REJECTED),
    ((I.REJECTED, I.FAILED), O.FAILED),
]


def order_state(*states, phase=Phase.RUNNING):
    return derive_order(phase, [an_item(f"i{n}", state=s) for n, s in enumerate(states)])


class WhenAnOrderIsDerived:
    @pytest.mark.parametrize(("items", "state"), ORDERS)
    def test_its_items_say_what_it_is(self, items, state):
        assert order_state(*items) is state

    @pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.RUNNING])
    def test_in_every_other_phase_the_phase_does(self, phase):
        assert order_state(I.COMPLETED, phase=phase).value == phase.value

    def test_an_order_without_items_is_a_bug(self):
        with pytest.raises(Bug):
            order_state()

    def test_items_below_count_as_much_as_those_above(self):
        parent, child = an_item("a", id=1, state=I.HELD), an_item("b", id=2, parent_id=1, state=I.IN_PROGRESS)
        assert derive_order(Phase.RUNNING, [parent, child]) is O.IN_PROGRESS

    @given(st.lists(st.sampled_from(I), min_size=1, max_size=5))
    def test_it_is_held_only_when_no_item_can_go_on_and_failed_only_when_nothing_can_be_repaired(self, items):
        state = order_state(*items)
        if state is O.HELD:
            assert not {I.IN_PROGRESS, I.PENDING} & set(items)
        if state in (O.FAILED, O.PARTIAL, O.COMPLETED, O.CANCELLED, O.REJECTED):
            assert set(items) <= FINAL_ITEM_STATES


def test_final_task_states_have_no_way_on_but_by_a_new_command():
    for state in FINAL_TASK_STATES:
        assert set(allowed(TASK_LIFECYCLE, state)) <= {"undo", "redo"}
