"""The shipped telco set: what the drill of §26 needs of it, and what every set promises."""

from datetime import timedelta
from types import MappingProxyType

import pytest
from tests.policyset.sets import TELCO, telco, with_text

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.outcome import Says
from fallsafe.core.policy.policy_set import retry_for
from fallsafe.core.repair.catalogue import AUDIT
from fallsafe.core.repair.plans import PLANS
from fallsafe.core.triage.classify import classify, signal_facts
from fallsafe.core.triage.severity import Level, derive
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.policyset import check, facts, load_files, shipped, shipped_sets
from fallsafe.policyset.samples import signal_of
from fallsafe.policyset.source import Part, read
from fallsafe.policyset.templates import FACTS, sample_facts

MINUTE = timedelta(minutes=1)

ORDER_FACTS = {
    "key": "CRM/777/fiber.activateFiberService/fulfill/1",
    "object": "CRM/777/fiber",
    "callbackUrl": "http://127.0.0.1:8420/api/v1/downstreams/PRV/callbacks?key=CRM%2F777",
    "order": {"externalId": "777", "source": "CRM", "customerRef": "CU-1"},
    "item": {
        "offer": "FIBER-HOME-1G",
        "quantity": 1,
        "monthlyMinor": 4_500,
        "currency": "EUR",
        "characteristics": {},
        "place": {},
    },
    "results": {"createBillingAccount": {"reference": "BA-1"}, "activateFiberService": {"reference": "SRV-1"}},
    "target": {"key": "CRM/777/fiber.activateFiberService/fulfill/1", "object": "CRM/777/fiber"},
}

# key in, key lives, same key again, settle window, second look, answers that prove that nothing happened
CONTRACTS = [
    ("BIL.createAccount", timedelta(hours=24), Repeat.SAME_RESULT, 1, 2, {429, 503}),
    ("BIL.createSubscription", timedelta(hours=24), Repeat.REPLAYS_SAVED_ERROR, 1, 2, {429, 503}),
    ("WHS.reserve", timedelta(days=7), Repeat.SAME_RESULT, 1, 2, {429, 503}),
    ("WFM.book", timedelta(days=14), Repeat.REJECTS_DUPLICATE, 1, 5, {429, 503}),
    ("PRV.activateService", timedelta(days=30), Repeat.REJECTS_DUPLICATE, 5, 5, {429}),
    ("PRV.configureIp", timedelta(days=30), Repeat.REJECTS_DUPLICATE, 5, 5, {429}),
]

# operation, body that is sent
REQUESTS = [
    ("BIL.createAccount", b'{"customerRef":"CU-1","object":"CRM/777/fiber"}'),
    (
        "BIL.createSubscription",
        b'{"accountId":"BA-1","object":"CRM/777/fiber","offer":"FIBER-HOME-1G","monthlyMinor":4500,"currency":"EUR"}',
    ),
    (
        "WHS.reserve",
        (
            b'{"reference":"CRM/777/fiber.activateFiberService/fulfill/1","object":"CRM/777/fiber",'
            b'"sku":"FIBER-HOME-1G","quantity":1}'
        ),
    ),
    (
        "WFM.book",
        b'{"reference":"CRM/777/fiber.activateFiberService/fulfill/1","object":"CRM/777/fiber","site":"CU-1"}',
    ),
    (
        "PRV.activateService",
        (
            b'{"commandId":"CRM/777/fiber.activateFiberService/fulfill/1","object":"CRM/777/fiber",'
            b'"serviceRef":"SRV-CRM/777/fiber","profile":"FIBER-HOME-1G",'
            b'"callbackUrl":"http://127.0.0.1:8420/api/v1/downstreams/PRV/callbacks?key=CRM%2F777"}'
        ),
    ),
    (
        "PRV.configureIp",
        (
            b'{"commandId":"CRM/777/fiber.activateFiberService/fulfill/1","object":"CRM/777/fiber","line":"SRV-1",'
            b'"callbackUrl":"http://127.0.0.1:8420/api/v1/downstreams/PRV/callbacks?key=CRM%2F777"}'
        ),
    ),
]


