"""§5.2, §18: a missing or stale approval is a policy exception before the first command, and nothing is sent."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.flows import orders as world
from tests.flows.test_signals import judge, said, tell

from fallsafe.core.access import Actor
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ApprovalDraft, OrderDraft
from fallsafe.flows import amending
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database

AT = datetime(2026, 11, 1, tzinfo=UTC)
BEN, CRM = Actor("person", "ben", frozenset({"operator"})), Actor("machine", "crm", frozenset({"machine"}))


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

        await tell(store, context, said("A-1", task="createSubscription", item="billing"))
        await judge(store, context)
        (case,) = (await world.seen(store, answer.id)).open_cases
        stopped: list[str] = []
        for item, changes in (
            ("fiber", {"quote.discountPercent": 60, "quote.fingerprint": "f" * 64}),  # approved for another content
            ("static-ip", {"termMonths": 36}),
            ("static-ip", {"offer": "CONTENT-ADDON"}),  # whose work is done by other steps
        ):
            await amended(store, context, case.id, {"item": item, "changes": changes})
            here = await world.seen(store, answer.id)
            stopped.append(" ".join(sorted(c.code for c in here.open_cases if c.id != case.id)))
        assert stopped == [*["APPROVAL_STALE"] * 2, "APPROVAL_STALE DONE_FOR_FORMER_DEAL"] and here.order.frozen
        assert await world.claim(store, context) == []


async def amended(store: Database, context: Context, case_id: int, wish: Mapping[str, Json]) -> None:
    """A change of the deal that was asked for, and that those who sell agreed to."""
    await world.repair(store, context, case_id, "REQUEST_AMENDMENT", wish, BEN)
    asked = max(row["id"] for row in await store.fetch("audit/amendments"))
    agreed = [amending.Returned(asked, "Q-2", "agreed")]
    (answer,) = await store.transact(lambda tx: amending.accept(tx, context, agreed, CRM))
    assert isinstance(answer, Applied), answer


class WhenThePromisedDateHasPassed:
    async def test_the_order_is_late_and_not_wrong(self, store: Database, context: Context) -> None:
        (answer,) = await world.submit(store, context, replace(world.drill(), committed_at=AT))
        assert isinstance(answer, Applied)
        assert len(await world.claim(store, context)) == 2
