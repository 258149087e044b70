"""Classification (§7): the most specific rule wins, it says why, and raw codes are never replaced."""

import re
from dataclasses import replace

import pytest
from tests.core.things import a_signal

from fallsafe.core.triage.classify import Rule, classify, index, signal_facts
from fallsafe.core.triage.fingerprint import fingerprint, pattern_of
from fallsafe.core.triage.taxonomy import Recoverability

PLAIN = Rule(
    id="",
    system="",
    operation="",
    codes=frozenset(),
    pattern=None,
    signs=frozenset(),
    effect=None,
    condition=None,
    secondary=False,
    code="",
    domain="system's",
    cause="",
    recoverability=Recoverability.REPAIRABLE,
    owner="system's",
    automation="person",
    first_step="",
)


def rule(id: str, code: str, *, codes=(), signs=(), pattern="", **more) -> Rule:  # noqa: A002
    search = (lambda text: re.search(pattern, text) is not None) if pattern else None
    return replace(PLAIN, id=id, code=code, codes=frozenset(codes), signs=frozenset(signs), pattern=search, **more)


RULES = (
    rule("G01", "DOWNSTREAM_UNREACHABLE", signs=["refused"], recoverability=Recoverability.TRANSIENT),
    rule("G04", "DOWNSTREAM_ERROR", signs=["http_500", "timeout"], effect=False),
    rule("G06", "UNKNOWN_OUTCOME", signs=["http_500", "timeout"], effect=True),
    rule("G10", "PAYLOAD_REJECTED", signs=["http_422"], domain="Data", owner="ORDER_DESK"),
    rule("G12", "RETRY_EXHAUSTED", signs=["refused"], secondary=True),
    rule("B01", "BILLING_ACCOUNT_MISSING", system="BIL", pattern=r"\bACCOUNT_NOT_FOUND\b"),
    rule("N01", "ADDRESS_NOT_SERVICEABLE", system="PRV", codes=["ADDRESS_NOT_SERVICEABLE"], domain="Data"),
    rule("N01-op", "ADDRESS_NOT_SERVICEABLE_HERE", operation="PRV.configureIp", codes=["ADDRESS_NOT_SERVICEABLE"]),
    rule("N02", "ANY_ADDRESS", system="PRV", pattern="ADDRESS_"),
    rule("N03", "FIBER_ONLY", system="PRV", codes=["CAPACITY"], condition=lambda f: f["offer"] == "FIBER-HOME-1G"),
    rule("N04", "ANY_CAPACITY", system="PRV", codes=["CAPACITY"]),
    rule("W09", "MANUAL_TASK_OVERDUE", signs=["overdue"], owner="task's", domain="Manual Ops"),
)
FALLBACK = rule("G13", "UNCLASSIFIED", domain="Platform", owner="ORDER_DESK")
INDEX = index(
    RULES,
    FALLBACK,
    {"PRV": "NETWORK_OPERATIONS", "BIL": "BILLING_OPS"},
    {"PRV": "Provisioning", "BIL": "Billing"},
)


def judged(facts=None, **signal):
    return classify(INDEX, a_signal(**signal), facts or {})


# the signal                                                                    the rule
CASES = [
    ({"sign": "refused"}, "G01"),
    ({"sign": "refused", "spent": True}, "G12"),
    ({"sign": "timeout", "effect": True}, "G06"),
    ({"sign": "timeout", "effect": False}, "G04"),
    ({"sign": "http_422"}, "G10"),
    ({"sign": "http_422", "raw_code": "ADDRESS_NOT_SERVICEABLE"}, "N01"),  # exact code before sign
    ({"raw_code": "ADDRESS_NOT_SERVICEABLE", "message": "ADDRESS_ something"}, "N01"),  # exact code before pattern
    ({"raw_code": "ADDRESS_NOT_SERVICEABLE", "operation": "PRV.configureIp"}, "N01-op"),  # operation before any
    ({"sign": "http_422", "raw_code": "ADDRESS_ODD"}, "N02"),  # pattern before sign
    ({"raw_code": "CAPACITY", "offer": "FIBER-HOME-1G"}, "N03"),  # condition before none
    ({"raw_code": "CAPACITY", "offer": "STATIC-IP"}, "N04"),
    ({"system": "BIL", "raw_code": "BC-1404 ACCOUNT_NOT_FOUND"}, "B01"),
    ({"system": "PRV", "raw_code": "BC-1404 ACCOUNT_NOT_FOUND"}, "G13"),  # another system's words
    ({"raw_code": "timeout"}, "G13"),  # a raw code is no sign
    ({"sign": "ADDRESS_NOT_SERVICEABLE"}, "G13"),  # and a sign is no raw code
    ({"raw_code": "NEVER_SEEN", "sign": "rejected"}, "G13"),
]


