"""§6.4: what an order says was done is compared with what network, inventories, entitlements and billing say."""

from dataclasses import replace
from datetime import timedelta

from tests.doors.conftest import Api, an_item, an_order
from tests.doors.test_api_signals import judge
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Done, Looked, Lost, Outcome, Says
from fallsafe.core.detect.brake import Brake
from fallsafe.core.recover.comparing import Comparing
from fallsafe.flows import comparing
from fallsafe.workers.monitors import Monitors

AGREES = Looked(Says.DONE, "REF-1")
GONE = Looked(Says.ABSENT)
COMPARED = {"PRV.activateService", "RIN.reservePort", "ENT.grant", "PIN.upsertProduct"}


def under(api: Api, brake: Brake | None = None) -> Api:
    """The policy, but that nothing has to settle and everything is compared at each look."""
    newest, now = api.context.newest, timedelta(microseconds=1)
    assert newest.limits.comparing is not None
    policy = Comparing(newest.limits.comparing.operations, now, now, timedelta(days=1))
    limits = replace(newest.limits, comparing=policy, brake=brake or newest.limits.brake)
    policies = replace(newest, limits=limits)
    return api.under(replace(api.context, policies={newest.id: policies}, newest=policies))


async def asked(api: Api, said: dict[str, Outcome]) -> set[str]:
    """Everything that is due is asked and answered, by the operation whose effect it is about; which were asked."""
    context = api.context
    due = await world.due(api.database, context, "compare")
    claimed = await api.database.transact(lambda tx: comparing.claim(tx, context, due, world.ACTOR))
    about = set()
    for one in claimed:
        order = await world.seen(api.database, one.order_id)
        target = order.commands[order.commands[one.command_id].target_id or 0]
        about.add(target.operation)
        await world.answer(api.database, context, one, said.get(target.operation, AGREES))
    await judge(api)
    return about


async def compared(api: Api, said: dict[str, Outcome]) -> None:
    """A whole comparison: what is not found is asked about a second time."""
    await Monitors(api.database, lambda: api.context).step()
    await second_looks(api)
    assert await asked(api, said) == COMPARED
    await second_looks(api)
    await asked(api, said)


async def second_looks(api: Api) -> None:
    """What waits for its second look waits no longer."""
    order = int((await api.get("/orders/CRM:777"))["order"]["id"].removeprefix("O-"))
    for row in await api.database.fetch("agenda/of_orders", ids=[order]):
        if row["kind"] == "compare":
            await world.make_due(api.database, "compare", row["id"], order)


class WhenInventoriesAreCompared:
    async def test_what_they_do_not_confirm_is_a_case_and_ends_when_they_agree(self, api: Api) -> None:
        items = [an_item("fiber", "FIBER-HOME-COMPLETE", place={"id": "PL-9"})]
        taken = await api.post("/orders", an_order(items=items), "machine", 201)
        while claimed := await world.claim(api.database, api.context):
            for one in claimed:
                await world.answer(api.database, api.context, one, Done("REF-1"))
        assert (await api.get(f"/orders/{taken['id']}"))["order"]["state"] == "completed"
        await Monitors(api.database, lambda: api.context).step()
        assert await world.due(api.database, api.context, "compare") == []  # it has to settle first

        # The product inventory has no asset, the port belongs to somebody else; that the right is not found once
        # proves nothing, and one look into the network that is lost says nothing.
        api = under(api)
        await Monitors(api.database, lambda: api.context).step()
        said: dict[str, Outcome] = {"ENT.grant": GONE, "RIN.reservePort": Lost("other_key"), "PIN.upsertProduct": GONE}
        assert await asked(api, {**said, "PRV.activateService": Lost("timeout")}) == COMPARED
        assert await self.cases(api) == ["RIN.reservePort"]
        await compared(api, {"PIN.upsertProduct": GONE, "RIN.reservePort": Lost("other_key")})
        assert await self.cases(api) == ["PIN.upsertProduct", "RIN.reservePort"]
        for case in (await api.get("/fallout-cases"))["items"]:
            whole = await api.get(f"/fallout-cases/{case['id']}")
            judged = whole["classification"]
            assert (judged["code"], judged["rule"], judged["domain"][:3]) in {
                ("INVENTORY_DRIFT", "E15", "Pro"),
                ("INVENTORY_DRIFT", "E15", "Inv"),
            }
            kinds = {e["kind"] for e in (await api.get(f"/fallout-cases/{case['id']}/evidence"))["items"]}
            assert {"answer", "signal"} <= kinds
        assert (await api.get(f"/orders/{taken['id']}"))["order"]["state"] == "completed"  # it does not move
        assert await world.claim(api.database, api.context) == []  # and nothing is done again

        await compared(api, {})
        assert await self.cases(api) == []
        resolved = (await api.get("/fallout-cases", state="resolved"))["items"]
        assert [row["code"] for row in resolved] == ["INVENTORY_DRIFT"] * 2

        # A system that suddenly knows nothing of anything is one trouble.
        api = under(api, Brake(1, 0.0, timedelta(minutes=15)))
        await compared(api, dict.fromkeys(COMPARED, GONE))
        assert len(await self.cases(api)) == 1
        held = (await api.get("/signals", source="RECONCILE", state="candidate"))["items"]
        assert len(held) == 3
        braked = await api.get("/fallout-cases", code="DETECTOR_BRAKED")
        assert len(braked["items"]) == 2  # of the source, and of the rule

    @staticmethod
    async def cases(api: Api) -> list[str]:
        rows = (await api.get("/fallout-cases", code="INVENTORY_DRIFT"))["items"]
        return sorted(row["operation"] for row in rows)
