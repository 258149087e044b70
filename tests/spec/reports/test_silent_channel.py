"""A system that was told too often that it failed took our subscription away: no callbacks came, nothing failed
here, and days later each order was late by itself. Retold at our doors, with a network that calls nobody back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tests.doors.conftest import Api, an_order
from tests.doors.test_api_callbacks import a_callback, send
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Accepted, Done, Looked, Says
from fallsafe.core.detect.brake import Brake
from fallsafe.core.detect.silence import Silence
from fallsafe.flows import callbacks, commands
from fallsafe.store.work import Why
from fallsafe.workers.monitors import Monitors

ORDERS = 12
# What is so seldom as the rhythm of a carrier takes no time here: whatever waits now waits too long.
AT_ONCE = Silence(waiting=5, heard=10, times=0.0, at_least=timedelta(microseconds=1), brake=Brake(3, 0.5, timedelta(1)))
SILENT = "CALLBACK_CHANNEL_SILENT"


def under(api: Api, silence: Silence, **changed: object) -> Api:
    newest = api.context.newest
    policy = replace(newest, limits=replace(newest.limits, silence=silence), **changed)
    return api.under(replace(api.context, policies={policy.id: policy}, newest=policy))


async def cases(api: Api, **asked: object) -> list[dict]:
    rows = (await api.get("/fallout-cases", **{"state": "any", **asked}))["items"]
    return [await api.get(f"/fallout-cases/{row['id']}") for row in rows]


async def looks(api: Api) -> int:
    return await Monitors(api.database, lambda: api.context).step()


async def calls_back(api: Api, name: str, event: str, status: str) -> None:
    body = a_callback(
        eventId=event,
        commandId=f"CRM/{name}/fiber.activateFiberService/fulfill/1",
        object=f"CRM/{name}/fiber",
        status=status,
        serviceRef=f"SRV-{name}",
    )
    assert (await send(api, body))[0] == 202
    due = await world.due(api.database, api.context, "apply")
    await api.database.transact(lambda tx: callbacks.apply(tx, api.context, due, world.ACTOR))


async def activations(api: Api, ids: Sequence[str]) -> list[str]:
    """The state of the activation of each order."""
    orders = await asyncio.gather(*(api.get(f"/orders/{i}") for i in ids))
    return [next(t["state"] for t in o["tasks"] if t["step"] == "activateFiberService") for o in orders]


async def falls_due(api: Api, order_id: int) -> None:
    """The breach of a step of the order comes."""

    async def later(tx) -> int:
        (order,) = await tx.lock([order_id])
        task = world.task(order, "activateFiberService")
        order.put(replace(task, breach_at=await tx.now()), "age", Why(world.ACTOR, "a test"))
        return task.id

    task_id = await api.database.transact(later)
    await world.make_due(api.database, "overdue", task_id, order_id)
    due = await world.due(api.database, api.context, "overdue")
    await api.database.transact(lambda tx: commands.find_overdue(tx, api.context, due, world.ACTOR))


class WhenACallbackChannelFallsSilent:
    async def test_it_is_one_case_and_what_waits_is_asked_about(self, api: Api) -> None:
        ids = [(await api.post("/orders", an_order(str(n)), "machine", 201))["id"] for n in range(ORDERS)]
        while claimed := await world.claim(api.database, api.context):
            for one in claimed:
                waits = one.operation.name == "PRV.activateService"
                await world.answer(api.database, api.context, one, Accepted("SRV-1") if waits else Done("REF-1"))
        for n in range(ORDERS):
            await calls_back(api, str(n), f"progress-{n}", "IN_PROGRESS")
        assert await looks(api) == 0  # by the shipped policy nothing is silent yet

        rules = api.context.newest.rules
        (where,) = [key for key in rules.exact if key[2] == SILENT]
        own = replace(rules, exact={where: rules.exact[where]}, scan=())
        others = {key: found for key, found in rules.exact.items() if key != where}
        shadowed = replace(rules, exact=others, shadows=own)
        for braked in (
            under(api, AT_ONCE, rules=shadowed),
            under(api, replace(AT_ONCE, brake=Brake(1, 0.1, timedelta(1)))),
        ):
            await looks(braked)
        assert [case["classification"]["code"] for case in await cases(api)] == ["DETECTOR_BRAKED"]

        api = under(api, AT_ONCE)
        assert await looks(api) == 1
        (case,) = await cases(api, code=SILENT)
        judged = case["classification"]
        assert (judged["domain"], judged["recoverability"]) == ("Provisioning", "transient")
        assert case["owner"]["group"] == "NETWORK_OPERATIONS"

        questions = await world.look(api.database, api.context)
        assert len(questions) == ORDERS  # each is asked about once, and nothing is sent again
        assert await world.claim(api.database, api.context) == []
        says = [Says.DONE] * 9 + [Says.PENDING] * 2 + [Says.ABSENT]
        for question, said in zip(sorted(questions, key=lambda q: q.order_id), says, strict=True):
            await world.answer(api.database, api.context, question, Looked(said, "SRV-1"))
        assert await activations(api, ids) == ["completed"] * 9 + ["waiting_callback"] * 3
        assert [c["classification"]["code"] for c in await cases(api)].count(SILENT) == 1
        assert len(await cases(api)) == 2

        # What nobody knows there is a case of its own when its own time has come, and no other is.
        await falls_due(api, max(q.order_id for q in questions))
        found = {c["classification"]["code"] for c in await cases(api)}
        assert (found, len(await cases(api))) == ({"DETECTOR_BRAKED", SILENT, "MISSING_CALLBACK"}, 3)
        assert (await activations(api, ids))[-1] == "unknown"

        # They call back again: what is known by now stays as it is, and the case ends by itself.
        await calls_back(api, "0", "done-0", "ACTIVE")
        assert await looks(api) == 0
        (case,) = await cases(api, code=SILENT)
        assert (case["states"]["case"], case["resolution"]["type"]) == ("resolved", "SelfHealed")
        journal = (await api.get("/journal", orderId=ids[0], limit=200))["items"]
        assert [line["now"] for line in journal if line["thing"] == "order" and line["was"] != line["now"]].count(
            "completed"
        ) <= 1
