"""Conditions of policy: what is misspelt is found before an order meets it, and an error is never a false (§7)."""

import pytest

from fallsafe.policyset.conditions import Condition, ConditionError, condition, never
from fallsafe.policyset.facts import ORDER, SEVERITY, samples
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import File, Part


def compiled(source, table=SEVERITY):
    """A condition, and what is wrong with it."""
    findings = Findings()
    built = condition(Part(File("severity.yaml", source, {"": 1}), source), table, findings)
    return built, [problem.what for problem in findings.problems]


class WhenAConditionIsAsked:
    def test_it_reads_only_the_facts_that_it_names(self):
        built, wrong = compiled("blockedTasks >= 3 && segment == 'business'")
        assert wrong == []
        assert built({"blockedTasks": 3, "segment": "business"}) is True
        assert built({"blockedTasks": 2, "segment": "business"}) is False

    def test_a_fact_that_is_not_told_is_an_error_and_not_a_false(self):
        built, _ = compiled("blockedTasks >= 3")
        with pytest.raises(ConditionError, match="without the fact 'blockedTasks'"):
            built({})

    def test_a_fact_of_another_kind_is_an_error_and_not_a_false(self):
        built, _ = compiled("blockedTasks >= 3")
        with pytest.raises(ConditionError, match="failed"):
            built({"blockedTasks": "many"})

    def test_whole_and_broken_numbers_compare(self):
        built, _ = compiled("hoursLeft <= 4")
        assert [built({"hoursLeft": hours}) for hours in (3.99, 4, 4.01)] == [True, True, False]

    def test_a_long_list_is_refused(self):
        built, wrong = compiled("offers.exists(o, o == 'STATIC-IP')", ORDER)
        assert wrong == []
        assert built({"offers": ["STATIC-IP"]}) is True
        with pytest.raises(ConditionError, match="more than 200 elements"):
            built({"offers": ["X"] * 201})


class WhenAConditionIsWrong:
    @pytest.mark.parametrize(
        ("source", "what"),
        [
            ("blokedTasks > 3", "no fact is called 'blokedTasks'"),
            ("segment.startWith('b')", "no function is called 'startWith'"),
            ("segment == 'bussiness'", "no segment is called 'bussiness'"),
            ("segment in ['business', 'keyaccount']", "no segment is called 'keyaccount'"),
            ("promise != 'broken'", "no promise is called 'broken'"),
            ("(" * 9 + "test" + ")" * 9, "a condition nested 9 deep"),
            ("test" + " || test" * 100, "a condition of 804 characters"),
            ("[1].exists(a, [2].exists(b, a == b))", "more than one walk over a list"),
            ("blockedTasks", "fails on sample facts: condition 'blockedTasks' answers 2, not true or false"),
        ],
    )
    def test_it_is_said(self, source, what):
        built, wrong = compiled(source)
        assert built is never
        assert wrong == [what]

    def test_a_syntax_error_is_said_in_one_line(self):
        built, wrong = compiled("blockedTasks >")
        assert built is never and len(wrong) == 1
        assert wrong[0].startswith("not a condition: ") and "\n" not in wrong[0]


class WhenFactsAreDocumented:
    @pytest.mark.parametrize("table", [SEVERITY, ORDER])
    def test_every_fact_can_be_asked_for(self, table):
        for name, fact in table.items():
            built, wrong = compiled(f"{name} == {name}", table)
            assert wrong == [] and isinstance(built, Condition), fact
            assert built(samples(table)) is True
