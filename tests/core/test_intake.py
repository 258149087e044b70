"""What is refused at the door of an order, each with the field at fault; and what is not, although it looks bad."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import DAY, NOW, a_draft, an_item_draft

from fallsafe.core.orders.draft import ItemDraft, LinkDraft
from fallsafe.core.orders.intake import ITEMS_MAX, NESTING_MAX, check_order, find_circle


def refusals(*items, **changes) -> set[tuple[str, str]]:
    return {(r.code, r.pointer) for r in check_order(a_draft(items or None, **changes))}


HUGE = 9_000_000_000_000_000


def many(count: int, **amounts: int) -> list[ItemDraft]:
    """So many items with these amounts each."""
    return [replace(an_item_draft(f"i{n}"), **amounts) for n in range(count)]


def nested(count: int) -> list[ItemDraft]:
    """So many items, each in the one before."""
    return [replace(an_item_draft(f"i{n}"), parent=f"i{n - 1}" if n else "") for n in range(count)]


A, B, C = (an_item_draft(name) for name in "abc")

WRONG = [
    (lambda: refusals(A, B, A), ("ITEM_ID_TWICE", "/items/2/externalId")),
    (lambda: refusals(A, replace(B, parent="nobody")), ("PARENT_UNKNOWN", "/items/1/parent")),
    (lambda: refusals(replace(A, parent="a")), ("PARENT_CYCLE", "/items/0/parent")),
    (lambda: refusals(C, replace(A, parent="b"), replace(B, parent="a")), ("PARENT_CYCLE", "/items/1/parent")),
    (lambda: refusals(A, replace(B, depends_on=("a", "nobody"))), ("DEPENDENCY_UNKNOWN", "/items/1/dependsOn/1")),
    (lambda: refusals(replace(A, depends_on=("a",))), ("DEPENDENCY_CYCLE", "/items/0/dependsOn")),
    (
        lambda: refusals(replace(A, depends_on=("b",)), replace(B, depends_on=("c",)), replace(C, depends_on=("a",))),
        ("DEPENDENCY_CYCLE", "/items/0/dependsOn"),
    ),
    (lambda: refusals(replace(A, quantity=0)), ("QUANTITY_WRONG", "/items/0/quantity")),
    (lambda: refusals(replace(A, quantity=-1)), ("QUANTITY_WRONG", "/items/0/quantity")),
    (lambda: refusals(replace(A, action="swap")), ("ACTION_UNKNOWN", "/items/0/action")),
    (lambda: refusals(replace(A, external_id="a/b")), ("ITEM_ID_WRONG", "/items/0/externalId")),
    (lambda: refusals(replace(A, external_id="")), ("ITEM_ID_WRONG", "/items/0/externalId")),
    (lambda: refusals(*many(2, one_off_minor=HUGE)), ("AMOUNTS_TOO_LARGE", "/items")),
    (lambda: refusals(*many(2, monthly_minor=-HUGE)), ("AMOUNTS_TOO_LARGE", "/items")),
    (lambda: refusals(*nested(NESTING_MAX + 2)), ("NESTED_TOO_DEEP", f"/items/{NESTING_MAX + 1}/parent")),
    (lambda: refusals(source="CRM/EU"), ("SOURCE_WITH_SLASH", "/source")),
    (lambda: refusals(time_zone="Asia/Nowhere"), ("TIME_ZONE_UNKNOWN", "/timeZone")),
    (lambda: refusals(links=(LinkDraft("depends_on", "CRM", "777"),)), ("LINK_TO_ITSELF", "/links/0/externalId")),
]


class WhenAnOrderIsWrong:
    @pytest.mark.parametrize(("check", "found"), WRONG, ids=[found[0] + found[1] for _, found in WRONG])
    def test_the_field_is_named(self, check, found):
        assert check() == {found}

    def test_all_that_is_wrong_is_said_at_once(self):
        found = refusals(replace(A, quantity=0), replace(A, parent="x"), time_zone="?")
        assert {code for code, _ in found} == {"QUANTITY_WRONG", "ITEM_ID_TWICE", "PARENT_UNKNOWN", "TIME_ZONE_UNKNOWN"}

    def test_each_refusal_says_what_why_and_what_would_work(self):
        (refusal,) = check_order(a_draft([A, replace(B, parent="nobody")]))
        assert refusal.what == "cannot take order '777' of 'CRM'"
        assert "'nobody'" in refusal.why
        assert "a, b" in refusal.hint

    def test_an_order_without_items_is_none(self):
        assert {r.code for r in check_order(replace(a_draft(), items=()))} == {"NO_ITEMS"}

    def test_too_many_items_are_refused(self):
        many = [an_item_draft(f"i{n}") for n in range(ITEMS_MAX + 1)]
        assert {r.code for r in check_order(a_draft(many))} == {"TOO_MANY_ITEMS"}

    def test_the_circle_is_shown(self):
        (refusal,) = check_order(a_draft([replace(A, parent="b"), replace(B, parent="a")]))
        assert "a → b → a" in refusal.why


class WhenAnOrderOnlyLooksWrong:
    def test_the_order_of_the_drill_is_taken(self):
        assert check_order(a_draft()) == ()

    @pytest.mark.parametrize("at", [NOW - DAY, NOW - 900 * DAY, None])
    def test_a_past_promise_makes_it_late_and_not_wrong(self, at: datetime | None):
        assert check_order(a_draft(committed_at=at, requested_at=at)) == ()

    def test_a_child_may_depend_on_its_parent_and_a_parent_on_its_child(self):
        assert refusals(replace(A, depends_on=("b",)), replace(B, parent="a")) == set()

    def test_an_unknown_offer_is_held_and_not_refused(self):
        assert refusals(replace(A, offer="NOBODY-KNOWS")) == set()


NAMES = st.sampled_from("abcdef")


class WhenACircleIsLookedFor:
    @given(st.dictionaries(NAMES, st.sets(NAMES, max_size=3)))
    def test_what_is_found_is_one_and_what_is_not_found_is_not_there(self, edges):
        circle = find_circle(edges)
        if circle:
            assert all(after in edges[name] for name, after in zip(circle, (*circle[1:], circle[0]), strict=True))
        else:
            left = {name: set(to) for name, to in edges.items()}
            while free := [name for name, to in left.items() if not to & left.keys()]:
                for name in free:
                    del left[name]
            assert not left
