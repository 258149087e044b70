"""What an action would do with a scene, and what its hash binds (§9): rules that need no database to be asked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.things import (
    DAY,
    MINUTE,
    NOW,
    a_case,
    a_command,
    a_lost_command,
    a_task,
    an_item,
    an_operation,
    an_order,
)

from fallsafe.core.access import Actor
from fallsafe.core.commands.ledger import PERSON_SAID, Command, CommandState, Purpose
from fallsafe.core.orders.frozen import marks_of, with_mark, without
from fallsafe.core.orders.task import TaskState
from fallsafe.core.repair.actions import correct, declare_outcome, supersede_rejected, thaw
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.further import cancel_item, override_classification
from fallsafe.core.repair.preview import Given, Planner, Scene, preview

# Sent at NOW, timed out at NOW+10s; settle window 5m, second look 5m later.
ENDED = NOW + timedelta(seconds=10)
SETTLES = ENDED + 5 * MINUTE
ACTION = RepairAction("X", "Mend it", "execution", "medium", ("operator",), "", False, True, does="X")


def asked(at, look: int = 1, state: CommandState = CommandState.INTENDED, *methods: str) -> list[Command]:
    """The questions of one look, left at a time; nothing of use came back."""
    return [
        a_command(state, purpose=Purpose.QUERY, id=50 + n, target_id=9, look=look, method=method, last_sent_at=at)
        for n, method in enumerate(methods or ("key", "reference"))
    ]


def a_scene(command: Command | None = None, *more: Command, now=NOW + DAY, **changes: Any) -> Scene:
    """A failed activation of fiber in order 777."""
    task = a_task(state=TaskState.FAILED)
    own = [command] if command is not None else []
    known: dict[str, Any] = {
        "case": a_case(task_id=4, item_id=1),
        "order": an_order(snapshot={"items": [{"externalId": "fiber", "characteristics": {}}]}),
        "item": an_item(),
        "task": task,
        "tasks": {task.id: task},
        "commands": own,
        "command": command,
        "operation": an_operation(),
        "scheduled": False,
        "now": now,
        "salted": str,
        "all_commands": [*own, *more],
    }
    return Scene(**{**known, **changes})


def refusals(plan: Planner, scene: Scene, given: Given, action: RepairAction = ACTION) -> dict[str, str]:
    """The codes of what does not hold, by condition."""
    return {c.name: c.code for c in plan(scene, action, given).conditions if not c.met}


class WhenAPersonSaysWhatHappened:
    """P2, rule 2: everything that can be asked was asked and did not settle it, or nothing can be asked."""

    @pytest.mark.parametrize(
        ("outcome", "questions", "looks", "more", "refused"),
        [
            ("done", [], 0, {}, "NOT_ASKED"),
            ("rejected", [], 0, {}, "NOT_ASKED"),
            ("done", asked(ENDED + MINUTE), 1, {}, ""),
            ("rejected", asked(ENDED + MINUTE), 1, {}, "NOT_ASKED"),
            ("absent", asked(ENDED + MINUTE), 1, {}, "NOT_ASKED"),
            ("absent", asked(SETTLES + MINUTE), 1, {}, ""),
            ("done", asked(SETTLES + MINUTE, 1, CommandState.INTENDED, "key"), 1, {}, "NOT_ASKED"),
            ("done", asked(SETTLES + MINUTE, 1, CommandState.SENDING), 1, {}, "BEING_ASKED"),
            ("done", asked(NOW - MINUTE), 1, {}, "NOT_ASKED"),
            ("absent", asked(SETTLES + MINUTE), 1, {"first_empty_at": SETTLES + MINUTE}, "NOT_ASKED"),
            ("absent", asked(SETTLES + 7 * MINUTE, 2), 2, {"first_empty_at": SETTLES + MINUTE}, ""),
        ],
    )
    def test_whatever_can_be_asked_was_asked(self, outcome, questions, looks, more, refused):
        scene = a_scene(a_lost_command(looks=looks, **more), *questions)
        said = refusals(declare_outcome, scene, {"outcome": outcome})
        assert said == ({"asked": refused} if refused else {})

    def test_where_nothing_can_be_asked_a_person_speaks_at_once(self):
        scene = a_scene(a_lost_command(), operation=an_operation(look_ups=()))
        assert refusals(declare_outcome, scene, {"outcome": "rejected"}) == {}

    def test_too_early_it_is_told_when_asking_can_settle_it(self):
        scene = a_scene(a_lost_command(looks=1), *asked(ENDED), now=ENDED + MINUTE)
        (condition,) = [c for c in declare_outcome(scene, ACTION, {"outcome": "absent"}).conditions if not c.met]
        assert "before 03:05:10 UTC proves nothing: it is asked by itself after that" in condition.hint

    def test_a_new_key_after_a_refusal_that_only_a_person_speaks_of_needs_a_second_person(self):
        elsewhere = {"correctedElsewhere": "they opened it"}
        proved = a_scene(a_lost_command(state=CommandState.REJECTED))
        assert supersede_rejected(proved, ACTION, elsewhere).risky == ""
        said = a_scene(a_lost_command(state=CommandState.REJECTED, finding=PERSON_SAID))
        assert "a person's word" in supersede_rejected(said, ACTION, elsewhere).risky


class WhenAnItemIsGivenUp:
    def test_nothing_of_it_may_have_left_and_nothing_of_it_is_past_return(self):
        waits = a_scene(a_command(), tasks={4: a_task()})
        assert refusals(cancel_item, waits, {}) == {}
        again = a_scene(a_lost_command(state=CommandState.INTENDED), tasks={4: a_task()})
        assert refusals(cancel_item, again, {}) == {"known": "OUTCOME_UNKNOWN"}
        gone = a_task(5, TaskState.COMPLETED, undo="none", ponr="hard")
        assert refusals(cancel_item, a_scene(a_command(), tasks={4: a_task(), 5: gone}), {}) == {
            "undone": "UNDO_NEEDED"
        }


class WhenAPlaceIsCorrected:
    def test_it_is_shown_for_every_item_there(self):
        action = replace(ACTION, corrects={"city": "item.place.city"}, fields={"item.place.*": "free"})
        scene = a_scene(a_lost_command(state=CommandState.REJECTED), neighbours=["router"], asked={"item.place.city"})
        made = correct(scene, action, {"city": "Bogor"})
        assert [(c.name, c.title, c.personal) for c in made.changes] == [
            ("item.place.city", "item.place.city", True), ("item.place.city", "item.place.city of router", True),
        ]  # fmt: skip


class WhenADateIsMoved:
    def test_one_that_was_not_named_counts_from_the_day_that_was_promised(self):
        name = "item.characteristics.portDate"
        action = replace(
            ACTION, corrects={"portDate": name}, fields={name: "free"}, tolerance={name: timedelta(days=30)}
        )

        def deal(days: int, **promised: str) -> dict[str, str]:
            content = {"items": [{"externalId": "fiber", "characteristics": {}}], **promised}
            scene = a_scene(a_lost_command(state=CommandState.REJECTED), order=an_order(snapshot=content), asked={name})
            return refusals(correct, scene, {"portDate": (NOW + timedelta(days=days)).isoformat()}, action)

        promised = {"committedAt": NOW.isoformat()}
        assert deal(29, **promised) == {} and deal(31, **promised) == {"deal": "BUSINESS_CORRECTION"}
        assert deal(29) == {"deal": "BUSINESS_CORRECTION"}


class WhenAPreviewIsBound:
    """Model rule 5: what was agreed to is what was read."""

    @pytest.mark.parametrize(
        "changed",
        [
            {"case": a_case(task_id=4, item_id=1, code="PRICE_MISMATCH")},
            {"order": an_order(policy_set="telco@2027-01-01+other")},
            {"command": a_lost_command(state=CommandState.REJECTED, contract_set="telco@2027-01-01+other")},
        ],
        ids=["the judgement", "the policy of the order", "the contract"],
    )
    def test_it_is_another_once_one_of_these_is(self, changed):
        scene = a_scene(a_lost_command(state=CommandState.REJECTED))
        given = {"correctedElsewhere": "they opened it"}
        before = preview(scene, ACTION, given, supersede_rejected, None)
        after = preview(replace(scene, **changed), ACTION, given, supersede_rejected, None)
        assert before.hash != after.hash

    def test_it_is_another_once_something_else_is_corrected_with_it(self):
        fields = {"item.place.street": "free"}
        action = replace(ACTION, corrects={"street": "item.place.street"}, fields=fields)
        hashes = set()
        for near in ("router", "billing"):
            scene = a_scene(
                a_lost_command(state=CommandState.REJECTED), values={"item.place.street": "a"}, neighbours=[near]
            )
            hashes.add(preview(scene, action, {"street": "b"}, correct, None).hash)
        assert len(hashes) == 2

    def test_letting_charges_go_binds_every_one_that_stands_still(self):
        still = {"by": "person", "blockedBy": 100}
        charges = [a_task(n, frozen=still, step=f"charge{n}") for n in (5, 6)]
        scene = a_scene(charging=charges)
        made = preview(scene, ACTION, {"what": "billing"}, thaw, None)
        assert [a.name for a in made.plan.after] == ["charge5", "charge6"] and made.ready
        other = replace(scene, charging=[charges[0], replace(charges[1], frozen={**still, "who": "ann"})])
        assert preview(other, ACTION, {"what": "billing"}, thaw, None).hash != made.hash


class WhenAnOrderIsFrozenForSeveralReasons:
    """None takes the place of another: whoever lets it go sees them all, and what any of them asks for is asked."""

    def test_all_of_them_stand_until_each_is_over(self):
        by_ann, sold = {"by": "person", "why": "RA-1", "case": 100}, {"by": "reorder", "why": "RA-2", "case": 100}
        changed = {"by": "upstream", "why": "date"}
        frozen = None
        for mark in (by_ann, sold, changed, {**changed, "revision": "2"}):
            frozen = with_mark(frozen, mark)
        assert marks_of(frozen) == [by_ann, sold, changed]
        assert without(frozen, lambda mark: mark["by"] == "reorder") == {**by_ann, "also": [changed]}
        assert without(by_ann, lambda _: True) is None and marks_of(None) == []

    def test_letting_go_names_whatever_no_person_stopped_and_waits_for_what_is_unknown(self):
        frozen = None
        for by, why in (("person", "RA-1"), ("policy", "APPROVAL_MISSING"), ("upstream", "date")):
            frozen = with_mark(frozen, {"by": by, "why": why})
        lost = a_lost_command()
        plan = thaw(a_scene(order=an_order(frozen=frozen), all_commands=[lost]), ACTION, {"what": "order"})
        assert plan.risky.endswith("but by policy: APPROVAL_MISSING and upstream: date.")
        assert [c.code for c in plan.conditions if not c.met] == ["OUTCOME_UNKNOWN"]


class WhenMuchIsAtStake:
    """§11: whose yes it takes, by the amount."""

    LEVELS = ((50_000, ("finance", "manager")), (500_000, ("manager",)))

    @pytest.mark.parametrize(
        ("costs", "moves", "approvers"),
        [
            (50_000, True, ()),
            (50_001, True, ("finance", "manager")),
            (500_000, True, ("finance", "manager")),
            (500_001, True, ("manager",)),
            (500_001, False, ()),
        ],
    )
    def test_it_is_theirs_that_the_amount_names_where_money_or_goods_are_moved(self, costs, moves, approvers):
        action = replace(ACTION, approval="Two look.", approves_when="always", approvers_above=self.LEVELS)
        scene = a_scene(a_lost_command(state=CommandState.REJECTED), costs=costs)
        scene = replace(scene, operation=replace(an_operation(), moves_money_or_goods=moves))
        made = preview(scene, action, {"correctedElsewhere": "they opened it"}, supersede_rejected, None)
        assert made.approvers == approvers
        other = preview(
            replace(scene, costs=0), action, {"correctedElsewhere": "they opened it"}, supersede_rejected, None
        )
        assert (other.hash == made.hash) == (approvers == ())


class WhenACaseIsOneThatSomebodyOpened:
    """§8.3: it gives its group no right to what the product saw of the task, which another group owns."""

    @pytest.mark.parametrize(
        ("detector", "other", "touched"),
        [
            ("person", {"task_id": 4}, ["NETWORK"]),
            ("signal", {"task_id": 4}, ["NETWORK"]),
            ("outcome", {"task_id": 4}, []),
            ("person", {"task_id": 5}, []),
            ("person", {"task_id": 4, "detector": "signal"}, []),
        ],
    )
    def test_whoever_changes_that_task_works_for_both(self, detector, other, touched):
        case = a_case(task_id=4, item_id=1, owner_group="ORDER_DESK", detector=detector)
        theirs = a_case(**{"id": 101, "owner_group": "NETWORK", "detector": "outcome", **other})
        scene = a_scene(a_lost_command(state=CommandState.REJECTED), case=case, others=[theirs])
        narrow = Actor("person", "ben", frozenset({"operator"}), frozenset({"ORDER_DESK"}))
        made = preview(scene, ACTION, {"correctedElsewhere": "they opened it"}, supersede_rejected, narrow)
        (role,) = [c for c in made.plan.conditions if c.name == "role"]
        assert ("NETWORK" in role.why, made.reads["touches"]) == (bool(touched), touched)
        only_says = preview(scene, ACTION, {"code": "X"}, override_classification, narrow)
        assert only_says.reads["touches"] == []

    def test_what_stands_still_for_a_case_is_let_go_by_whoever_owns_that(self):
        theirs = [a_case(id=101, owner_group="NETWORK"), a_case(id=102, code="APPROVAL_MISSING", owner_group="SALES")]
        marks = with_mark({"by": "recover", "case": 101}, {"by": "policy", "why": "APPROVAL_MISSING"})
        scene = a_scene(order=an_order(frozen=marks), others=[*theirs, a_case(id=103, owner_group="OTHER")])
        assert preview(scene, ACTION, {"what": "order"}, thaw, None).reads["touches"] == ["NETWORK", "SALES"]


class WhenFactsContradictEachOther:
    """No judgement takes that away; what only a person called so, a person may take back."""

    @pytest.mark.parametrize(
        ("code", "rule", "refused"),
        [
            ("DUPLICATE_EFFECT", "O12", ["CONTRADICTION"]),
            ("DUPLICATE_EFFECT", "person/RA-1", []),
            ("OTHER", "O12", []),
        ],
    )
    def test_it_stays_one(self, code, rule, refused):
        scene = a_scene(case=a_case(task_id=4, code=code, rule=rule), codes=frozenset({"SAME"}))
        plan = override_classification(scene, ACTION, {"code": "SAME"})
        assert [c.code for c in plan.conditions if not c.met] == refused
