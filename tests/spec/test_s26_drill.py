"""§26, the practice drill: its ten questions, answered by the rules alone from the policy set that is shipped."""

from dataclasses import replace

import pytest
from tests.core.things import DRILL_ITEMS, HOUR, MINUTE, NOW, a_case, a_draft, a_lost_command, a_task, an_item, an_order

from fallsafe.core.commands.ledger import may_intend, may_send
from fallsafe.core.commands.outcome import Fact, Lost, Says
from fallsafe.core.comms.boundary import customer_view
from fallsafe.core.detect.direct import detect
from fallsafe.core.orders.approvals import order_facts
from fallsafe.core.orders.item import ItemState, derive_state
from fallsafe.core.orders.order import OrderState, Phase
from fallsafe.core.orders.order import derive_state as derive_order
from fallsafe.core.orders.plan import of_drafts, plan_order
from fallsafe.core.orders.progress import ReasonKind, progress
from fallsafe.core.orders.task import TaskState
from fallsafe.core.recover.strategy import FailureFacts, Reconcile, recover
from fallsafe.core.triage.classify import classify
from fallsafe.core.triage.severity import Level, derive, severity_facts, worth_of
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.policyset.facts import ORDER, SEVERITY

STATES = {
    "createBillingAccount": TaskState.COMPLETED,
    "reserveRouter": TaskState.COMPLETED,
    "scheduleInstallation": TaskState.COMPLETED,
    "activateFiberService": TaskState.UNKNOWN,
}


class Drill:
    """The order of the drill at the moment in which fiber activation has timed out."""

    def __init__(self, policy):
        self.policy = policy
        self.plan = plan_order(of_drafts(DRILL_ITEMS), policy.plans, policy.offers)
        ids = {draft.external_id: n for n, draft in enumerate(DRILL_ITEMS, 1)}
        self.tasks = [
            a_task(
                n,
                STATES.get(p.step, TaskState.PLANNED),
                item_id=ids[p.item_external_id],
                step=p.step,
                type=p.task_type,
                depends_on=tuple(b + 1 for b in p.after),
            )
            for n, p in enumerate(self.plan.tasks, 1)
        ]
        self.failing = next(t for t in self.tasks if t.step == "activateFiberService")
        self.command = a_lost_command(task_id=self.failing.id)
        self.operation = policy.operations["PRV.activateService"]
        signal = detect(self.failing, self.command, Lost("timeout"), self.operation, NOW)
        self.classified = classify(policy.rules, signal, {})
        self.behind = self._behind(self.failing.id)
        self.items = [self._item(draft, ids) for draft in DRILL_ITEMS]
        self.case = a_case(
            task_id=self.failing.id,
            item_id=1,
            code=self.classified.code,
            domain=self.classified.domain,
            recoverability=self.classified.recoverability.value,
            message_key=policy.codes[self.classified.code].message,
            severity="critical",
        )

    def _behind(self, task_id):
        direct = {t.id for t in self.tasks if task_id in t.depends_on}
        return direct.union(*(self._behind(t) for t in direct))

    def _item(self, draft, ids):
        item = an_item(
            draft.external_id,
            id=ids[draft.external_id],
            parent_id=ids.get(draft.parent),
            offer=draft.offer,
            one_off_minor=draft.one_off_minor,
            monthly_minor=draft.monthly_minor,
        )
        own = [t for t in self.tasks if t.item_id == item.id]
        blocked = any(t.id in self.behind | {self.failing.id} for t in own)
        return replace(item, state=derive_state(item, own, [], blocked))

    def facts(self, **changes):
        return severity_facts(
            order=an_order(),
            item=self.items[0],
            worth=worth_of(self.items),
            case=self.case,
            now=NOW,
            holidays=self.policy.holidays,
            **{
                "outcome_unknown": True,
                "moves_money_or_goods": self.operation.moves_money_or_goods,
                "blocked_tasks": len(self.behind),
                "same_fingerprint_24h": 1,
                **changes,
            },
        )


@pytest.fixture
def drill(telco):
    return Drill(telco)