class WhenASignalIsClassified:
    @pytest.mark.parametrize(("signal", "rule_id"), CASES)
    def test_the_most_specific_rule_wins(self, signal, rule_id):
        assert judged(**signal).rule == rule_id

    @pytest.mark.parametrize("rules", [RULES, RULES[::-1]])
    def test_whatever_the_order_of_the_rules(self, rules):
        other = index(rules, FALLBACK, {}, {})
        for signal, rule_id in CASES:
            assert classify(other, a_signal(**signal), {}).rule == rule_id

    def test_domain_and_owner_are_those_of_the_system_where_the_rule_says_so(self):
        lost = judged(sign="timeout")
        assert (lost.domain, lost.owner) == ("Provisioning", "NETWORK_OPERATIONS")

    def test_nothing_is_left_without_an_owner(self):
        stranger = judged(system="XYZ", operation="XYZ.do", sign="timeout")
        assert (stranger.domain, stranger.owner) == ("Platform", "ORDER_DESK")

    def test_a_task_that_is_overdue_belongs_to_its_owner(self):
        assert judged({"taskOwner": "FIELD_OPS"}, sign="overdue").owner == "FIELD_OPS"

    def test_it_says_why_and_how_else_it_could_be_read(self):
        why = judged(sign="http_422", raw_code="ADDRESS_NOT_SERVICEABLE").why
        assert why == (
            "rule N01: raw code ADDRESS_NOT_SERVICEABLE of PRV.activateService; it could also be read by N02, G10"
        )

    def test_what_no_rule_knows_goes_to_the_visible_queue(self):
        unknown = judged(raw_code="NEVER_SEEN")
        assert (unknown.code, unknown.owner, unknown.rule) == ("UNCLASSIFIED", "ORDER_DESK", "G13")

    def test_conditions_may_read_the_signal_and_what_the_caller_knows(self):
        facts = signal_facts(a_signal(offer="STATIC-IP"))
        assert (facts["offer"], facts["operation"], facts["effect"]) == ("STATIC-IP", "PRV.activateService", True)


class WhenFailuresAreAlike:
    @pytest.mark.parametrize(
        ("message", "pattern"),
        [
            ("acct 88121 unknown", "acct # unknown"),
            ("null key at /items/2/characteristics", "null key at /items/#/characteristics"),
            ("no drop within 80 m", "no drop within # m"),
            ("order CRM-777  at 2026-07-02T10:00:00Z", "order # at #:#:#"),
            ("mail to sari@example.org bounced", "mail to # bounced"),
            ("field 'Jalan Melati' is wrong", "field # is wrong"),
            ("", ""),
        ],
    )
    def test_what_belongs_to_one_order_is_taken_out(self, message, pattern):
        assert pattern_of(message) == pattern

    def test_numbers_do_not_tell_failures_apart(self):
        one = fingerprint("BIL", "BIL.createAccount", "BILLING_ACCOUNT_MISSING", "acct 88121 unknown")
        other = fingerprint("BIL", "BIL.createAccount", "BILLING_ACCOUNT_MISSING", "acct 4 unknown")
        assert one == other
        assert re.fullmatch("[0-9a-f]{16}", one)

    @pytest.mark.parametrize(
        "other",
        [
            ("PRV", "BIL.createAccount", "CODE", "words"),
            ("BIL", "BIL.createSubscription", "CODE", "words"),
            ("BIL", "BIL.createAccount", "OTHER", "words"),
            ("BIL", "BIL.createAccount", "CODE", "other words"),
            ("BILBIL.", "createAccount", "CODE", "words"),
        ],
    )
    def test_system_operation_code_and_words_do(self, other):
        assert fingerprint(*other) != fingerprint("BIL", "BIL.createAccount", "CODE", "words")

    def test_only_the_beginning_of_a_long_message_counts(self):
        page = "x" * 500
        assert fingerprint("S", "O", "C", page) == fingerprint("S", "O", "C", page + " more")