class WhenFiberActivationIsPlanned:  # §26
    def test_its_times_are_those_of_the_drill(self):
        task_type, operation = telco().task_types["activateFiberService"], telco().operations["PRV.activateService"]
        assert operation.call_timeout == timedelta(seconds=10)
        assert (task_type.expected, task_type.warning, task_type.breach) == (5 * MINUTE, 10 * MINUTE, 15 * MINUTE)
        assert (task_type.anchor, task_type.at_breach, task_type.undo) == ("accepted", "look_up", "deactivateService")

    def test_policy_runs_faster_with_the_time_scale_and_the_other_side_does_not(self):
        fast = telco(60)
        operation = fast.operations["PRV.activateService"]
        assert fast.task_types["activateFiberService"].breach == timedelta(seconds=15)
        assert (operation.settle_window, operation.second_look) == (timedelta(seconds=5), timedelta(seconds=5))
        assert (operation.call_timeout, operation.key_lives) == (timedelta(seconds=10), timedelta(days=30))
        assert fast.codes["UNKNOWN_OUTCOME"].sla.resolution["critical"] == timedelta(minutes=4)
        assert retry_for(fast, "activateFiberService").delays[0] == timedelta(seconds=0.5)
        assert fast.limits.look_lag_max == timedelta(seconds=5)  # of this machine

    def test_the_tasks_wait_for_each_other_as_in_the_drill(self):
        plans = telco().plans
        fiber, billing = plans["FIBER-HOME-1G", "add"], plans["MONTHLY-BILLING", "add"]
        assert [(s.step, s.after) for s in fiber.steps] == [
            ("scheduleInstallation", ()),
            ("activateFiberService", ("scheduleInstallation",)),
        ]
        assert fiber.after_items == {"scheduleInstallation": (("WIFI-ROUTER", "reserveRouter"),)}
        assert [(s.step, s.after) for s in billing.steps][1] == ("createSubscription", ("createBillingAccount",))
        after_fiber = (("FIBER-HOME-1G", "activateFiberService"),)
        assert billing.after_items == {"createSubscription": after_fiber}
        assert after_fiber[0] in plans["STATIC-IP", "add"].after_items["activateStaticIp"]

    def test_one_offer_is_retired_and_one_has_no_plan(self):
        policy = telco()
        assert policy.offers["FIBER-HOME-100"].retired
        assert "CLOUD-PBX" in policy.offers and ("CLOUD-PBX", "add") not in policy.plans


