"""§26 and §11 through the flows on real PostgreSQL: one lost answer, and the truth before anything is sent again."""

from tests.flows import orders as world

from fallsafe.core.access import Actor
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Rejected, Says
from fallsafe.core.orders.item import ItemState
from fallsafe.core.orders.order import OrderState
from fallsafe.core.orders.task import TaskState
from fallsafe.flows import commands, recover
from fallsafe.flows.commands import Claimed
from fallsafe.flows.context import Applied, Context, Refused
from fallsafe.store.tx import Database
from fallsafe.store.work import Aggregate

OPERATOR = Actor("person", "you", frozenset({"operator"}))


async def accept(store: Database, context: Context) -> int:
    """The drill's order, taken in."""
    applied = (await world.submit(store, context, world.drill()))[0]
    assert isinstance(applied, Applied)
    return applied.id


async def until_activation(store: Database, context: Context) -> tuple[int, Claimed]:
    """Everything before the activation succeeds; the activation is claimed and not answered yet."""
    order_id = await accept(store, context)
    for _ in range(4):
        for claimed in await world.claim(store, context):
            if claimed.operation.name == "PRV.activateService":
                return order_id, claimed
            await world.answer(store, context, claimed, Done(reference=f"R-{claimed.command_id}"))
    raise AssertionError("the activation never became due")


async def lost(store: Database, context: Context) -> tuple[int, Claimed]:
    """The activation's answer was lost."""
    order_id, claimed = await until_activation(store, context)
    await world.answer(store, context, claimed, Lost("timeout"))
    return order_id, claimed


def current(order: Aggregate) -> CommandState:
    """What is known of the activation."""
    command = order.current(world.task(order, "activateFiberService").id)
    assert command is not None
    return command.state


async def gaps(store: Database) -> list[dict[str, object]]:
    """What the independent query of coverage finds."""
    return await store.fetch("reads/coverage_gaps")


class WhenAnOrderIsTakenIn:
    """§2–§4, §7."""

    async def test_it_runs_with_its_first_tasks_due(self, store: Database, context: Context) -> None:
        order = await world.seen(store, await accept(store, context))
        assert order.order.state is OrderState.IN_PROGRESS
        ready = {t.step for t in order.tasks.values() if t.state is TaskState.READY}
        assert ready == {"createBillingAccount", "reserveRouter"}
        assert await gaps(store) == []

    async def test_a_repeat_changes_nothing(self, store: Database, context: Context) -> None:
        order_id = await accept(store, context)
        before = (await world.seen(store, order_id)).order.version
        assert await world.submit(store, context, world.drill()) == [Applied("order", order_id, already=True)]
        assert (await world.seen(store, order_id)).order.version == before

    async def test_no_personal_value_stands_in_the_rows_or_the_journal(self, store: Database, context: Context) -> None:
        order_id = await accept(store, context)
        lines = await store.fetch("reads/journal", id=order_id, after=0, limit=1000)
        order = await world.seen(store, order_id)
        said = repr([line["payload"] for line in lines]) + repr(order.order) + repr(list(order.items.values()))
        assert "Sari" not in said
        assert "Melati" not in said


