"""Rule 14: a database that went back in time does not send. A real server's data folder is put back to an older state,
in every moment of an order; then everything settles, and each effect exists outside exactly once.
"""

import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import psycopg
import pytest
from tests.flows import orders as world
from tests.workers import test_loop as loop

from fallsafe import policyset
from fallsafe.connectors.port import Sendable
from fallsafe.core.access import Actor
from fallsafe.core.cases.work import Withdraw
from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Lost, Outcome, Reply
from fallsafe.core.orders.order import OrderState
from fallsafe.flows import casework, installation, loose, rewound
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.turn import begin
from fallsafe.store import anchors
from fallsafe.store.audit import verify
from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate
from fallsafe.store.tx import PASSING, Database, Rewound, Tx
from fallsafe.store.vault import Vault
from fallsafe.workers.keeper import Keeper
from fallsafe.workers.loop import Setup, Worker

ADMIN = Actor("person", "Ayu", frozenset({"admin"}))
SUPPORT = Actor("person", "Budi", frozenset({"support"}))
ROUNDS_MAX = 2_000
# After so many rounds of work the copy is made that the database is later put back to.
MOMENTS = (0, 1, 2, 3, 5)


class Outside(loop.Outside):
    """Systems that keep to their contracts: a key that is repeated has an effect of its own only where the contract
    does not recognize it.
    """

    def __init__(self) -> None:
        super().__init__("done")
        self.asked = Counter[str]()

    def _do(self, sendable: Sendable) -> Outcome:
        self.asked[sendable.key] += 1
        if self.effects[sendable.key] and sendable.operation.repeat is Repeat.REJECTS_DUPLICATE:
            return Lost("duplicate")
        if not (self.effects[sendable.key] and sendable.operation.repeat is Repeat.SAME_RESULT):
            self.effects[sendable.key] += 1
        if sendable.operation.completion == "callback":
            self.owed.append(sendable.key)
            return Accepted("SRV-1")
        return Done(f"R-{sendable.key}")

    @property
    def requests(self) -> int:
        """Everything that ever reached them, questions too."""
        return self.asked.total() + self.looks

    looks = 0

    async def send(self, sendable: Sendable) -> Reply:
        """Counts questions too."""
        self.looks += sendable.purpose is Purpose.QUERY
        return await super().send(sendable)


