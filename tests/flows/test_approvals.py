"""§5.2, §18: a missing or stale approval is a policy exception before the first command, and nothing is sent."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.flows import orders as world

from fallsafe.core.orders.draft import ApprovalDraft, OrderDraft
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database

AT = datetime(2026, 11, 1, tzinfo=UTC)


def discounted(*approvals: ApprovalDraft) -> OrderDraft:
    """An order whose quote needs an approval by policy."""
    return replace(
        world.drill(), quote={"id": "Q-1", "fingerprint": "f" * 64, "discountPercent": 25}, approvals=approvals
    )


class WhenAnApprovalIsNeeded:
    @pytest.mark.parametrize(
        ("approvals", "code"),
        [
            ((), "APPROVAL_MISSING"),
            ((ApprovalDraft("discount", "0" * 64, "boss", AT, None),), "APPROVAL_STALE"),
            ((ApprovalDraft("discount", "f" * 64, "boss", AT, AT),), "APPROVAL_MISSING"),
        ],
        ids=["missing", "for another content", "expired"],
    )
    async def test_without_it_the_order_is_frozen_and_nothing_is_sent(
        self, store: Database, context: Context, approvals: tuple[ApprovalDraft, ...], code: str
    ) -> None:
        (answer,) = await world.submit(store, context, discounted(*approvals))
        assert isinstance(answer, Applied)
        assert await world.claim(store, context) == []
        order = await world.seen(store, answer.id)
        assert [c.code for c in order.open_cases] == [code]
        assert order.open_cases[0].recoverability == "policy_exception"
        assert await store.fetch("reads/coverage_gaps") == []

    async def test_with_it_the_order_runs(self, store: Database, context: Context) -> None:
        valid = ApprovalDraft("discount", "f" * 64, "boss", AT, None)
        (answer,) = await world.submit(store, context, discounted(valid))
        assert isinstance(answer, Applied)
        assert len(await world.claim(store, context)) == 2
        assert (await world.seen(store, answer.id)).open_cases == []


class WhenThePromisedDateHasPassed:
    async def test_the_order_is_late_and_not_wrong(self, store: Database, context: Context) -> None:
        (answer,) = await world.submit(store, context, replace(world.drill(), committed_at=AT))
        assert isinstance(answer, Applied)
        assert len(await world.claim(store, context)) == 2