class WhenActivationTimesOut:
    """§11, §26."""

    async def test_the_failure_and_its_case_are_visible_together(self, store: Database, context: Context) -> None:
        order_id, _ = await lost(store, context)
        order = await world.seen(store, order_id)
        assert current(order) is CommandState.UNKNOWN
        assert world.task(order, "activateFiberService").state is TaskState.UNKNOWN
        (case,) = order.open_cases
        assert (case.code, case.blocked_tasks) == ("UNKNOWN_OUTCOME", 2)
        assert case.owner_group == "NETWORK_OPERATIONS"
        assert await gaps(store) == []

    async def test_nobody_can_send_it_again(self, store: Database, context: Context) -> None:
        order_id, claimed = await lost(store, context)
        asked = [claimed.command_id]
        for reason in ("please", "now"):
            (refused,) = await store.transact(
                lambda tx, because=reason: commands.resend(tx, context, asked, OPERATOR, because)
            )
            assert isinstance(refused, Refused)
            assert refused.refusal.code == "OUTCOME_UNKNOWN"
        assert await world.claim(store, context) == []
        assert current(await world.seen(store, order_id)) is CommandState.UNKNOWN

    async def test_found_done_heals_the_case_and_goes_on(self, store: Database, context: Context) -> None:
        order_id, _ = await lost(store, context)
        for question in await world.look(store, context):
            await world.answer(store, context, question, Looked(Says.DONE, "SRV-CRM/777/fiber"))
        order = await world.seen(store, order_id)
        assert current(order) is CommandState.DONE
        assert order.open_cases == []
        healed = next(iter(order.cases.values()))
        assert isinstance(healed.resolution, dict)
        assert (healed.resolution["type"], healed.resolution["verified"]) == ("ReconciledDone", True)
        assert world.task(order, "activateStaticIp").state is TaskState.READY

    async def test_not_found_at_once_is_no_proof(self, store: Database, context: Context) -> None:
        order_id, _ = await lost(store, context)
        for question in await world.look(store, context):
            await world.answer(store, context, question, Looked(Says.ABSENT))
        assert current(await world.seen(store, order_id)) is CommandState.UNKNOWN
        assert await world.claim(store, context) == []
        assert await gaps(store) == []

    async def test_a_lost_question_is_asked_again_and_never_sends(self, store: Database, context: Context) -> None:
        order_id, claimed = await lost(store, context)
        for question in await world.look(store, context):
            await world.answer(store, context, question, Lost("timeout"))
        assert current(await world.seen(store, order_id)) is CommandState.UNKNOWN
        (applied,) = await store.transact(
            lambda tx: recover.reconcile_now(tx, context, [claimed.command_id], OPERATOR, "the customer calls")
        )
        assert isinstance(applied, Applied)
        assert {q.purpose.value for q in await world.look(store, context)} == {"query"}

    async def test_a_late_success_is_applied_while_unknown(self, store: Database, context: Context) -> None:
        order_id, claimed = await lost(store, context)
        await world.answer(store, context, claimed, Done("SRV-1"))
        assert current(await world.seen(store, order_id)) is CommandState.DONE


class WhenTheOtherSystemAnswers:
    """§10, §12."""

    async def test_a_refusal_opens_its_case_and_blocks_only_what_waits_for_it(
        self, store: Database, context: Context
    ) -> None:
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, Rejected("ADDRESS_NOT_SERVICEABLE", "no drop within 80 m"))
        order = await world.seen(store, order_id)
        (case,) = order.open_cases
        assert (case.code, case.raw_code) == ("ADDRESS_NOT_SERVICEABLE", "ADDRESS_NOT_SERVICEABLE")
        items = {i.external_id: i.state for i in order.items.values()}
        assert items["fiber"] is ItemState.HELD
        assert items["router"] is ItemState.COMPLETED
        assert order.order.state is not OrderState.FAILED

    async def test_what_was_proved_not_sent_waits_and_needs_no_case(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, NotSent("refused"))
        order = await world.seen(store, order_id)
        assert current(order) is CommandState.INTENDED
        assert order.open_cases == []
        assert await gaps(store) == []

    async def test_an_accepted_command_waits_for_its_callback(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, Accepted("SRV-1"))
        order = await world.seen(store, order_id)
        assert world.task(order, "activateFiberService").state is TaskState.WAITING_CALLBACK
        assert world.task(order, "activateFiberService").breach_at is not None
        assert await gaps(store) == []

    async def test_key_and_bytes_are_settled_before_anything_is_sent(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        first = claimed.request
        assert claimed.attempt == 1
        await world.answer(store, context, claimed, NotSent("refused"))
        order = await world.seen(store, order_id)
        command = order.current(world.task(order, "activateFiberService").id)
        assert command is not None
        assert command.payload_digest == order.key.digest(first.body)
        assert command.key == "CRM/777/fiber.activateFiberService/fulfill/1"