class Machine:
    """A server whose data can be put back, and one worker process with its keeper."""

    def __init__(self, home: Path) -> None:
        self.home, self.server = home, Embedded(home)
        self.outside, self.context = Outside(), quick_context()
        self.file = home / "log" / "anchors.jsonl"
        self.stores: list[Database] = []

    async def begin(self) -> None:
        """A new process: it knows what the file of anchors says."""
        last = anchors.newest(self.file)
        self.store = Database(
            self.server.url(),
            "worker-1",
            Vault(bytes(32)),
            heads=last.heads if last else None,
            rewinds=last.rewinds if last else 0,
        )
        await self.store.open()
        self.stores.append(self.store)
        await world.open_gates(self.store, self.context)
        self.worker = Worker(self.store, lambda: self.context, self.outside, time.monotonic, Setup())
        self.keeper = Keeper(
            self.store, lambda: self.context, time.monotonic, kind="worker", pid=1, anchors_file=self.file
        )

    async def round(self) -> bool:
        """One round of worker and keeper; callbacks that are owed arrive."""
        await self.keeper.step()
        worked = False
        with contextlib.suppress(*PASSING, Rewound):
            worked = await self.worker.step()
            await self.worker.finish_calls()
            await loop.call_back(self.store, self.context, self.outside)
        return worked

    async def finish(self, *order_ids: int) -> list[OrderState]:
        """Rounds until the orders are final, or for as long as anything could take."""
        states = [OrderState.ACKNOWLEDGED for _ in order_ids]
        for _ in range(ROUNDS_MAX):
            if not await self.round():
                await asyncio.sleep(0.02)
            states = [(await world.seen(self.store, i)).order.state for i in order_ids]
            if all(state is OrderState.COMPLETED for state in states):
                break
        return states

    def copy(self) -> None:
        """Copies the data of the server as it is now, stopped."""
        self.server.stop()
        subprocess.run(["cp", "-a", str(self.server.data), f"{self.server.data}.copy"], check=True)
        self.server.start()

    def put_back(self) -> None:
        """The server comes up again with the data of the copy."""
        self.server.stop()
        subprocess.run(["rm", "-rf", str(self.server.data)], check=True)
        subprocess.run(["cp", "-a", f"{self.server.data}.copy", str(self.server.data)], check=True)
        self.server.start()

    def clear(self) -> None:
        """Takes the data away."""
        subprocess.run(["rm", "-rf", str(self.server.data), f"{self.server.data}.copy"], check=True)

    async def state(self) -> dict[str, object]:
        """The one row of the installation."""
        return (await self.store.fetch("installation/read"))[0]

    async def end_rewind(self, actor: Actor = ADMIN) -> Answer:
        """What the door does."""
        return await self.store.transact(lambda tx: installation.end_rewind(tx, self.context, actor, "it is known"))

    async def cases(self) -> list[dict[str, object]]:
        """The cases of rewinds."""
        with psycopg.connect(self.server.url(), row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute("SELECT * FROM cases WHERE code = 'DATABASE_REWOUND' ORDER BY id").fetchall()


def quick_context() -> Context:
    """The shipped set, fast, with calls that are over after a second."""
    files = policyset.read_folder(policyset.shipped("telco"))
    files["operations.yaml"] = files["operations.yaml"].replace(b"call_timeout: PT10S", b"call_timeout: PT1S")
    policy = policyset.load_files(files, loop.TIME_SCALE)
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    lease = timedelta(seconds=0.2)
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1", lease)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, with a short path."""
    with tempfile.TemporaryDirectory(prefix="fallsafe-t-") as folder:
        yield Path(folder)


@pytest.fixture
async def machine(home: Path) -> AsyncIterator[Machine]:
    """A migrated server with one process."""
    made = Machine(home)
    made.server.start()
    try:
        migrate(made.server.url("fallsafe_owner"))
        await made.begin()
        yield made
        for store in made.stores:
            await store.close()
    finally:
        made.server.stop()
        made.clear()


async def hand_in(machine: Machine, name: str) -> int:
    """The drill's order under a name."""
    (answer,) = await world.submit(machine.store, machine.context, world.drill(name))
    assert isinstance(answer, Applied)
    return answer.id


class WhenTheDatabaseWentBackInTime:
    @pytest.mark.parametrize("moment", MOMENTS)
    async def test_nothing_is_sent_until_a_person_says_so_and_each_effect_is_there_once_in_the_end(
        self, machine: Machine, moment: int
    ) -> None:
        first = await hand_in(machine, "777")
        for _ in range(moment):
            await machine.round()
        machine.copy()
        assert await machine.finish(first, await hand_in(machine, "778")) == [OrderState.COMPLETED] * 2
        machine.put_back()

        before = machine.outside.requests
        for _ in range(20):
            await machine.round()
        assert machine.outside.requests == before
        assert not (await machine.state())["sending"]
        assert [c["state"] for c in await machine.cases()] == ["assigned"]

        assert isinstance(await machine.end_rewind(), Applied)
        again = await hand_in(machine, "778")
        assert await machine.finish(first, again) == [OrderState.COMPLETED] * 2
        assert len(machine.outside.effects) == 12
        assert set(machine.outside.effects.values()) == {1}
        assert [c["state"] for c in await machine.cases()] == ["resolved"]
        assert verify(machine.server.url()).findings == ()


class WhileWhatStoodOpenIsLookedAtAnew:
    async def test_its_case_stays_and_a_look_forgets_what_was_known_before(
        self, store: Database, context: Context
    ) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        claims = {claimed.operation.name: claimed for claimed in await world.claim(store, context)}
        lost = claims["WHS.reserve"]
        await world.answer(store, context, lost, Lost("timeout"))
        await store.transact(lambda tx: installation.stop(tx, context, "it went back", 0, world.ACTOR))
        await store.transact(lambda tx: installation.end_rewind(tx, context, ADMIN, "it is known"))

        async def case(tx: Tx) -> int:
            held = await loose.find(await begin(tx, context, world.ACTOR), installation.KEY)
            assert held is not None
            return held.id

        case_id = await store.transact(case)
        (told,) = await store.transact(
            lambda tx: casework.work(tx, context, [case_id], ADMIN, Withdraw(), "it is nothing")
        )
        assert isinstance(told, Refused)
        assert "looked at anew" in told.refusal.why

        task = (await world.seen(store, answer.id)).commands[lost.command_id].task_id
        await world.make_due(store, "lookup", task, answer.id)
        await world.look(store, context)
        lines = await store.fetch("reads/journal", id=answer.id, after=0, limit=1000)
        verbs = [line["verb"] for line in lines if line["thing_id"] == lost.command_id]
        assert "look" in verbs[verbs.index("doubt") :]


class WhenTheClockWentBackAsWell:
    async def test_the_lost_time_ends_no_sooner_than_it_begins(self) -> None:
        """Else what was accepted before the stop would look as if it had been sent since, and nobody would ask."""
        known, stopped = datetime(2026, 3, 2, 8, 0, tzinfo=UTC), datetime(2026, 3, 2, 7, 57, tzinfo=UTC)

        class Journal:
            async def fetch(self, name: str) -> list[dict[str, str]]:
                assert name == "installation/last_stop"
                return [{"payload": f'{{"facts": {{"backTo": "{known.isoformat()}"}}}}'}]

        lost = await rewound.lost_time(cast(Tx, Journal()), rewound.Sending(True, "", stopped, 1))
        assert lost == rewound.LostTime(known, known)
