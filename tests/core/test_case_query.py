"""The language of the queue: what is read, what is not and why, and that every query has one form (§8.1, §19)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallsafe.core.access import Actor
from fallsafe.core.cases.facets import Cell, count, is_plain, rest_of
from fallsafe.core.cases.query import FREE, CaseQuery, Known, Token, parse
from fallsafe.core.cases.views import OWN, ROLE_VIEWS, TEAM, View, role_views, visible, why_not_change, why_not_save

KNOWN = Known(
    {"owner": frozenset({"NETWORK", "BILLING"}), "code": frozenset({"LATE_SUCCESS"}), "system": frozenset({"PRV"})}
)
OPERATOR, MANAGER = Actor("person", "ada", frozenset({"operator"})), Actor("person", "max", frozenset({"manager"}))


def read(text: str) -> CaseQuery:
    found = parse(text, KNOWN)
    assert isinstance(found, CaseQuery), found
    return found


class WhenAQueryIsRead:
    @pytest.mark.parametrize(
        ("text", "form", "scope"),
        [
            ("", "", "open"),
            ("severity:high,critical severity:low", "severity:critical,high,low", "open"),
            ("  owner:network   -owner:billing", "owner:NETWORK -owner:BILLING", "open"),
            ("late-success code:late_success", "code:LATE_SUCCESS late-success", "open"),
            ('customer:"Oak & Stone",x "no light" slow', 'customer:"Oak & Stone",x "no light" slow', "open"),
            ("age:>24h age:<=2w due:<90m amount:>=10.50", "age:<=2w age:>24h amount:>=10.50 due:<90m", "open"),
            ("order:o-7 case:F-12", "case:F-12 order:O-7", "open"),
            ("is:any is:waiting", "is:any is:waiting", "any"),
            ("state:resolved", "state:resolved", "ended"),
            ("state:assigned,resolved", "state:assigned,resolved", "any"),
            ("domain:manual_ops", 'domain:"Manual Ops"', "open"),
            (r'raw:"a \"b\" \\ c"', r'raw:"a \"b\" \\ c"', "open"),
            ("-timeout", '"-timeout"', "open"),
        ],
    )
    def test_it_has_one_form_which_reads_as_itself(self, text: str, form: str, scope: str) -> None:
        query = read(text)
        assert (str(query), query.scope) == (form, scope)
        assert read(form) == query

    @pytest.mark.parametrize(
        ("text", "at", "what", "hint"),
        [
            ("severity:high colour:red", 14, "there is no key colour", '"colour:red"'),
            ("severity:awful", 0, "there is no severity awful", "critical, high, medium, low"),
            ("owner:nobody", 0, "there is no owner nobody", "BILLING, NETWORK"),
            ("x age:5h", 2, "needs a sign", "age:>24h"),
            ("age:>5", 0, "unit", "s, m, h, d, w"),
            ("seen:>5h", 0, "without a unit", "seen:>3"),
            ("-age:>5h", 0, "cannot be left out", "sign"),
            ("order:7", 0, "is no order", "O- and a number"),
            ("order:O-99999999999999999999", 0, "is no order", "O- and a number"),
            ("severity:", 0, "no value", "severity:critical"),
            ('raw:"open', 0, "cannot be read", "quotation mark"),
            ("is:open is:any", 0, "any and open", "one of"),
            ("is:open,waiting", 0, "one thing", "is:open is:waiting"),
            ("x" * 2_001, 0, "letters", "2,000"),
            ("age:>999999999999w", 0, "too large", "most"),
            (" ".join(["a" + str(n) for n in range(41)]), 0, "41 parts", "40"),
            ("raw:" + ",".join(map(str, range(51))), 0, "51 values", "50"),
            ("http://example", 0, "no key http", '"http://example"'),
        ],
    )
    def test_what_is_wrong_is_said_with_its_place_and_what_would_be_right(self, text, at, what, hint) -> None:
        found = parse(text, KNOWN)
        assert isinstance(found, tuple)
        assert found[0].at == at and what in found[0].what and hint in found[0].hint

    def test_everything_that_is_wrong_is_said_at_once(self) -> None:
        found = parse("colour:red severity:awful age:5", KNOWN)
        assert [w.at for w in found] == [0, 11, 26]

    @given(st.text(max_size=60))
    def test_no_text_breaks_it(self, text: str) -> None:
        found = parse(text, KNOWN)
        assert isinstance(found, CaseQuery | tuple)
        if isinstance(found, CaseQuery):
            assert parse(str(found), KNOWN) == found

    @given(st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=4), st.sampled_from(FREE))
    def test_any_value_stands_in_its_form(self, values: list[str], key: str) -> None:
        query = CaseQuery((Token(key, tuple(sorted(set(values)))),), (values[0],))
        assert parse(str(query), KNOWN) == query


class WhenALinkChangesAQuery:
    def test_values_come_and_go_and_the_rest_stays(self) -> None:
        query = read('severity:high -owner:BILLING "no light"')
        assert str(query.toggled("severity", "low")) == '-owner:BILLING severity:high,low "no light"'
        assert str(query.toggled("severity", "high")) == '-owner:BILLING "no light"'
        assert str(query.toggled("owner", "NETWORK")) == 'owner:NETWORK -owner:BILLING severity:high "no light"'
        assert str(query.flagged("waiting").flagged("escalated").flagged("waiting")).startswith("is:escalated ")
        assert query.scoped("any").scope == "any" and query.having("severity").values("severity") == ()


def cell(severity: str, owner: str, cases: int, assigned: bool = False, sla: str = "") -> Cell:
    return Cell("assigned", severity, owner, assigned, "LATE_SUCCESS", "Billing", "repairable", "PRV", sla, cases)


class WhenCasesAreCounted:
    CELLS = (
        cell("high", "NETWORK", 3),
        cell("low", "NETWORK", 2, True),
        cell("high", "BILLING", 5),
        cell("low", "", 1),
    )

    def test_a_facet_counts_with_every_token_but_its_own(self) -> None:
        found = count(read("severity:high owner:NETWORK"), self.CELLS)
        assert found.total == 3
        assert found.values["severity"] == {"high": 3, "low": 2}
        assert found.values["owner"] == {"NETWORK": 3, "BILLING": 5}
        assert found.values["assignee"] == {"none": 3}

    def test_what_is_left_out_and_who_has_nobody(self) -> None:
        assert count(read("-severity:high"), self.CELLS).total == 3
        assert count(read("-assignee:none"), self.CELLS).total == 2
        assert count(read("owner:none"), self.CELLS).total == 1

    def test_only_kinds_are_answered_by_what_is_always_counted(self) -> None:
        assert is_plain(read("severity:high assignee:none")) and not is_plain(read("assignee:me"))
        assert not is_plain(read("age:>1h")) and not is_plain(read("is:any")) and not is_plain(read("light"))
        assert str(rest_of(read("is:waiting severity:high age:>1h light"))) == "is:waiting age:>1h light"


class WhenViewsAreSaved:
    def test_each_role_begins_with_views_that_can_be_read(self) -> None:
        assert {role for view in ROLE_VIEWS for role in view.roles} == {
            "support", "operator", "engineer", "finance", "manager", "auditor",
        }  # fmt: skip
        assert all(isinstance(parse(view.query, KNOWN), CaseQuery) for view in ROLE_VIEWS)
        assert role_views(OPERATOR) and role_views(Actor("person", "root", frozenset({"admin"})))

    def test_one_sees_ones_own_the_teams_and_everyones(self) -> None:
        views = [View(n, scope, owner, "t", "", "due", "x") for n, (scope, owner) in enumerate(
            [(OWN, "ada"), (OWN, "max"), (TEAM, "operator"), (TEAM, "finance"), ("everyone", "")])]  # fmt: skip
        assert [view.id for view in visible(views, OPERATOR)] == [0, 2, 4]

    def test_who_may_not_is_told_why(self) -> None:
        codes = [
            why_not_save(Actor("machine", "m", frozenset({"machine"})), OWN, "", "t", 0),
            why_not_save(OPERATOR, "all", "", "t", 0),
            why_not_save(OPERATOR, OWN, "", " ", 0),
            why_not_save(OPERATOR, TEAM, "finance", "t", 0),
            why_not_save(Actor("person", "aud", frozenset({"auditor"})), "everyone", "", "t", 0),
            why_not_save(OPERATOR, OWN, "", "t", 50),
            why_not_change(OPERATOR, View(1, "everyone", "", "t", "", "due", "max")),
        ]
        assert [refusal.code for refusal in codes if refusal] == [
            "NOT_ALLOWED", "SCOPE_UNKNOWN", "TITLE_WRONG", "NOT_ALLOWED", "NOT_ALLOWED", "TOO_MANY", "NOT_ALLOWED",
        ]  # fmt: skip
        assert all(refusal and refusal.hint for refusal in codes)
        assert why_not_save(OPERATOR, TEAM, "operator", "t", 0) is None
        assert why_not_change(MANAGER, View(1, TEAM, "operator", "t", "", "due", "ada")) is None