class WhenAnOperationIsAsked:
    @pytest.mark.parametrize(("name", "lives", "repeat", "settles", "looks", "not_sent"), CONTRACTS)
    def test_its_contract_says_what_a_repeat_does_and_when_absence_counts(
        self, name, lives, repeat, settles, looks, not_sent
    ):
        operation = telco().operations[name]
        assert (operation.effect, operation.key_lives, operation.repeat) == (True, lives, repeat)
        assert (operation.settle_window, operation.second_look) == (settles * MINUTE, looks * MINUTE)
        assert operation.not_sent_statuses == not_sent
        assert [look.method for look in operation.look_ups] == ["key", "reference"]

    @pytest.mark.parametrize(("name", "body"), REQUESTS)
    def test_the_same_facts_give_the_same_bytes(self, name, body):
        request = telco().operations[name].render(ORDER_FACTS)
        assert request.body == body
        assert request == telco().operations[name].render(MappingProxyType(ORDER_FACTS))
        key = ORDER_FACTS["key"]
        assert key.encode() in request.body or ("Idempotency-Key", key) in request.headers

    def test_it_is_looked_up_by_the_quoted_key_or_object(self):
        by_key, by_reference = telco().operations["PRV.activateService"].look_ups
        quoted = "CRM%2F777%2Ffiber.activateFiberService%2Ffulfill%2F1"
        assert by_key.render(ORDER_FACTS).path == f"/activations/by-key/{quoted}"
        assert by_reference.render(ORDER_FACTS).path == "/activations/by-reference/CRM%2F777%2Ffiber"
        assert (by_key.render(ORDER_FACTS).method, by_key.render(ORDER_FACTS).body) == ("GET", b"")

    def test_every_success_is_compared_with_the_key_and_the_object_that_were_asked(self):
        for operation in telco().operations.values():
            for row in operation.answers:
                if row.says in (Says.DONE, Says.ACCEPTED, Says.PENDING):
                    assert {fact for _, fact in row.must_match} == {"key", "object"}, operation.name

    def test_of_an_answer_is_kept_only_what_a_later_request_takes(self):
        assert set(telco().result_fields.values()) == {frozenset()}
        taken = with_text(
            "operations.yaml", "{results.createBillingAccount.reference|", "{results.createBillingAccount.ledger.id|"
        )
        assert load_files(taken).result_fields["createBillingAccount"] == {"ledger"}

    def test_a_look_up_that_is_refused_says_nothing_about_what_it_asked(self):
        for name, operation in telco().operations.items():
            if ".query" in name:
                refusals = [row for row in operation.answers if row.says is Says.REJECTED]
                assert all(row.statuses == {200} and row.must_match for row in refusals), operation.name

    def test_a_look_up_into_files_can_read_every_line_that_settles_nothing(self):
        """It reads the same lines that are told as they come."""
        by_file = [one for one in telco().operations.values() if one.completion == "file"]
        for operation in by_file:
            callback = telco().systems[operation.system].callback
            (look,) = operation.look_ups
            told = [row.where for row in callback.answers if row.says is Says.PROGRESS]
            read = {(where, value) for row in look.answers for where, values in row.where for value in values}
            (words,) = [where for where in told if where[0][0] == "/result"]
            assert {(pointer, value) for pointer, values in words for value in values} <= read, operation.name
        assert len(by_file) == 2

    @pytest.mark.parametrize("status", [500, 502, 504])
    def test_a_failure_of_the_other_side_leaves_an_effect_unknown(self, status):
        for operation in telco().operations.values():
            row = next(row for row in operation.answers if not row.where and status in row.statuses)
            assert (row.says, row.lost_because) == (Says.LOST, f"http_{status}")


