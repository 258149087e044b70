"""What the case page says of the drill of §26 right after activation lost its answer."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.workbench import drill

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CaseState
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.comms.messages import Sentence
from fallsafe.core.orders.task import TaskState
from fallsafe.flows.telling import next_update
from fallsafe.workbench.listing import rows_of
from fallsafe.workbench.marks import due_of, stage_of
from fallsafe.workbench.views import CasePage, Look, case_page

SAID = Sentence("confirming", "en", "We are confirming your activation status.", "case F-1 is open")


def page_of(actor: Actor = drill.OPERATOR, show: str = "all", sentence: Sentence | None = SAID, **changed) -> CasePage:
    policy = drill.policy()
    return case_page(drill.case_file(**changed), policy, {policy.id: policy}, sentence, Look(actor, drill.NOW, show))


def known(state: CommandState) -> tuple:
    """The commands of the drill, the one of the failing task in another state."""
    mine = drill.COMMANDS[drill.ACTIVATE]
    return tuple(replace(c, state=state) if c.id == mine else c for c in drill.commands())


class WhenTheOutcomeIsUnknown:
    def test_six_states_stand_side_by_side_and_none_is_folded_into_another(self):
        tiles = [(t.layer, t.value, t.tone) for t in page_of().head.tiles]
        assert tiles == [
            ("Order", "Held", "warn"),
            ("Order item", "Blocked", "warn"),
            ("Task", "Outcome unknown", "unknown"),
            ("Fallout case", "Diagnosing", "active"),
            ("Service level", "", "active"),
            ("Customer may hear", "", "done"),
        ]
        assert page_of().head.tiles[4].due == due_of(drill.case(), drill.NOW)
        assert page_of().head.tiles[5].note == SAID.text

    def test_the_plan_shows_what_failed_and_what_waits_behind_it(self):
        drawing = page_of().plan.drawing
        kinds = {box.full_title: box.kind for box in drawing.boxes}
        assert kinds == {
            "Create billing account": "done",
            "Reserve router": "done",
            "Schedule installation": "done",
            "Activate fiber service": "unknown",
            "Activate static IP": "blocked",
            "Create subscription": "blocked",
        }
        assert page_of().plan.blocks == ("Activate static IP", "Create subscription")
        assert dict(drawing.legend) == {"done": "3 done", "unknown": "1 unknown", "blocked": "2 blocked"}

    def test_what_was_sent_is_shown_with_its_one_key_attempt_by_attempt(self):
        step = next(s for s in page_of().steps.shown if s.title == "Activate fiber service")
        (command,) = step.commands
        assert step.open
        assert command.key == "CRM/777/fiber.activateFiberService/fulfill/1"
        assert [(a.n, a.worker, a.told[0].says) for a in command.attempts] == [(1, "worker-1", "No usable answer")]
        assert [(q.question, q.state) for q in command.questions] == [("Look 1, by key", "Not known there")]

    def test_finding_out_is_offered_with_what_it_will_ask(self):
        repair = page_of().repair
        assert repair.offered
        assert repair.review.asks[0] == (
            "PRV.queryActivation, by the original key CRM/777/fiber.activateFiberService/fulfill/1"
        )
        assert "PRV.activateService is not called" in repair.review.assurance
        assert "the settle window ends 10:25:31 UTC" in repair.review.counts
        assert repair.next_look == drill.at(25, 31)

    def test_every_other_action_of_the_policy_is_locked_with_its_reasons(self):
        locked = {action.code: action.reasons for action in page_of().repair.locked}
        policy, offered = drill.policy(), {action.code for action in page_of().repair.listed}
        there = {*policy.codes["UNKNOWN_OUTCOME"].actions} | {a.code for a in policy.actions.values() if a.every_case}
        assert set(locked) | offered | {"RECONCILE_NOW", "ESCALATE", "RELATE"} >= there
        assert "DECLARE_OUTCOME" in offered
        assert locked["THAW"] == ("Nothing of it is frozen.",)
        assert locked["RESEND_SAME_KEY"] == ("Locked while the outcome is unknown: find out first.",)
        assert all(locked.values())

    def test_the_severity_is_explained_term_by_term(self):
        why = page_of().why
        assert sum(term.points for term in why.terms) == 62 == why.points
        assert [floor.sentence for floor in why.floors] == [
            "outcome unknown and promised by the end of the next working day"
        ]
        assert (why.rule, why.policy_set) == ("G06", drill.policy().id)

    def test_it_says_what_the_customer_must_not_be_told(self):
        never = page_of().customer.never
        assert never[0].startswith("That it is active")
        assert never[1].startswith("That it failed: nobody knows")
        assert "PRV" in never[2]

    def test_what_would_have_to_be_undone_is_only_what_was_done(self):
        assert [u.task for u in page_of().upstream.undo] == [
            "Create billing account",
            "Reserve router",
            "Schedule installation",
        ]


class WhenWhoLooksMayNotAct:
    def test_finding_out_is_not_offered_and_the_page_says_whose_right_it_is(self):
        repair = page_of(drill.SUPPORT).repair
        assert not repair.offered
        assert "operator" in repair.status

    def test_evidence_is_listed_without_a_way_to_its_body(self):
        evidence = page_of(drill.SUPPORT).evidence
        assert len(evidence.pieces) == 3
        assert {piece.body for piece in evidence.pieces} == {""}
        assert "auditor" in evidence.readers

    def test_who_may_read_bodies_gets_their_address(self):
        piece = page_of().evidence.pieces[0]
        assert piece.body == f"/api/v1/evidence/{piece.id}"


class WhenTheOutcomeIsKnown:
    def test_there_is_nothing_to_find_out_and_the_page_says_so(self):
        repair = page_of(commands=known(CommandState.DONE)).repair
        assert not repair.offered
        assert "There is nothing to find out: the outcome is known." in repair.status

    def test_actions_are_no_longer_locked_for_that_reason(self):
        locked = {a.code: a.reasons for a in page_of(commands=known(CommandState.ABSENT)).repair.locked}
        assert "RESEND_SAME_KEY" not in locked and locked["THAW"]

    def test_the_customer_may_not_hear_that_it_failed_while_it_can_be_repaired(self):
        never = page_of(commands=known(CommandState.REJECTED)).customer.never
        assert "That it failed: it can still be repaired." in never


class WhenACaseHasNoOrder:
    def test_the_page_says_so_and_shows_the_rest(self):
        policy = drill.policy()
        file = replace(drill.case_file(), file=None, case=replace(drill.case(), order_id=0, task_id=None))
        page = case_page(file, policy, {}, None, Look(drill.OPERATOR, drill.NOW))
        assert page.plan is None
        assert [t.value for t in page.head.tiles[:3]] == ["None", "None", "None"]
        assert "This case has no command whose outcome could be found out." in page.repair.status


class WhenTimePasses:
    @pytest.mark.parametrize(
        ("hours", "kind"),
        [(0.1, "on_track"), (2.9, "on_track"), (3.1, "at_risk"), (4.0, "breached"), (9.0, "breached")],
    )
    def test_the_clock_of_four_hours_goes_from_on_track_to_breached(self, hours: float, kind: str):
        assert due_of(drill.case(), drill.case().detected_at + timedelta(hours=hours)).kind == kind

    def test_no_part_of_the_page_becomes_another_by_time_alone(self):
        policy, file = drill.policy(), drill.case_file()
        now, later = Look(drill.OPERATOR, drill.NOW), Look(drill.OPERATOR, drill.NOW + timedelta(minutes=1))
        first, second = (case_page(file, policy, {policy.id: policy}, SAID, look) for look in (now, later))
        assert first == second

    def test_a_case_that_has_ended_has_no_running_clock(self):
        assert due_of(replace(drill.case(), state=CaseState.RESOLVED), drill.NOW).kind == "ended"

    def test_the_next_word_to_the_customer_is_always_ahead(self):
        case, policy = drill.case(), drill.policy()
        every = policy.codes["UNKNOWN_OUTCOME"].sla.customer_update["critical"]
        assert next_update(policy, case, case.detected_at) == case.detected_at + every
        assert next_update(policy, case, case.detected_at + every) == case.detected_at + 2 * every

    def test_nobody_waits_for_a_word_about_a_case_that_has_ended(self):
        assert next_update(drill.policy(), replace(drill.case(), state=CaseState.CLOSED), drill.NOW) is None


class WhenTheListIsShown:
    def test_a_row_says_what_failed_whose_it_is_and_what_it_blocks(self):
        (row,) = rows_of([drill.row()], drill.policy(), drill.NOW)
        assert (row.title, row.unknown, row.owner, row.value) == (
            drill.policy().codes["UNKNOWN_OUTCOME"].title,
            True,
            "Network operations",
            "45.00 EUR",
        )
        assert row.next_action == "Look up by the original key before anything is sent again."

    def test_a_row_is_another_only_when_its_case_is(self):
        policy = drill.policy()
        (now,) = rows_of([drill.row()], policy, drill.NOW)
        (later,) = rows_of([drill.row()], policy, drill.NOW + timedelta(minutes=5))
        (moved,) = rows_of([drill.row(case=replace(drill.case(), state=CaseState.REPAIRING))], policy, drill.NOW)
        assert now.digest == later.digest
        assert now.digest != moved.digest

    def test_a_code_that_the_policy_does_not_know_is_shown_as_it_is(self):
        (row,) = rows_of([drill.row(case=replace(drill.case(), code="NEW_CODE"))], drill.policy(), drill.NOW)
        assert row.title == "New code"

    @pytest.mark.parametrize("state", list(CaseState))
    def test_every_state_of_a_case_has_a_shape_and_a_word(self, state: CaseState):
        stage = stage_of(state)
        assert stage.word
        assert stage.shape in ("ring", "check", "dash")


class WhenThePlanIsLarge:
    def test_it_is_drawn_around_the_failure_and_says_how_much_is_left_out(self):
        template = drill.tasks()[4]
        chain = tuple(
            replace(template, id=n, depends_on=(n - 1,) if n else (), next=(n + 1,) if n < 299 else (), step=f"s{n}")
            for n in range(300)
        )
        chain = tuple(replace(t, state=TaskState.FAILED) if t.id == 150 else t for t in chain)
        page = page_of(tasks=chain, cases=(replace(drill.case(), task_id=150),))
        assert len(page.plan.drawing.boxes) == 60
        assert page.plan.drawing.left_out == 240
        assert (len(page.steps.shown), page.steps.left_out) == (120, 180)
        assert any(step.open for step in page.steps.shown)
        assert (len(page.plan.blocks), page.plan.more) == (6, 143)
        assert any(box.failing for box in page.plan.drawing.boxes)