class WhenFiberActivationTimesOut:
    def test_1_which_case_is_created(self, drill):
        severity = derive(drill.policy.severity, drill.facts())
        assert (drill.classified.code, drill.classified.rule) == ("UNKNOWN_OUTCOME", "G06")
        assert (drill.classified.domain, drill.classified.owner) == ("Provisioning", "NETWORK_OPERATIONS")
        assert (severity.points, severity.level) == (62, Level.CRITICAL)
        assert len([r for r in severity.reasons if r.points]) >= 4

    def test_2_how_it_can_be_recovered(self, drill):
        assert drill.classified.recoverability is Recoverability.UNKNOWN_OUTCOME

    def test_3_what_must_not_be_retried_blindly(self, drill):
        assert may_send(drill.command, drill.operation, NOW + MINUTE).code == "OUTCOME_UNKNOWN"
        for purpose in ("fulfill", "undo", "resume"):
            assert may_intend([drill.command], purpose, NOW).code == "OUTCOME_UNKNOWN"

    def test_4_which_reconciliation_is_required(self, drill):
        step = recover(
            FailureFacts(
                drill.classified.code,
                drill.classified.domain,
                drill.classified.cause,
                drill.classified.recoverability,
                drill.classified.automation,
                command=drill.command.state,
            )
        )
        assert step == Reconcile()
        assert [way.method for way in drill.operation.look_ups] == ["key", "reference"]
        assert (drill.operation.settle_window, drill.operation.second_look) == (5 * MINUTE, 5 * MINUTE)

    def test_5_which_tasks_are_blocked(self, drill):
        assert {t.step for t in drill.tasks if t.id in drill.behind} == {"activateStaticIp", "createSubscription"}

    def test_6_what_the_customer_hears(self, drill):
        titles = {code: offer.title for code, offer in drill.policy.offers.items()}
        view = customer_view(
            an_order(),
            drill.items,
            drill.tasks,
            [drill.case],
            drill.policy.messages,
            "en",
            NOW,
            NOW + HOUR,
            titles=titles,
        )
        assert view.text == "We are confirming your activation status. Next update by 2 July 2026, 11:00."

    def test_7_which_sla_applies(self, drill):
        sla = drill.policy.codes["UNKNOWN_OUTCOME"].sla
        assert sla.first_touch["critical"] <= 30 * MINUTE
        assert sla.resolution["critical"] == 4 * HOUR
        assert sla.sentence

    def test_8_which_repair_actions_are_allowed(self, drill):
        allowed = [drill.policy.actions[a] for a in drill.policy.codes["UNKNOWN_OUTCOME"].actions]
        assert "RECONCILE_NOW" in {a.code for a in allowed}
        assert {a.code for a in allowed if a.locked_while_unknown} >= {"RESEND_SAME_KEY"}

    def test_9_what_would_be_undone_if_activation_proved_impossible(self, drill):
        done = [t for t in drill.tasks if t.state is TaskState.COMPLETED]
        undone_by = {drill.policy.task_types[t.type].undo for t in done}
        assert undone_by == {"closeAccount", "releaseStock", "cancelAppointment"}
        assert undone_by <= drill.policy.undo.keys()

    def test_10_which_control_upstream_would_prevent_it(self, drill):
        assert drill.policy.codes["UNKNOWN_OUTCOME"].upstream_control

    def test_the_states_of_order_item_task_and_case_are_kept_apart(self, drill):
        assert {i.external_id: i.state for i in drill.items} == {
            "fiber": ItemState.HELD,
            "static-ip": ItemState.HELD,
            "router": ItemState.COMPLETED,
            "billing": ItemState.HELD,
        }
        assert derive_order(Phase.RUNNING, drill.items) is OrderState.HELD
        assert drill.failing.state is TaskState.UNKNOWN

    def test_it_has_a_stated_reason_to_be_where_it_is(self, drill):
        reason = progress(an_order(), drill.tasks, [drill.command], [drill.case], NOW + MINUTE, NOW)
        assert reason.kind is ReasonKind.OPEN_CASE


class WhenTheTruthIsFound:
    def test_found_absent_and_sent_again_it_is_high_and_no_longer_critical(self, drill):
        assert derive(drill.policy.severity, drill.facts(outcome_unknown=False)).level is Level.HIGH

    def test_a_refusal_that_was_found_is_another_failure_with_another_owner(self, drill):
        told = Fact(Says.REJECTED, "look_up", raw_code="ADDRESS_NOT_SERVICEABLE")
        signal = replace(
            detect(drill.failing, drill.command, Lost("timeout"), drill.operation, NOW), raw_code=told.raw_code, sign=""
        )
        assert classify(drill.policy.rules, signal, {}).code == "ADDRESS_NOT_SERVICEABLE"


class WhenPolicyNamesFacts:
    def test_every_fact_of_severity_is_handed_in(self, drill):
        assert drill.facts().keys() == SEVERITY.keys()

    def test_every_fact_of_an_order_is_handed_in(self):
        assert order_facts(a_draft(), DRILL_ITEMS).keys() == ORDER.keys()