class WhenAFailureIsJudged:
    def test_every_rule_is_reached_by_its_own_sample(self):
        policy, file = telco(), read("classification.yaml", TELCO["classification.yaml"])
        rules = list(Part(file, file.value).at("rules").each())
        assert len(rules) >= 120
        for rule in rules:
            signal = signal_of(rule.at("sample"), policy.operations, policy.systems)
            judged = classify(policy.rules, signal, signal_facts(signal))
            assert (judged.rule, judged.code) == (rule.at("id").text(), rule.at("code").text())
            assert judged.owner in policy.owners and judged.code in policy.codes

    def test_a_time_out_of_an_effect_is_an_unknown_outcome_of_its_system(self):
        policy, file = telco(), read("x.yaml", b"{operation: PRV.activateService, sign: timeout}")
        signal = signal_of(Part(file, file.value), policy.operations, policy.systems)
        judged = classify(policy.rules, signal, signal_facts(signal))
        assert (judged.code, judged.recoverability) == ("UNKNOWN_OUTCOME", Recoverability.UNKNOWN_OUTCOME)
        assert (judged.domain, judged.owner) == ("Provisioning", "NETWORK_OPERATIONS")

    def test_what_no_rule_knows_is_a_visible_queue(self):
        policy, file = telco(), read("x.yaml", b"{operation: PRV.activateService, raw_code: NEVER_SEEN}")
        signal = signal_of(Part(file, file.value), policy.operations, policy.systems)
        judged = classify(policy.rules, signal, signal_facts(signal))
        assert (judged.code, judged.owner) == ("UNCLASSIFIED", "ORDER_DESK")

    def test_the_drill_is_critical_with_its_terms(self):
        judged = derive(telco().severity, facts.samples(facts.SEVERITY))
        assert (judged.level, judged.points) == (Level.CRITICAL, 62)
        assert sorted(r.points for r in judged.reasons if r.points) == [3, 4, 5, 5, 15, 30]

    @pytest.mark.parametrize(
        ("what", "changes", "points", "level"),
        [
            ("found absent and sent again", {"outcomeUnknown": False}, 62, Level.HIGH),
            (
                "address rejected five days before the date",
                {"outcomeUnknown": False, "promise": "safe", "promiseWorkingDaysLeft": 5, "hoursLeft": 120},
                27,
                Level.LOW,
            ),
            (
                "a dental practice loses its line in a migration",
                {
                    "existingService": "lost",
                    "vulnerable": True,
                    "segment": "business",
                    "monthlyMinor": 20_000,
                    "hoursLeft": 3,
                    "blockedTasks": 1,
                },
                128,
                Level.CRITICAL,
            ),
            ("the same as a test", {"test": True}, 62, Level.LOW),
            (
                "goods move, and nobody knows",
                {"movesMoneyOrGoods": True, "promise": "none", "promiseWorkingDaysLeft": 99, "hoursLeft": 9999},
                17,
                Level.HIGH,
            ),
        ],
    )
    def test_severity_follows_the_facts(self, what, changes, points, level):
        judged = derive(telco().severity, {**facts.samples(facts.SEVERITY), **changes})
        assert (judged.points, judged.level) == (points, level), what

    def test_a_failure_that_locks_says_which_actions_are_locked(self):
        policy = telco()
        allowed = policy.codes["UNKNOWN_OUTCOME"].actions
        assert {a for a in allowed if policy.actions[a].available} == {
            "RECONCILE_NOW",
            "DECLARE_OUTCOME",
            "RESEND_SAME_KEY",
            "SUPERSEDE_REJECTED",
            "COMPENSATE_TASK",
            "CANCEL_ITEM",
            "ESCALATE",
        }
        assert {a for a in allowed if policy.actions[a].locked_while_unknown} == {
            "RESEND_SAME_KEY",
            "SUPERSEDE_REJECTED",
            "COMPENSATE_TASK",
            "CANCEL_ITEM",
        }

    def test_every_action_that_is_run_says_how_it_is_remembered(self):
        run = [a for a in telco().actions.values() if a.available and a.does in PLANS]
        assert len(run) > 30 and [a.code for a in run if a.audit == AUDIT] == []

    def test_every_code_has_times_for_every_level_and_a_sentence(self):
        for code in telco().codes.values():
            for clock in (code.sla.first_touch, code.sla.resolution, code.sla.customer_update):
                assert set(clock) == {level.value for level in Level}, code.code
            assert code.sla.sentence and code.upstream_control


class WhenASetIsPublished:
    def test_it_is_named_by_name_date_and_digest_of_its_bytes(self):
        policy = telco()
        assert policy.id == f"telco@2026-11-01+{policy.digest[:12]}"
        assert load_files(policy.files).id == policy.id
        changed = load_files(with_text("offers.yaml", "Static IP address", "Fixed IP address"))
        assert changed.digest != policy.digest

    def test_the_digest_covers_names_too(self):
        moved = dict(TELCO)
        moved["offers.yaml"], moved["undo.yaml"] = TELCO["undo.yaml"], TELCO["offers.yaml"]
        from fallsafe.policyset.load import digest_of

        assert digest_of(moved) != digest_of(TELCO)

    def test_the_shipped_sets_are_right(self):
        assert shipped() in shipped_sets().values()
        for folder in shipped_sets().values():
            assert check(folder) == []

    def test_no_sentence_for_people_is_left_empty(self):
        policy = telco()
        assert all(action.title and action.roles for action in policy.actions.values())
        assert all(row.possible_while and row.proof for row in policy.undo.values())
        assert all(text for m in policy.messages.values() for text in m.texts.values() if m.key != "hidden")


class WhenFactsAreHandedIn:
    def test_every_fact_that_a_template_may_name_has_a_sample(self):
        for name in FACTS:
            assert sample_facts([name]), name
