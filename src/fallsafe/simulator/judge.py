"""The judge of one world: has every promise checked after every commit on the orders it touched, on everything now and
then and at the end, and watches each request that leaves.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.lapse import RENEWAL
from fallsafe.simulator.ground import Ground
from fallsafe.simulator.menders import Menders
from fallsafe.simulator.observers import Observers
from fallsafe.simulator.outside import Outside, Request
from fallsafe.simulator.people import People
from fallsafe.simulator.promises import CHECKERS, Broken, OutsideSeen, Seen, check
from fallsafe.simulator.promises.seen import (
    Kept,
    OrderSeen,
    decode,
    read_downstreams,
    read_orders,
    read_parked,
    read_seen,
)
from fallsafe.simulator.turnstile import WorldBroken
from fallsafe.simulator.upstream import Upstream
from fallsafe.store import audit
from fallsafe.store.sql import sql
from fallsafe.store.vault import OrderKey, Vault

WHOLE_EVERY = 500
MASTER = bytes(32)
FINAL = ("rejected", "cancelled", "completed", "failed", "partial")
MOVES = ("send", "lease", "overdue", "apply")
UNDECIDED = "LOOKUP_UNDECIDED"


class Judged(Protocol):
    """What the judge needs of its world."""

    ground: Ground
    outside: Outside
    observers: Observers
    menders: Menders
    upstream: Upstream
    people: People
    policy: PolicySet
    sets: Mapping[str, PolicySet]
    secrets: dict[str, str]
    commits: int

    def now(self) -> Any:
        """The world's clock."""
        ...


class Judge:
    """Remembers what was committed, and what left."""

    def __init__(self, world: Judged) -> None:
        self._world = world
        self._records: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        self._names: dict[int, str] = {}
        self._keys: dict[int, OrderKey] = {}
        self._opened: dict[int, bytes] = {}
        self._bytes: dict[str, set[tuple[str, bytes]]] = defaultdict(set)
        self._left: Counter[str] = Counter()
        self._stopped_at: datetime | None = None
        self.guilty = ""
        self.rewound = False

    # -- after each commit --------------------------------------------------------------------------------------

    def after_commit(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Checks the orders that a commit touched. Raises `WorldBroken`."""
        touched = sorted({r["orderId"] for r in records if r["orderId"]})
        for record in records:
            self._records[record["orderId"]].append(record)
            if record["thing"] == "installation" and record["verb"] == "stop":
                self._stopped_at = self._world.now()
        orders = read_orders(self._world.ground.judge, touched, records=False)
        for number, order in orders.items():
            order.records = self._records[number]
            self._names[number] = order.order.external_id
        self._say(check(self._seen(orders, records)))
        if self._world.commits % WHOLE_EVERY == 0:
            self.check_all()

    def _seen(self, orders: Mapping[int, OrderSeen], fresh: Sequence[Mapping[str, Any]]) -> Seen:
        return Seen(
            now=self._world.now(),
            orders=orders,
            policies=self._world.sets,
            fresh=fresh,
            downstreams=read_downstreams(self._world.ground.judge),
            parked=read_parked(self._world.ground.judge) if any(r["thing"] == "downstream" for r in fresh) else {},
            outside=self._outside(),
            open_evidence=self._open_once,
            open_kept=self._open_kept,
            rewound=self.rewound,
        )

    def _outside(self) -> OutsideSeen:
        outside = self._world.outside
        return OutsideSeen(
            outside.effects,
            outside.effects_by_key,
            self._bytes,
            self._left,
            outside.ledger.said,
            outside.ledger.called,
            tuple(self._world.secrets.values()),
            self._world.observers.bodies,
        )

    def _open_once(self, order_id: int, ids: Sequence[int]) -> list[bytes]:
        """Bytes that were opened before are not opened again: they are judged anew when everything is."""
        for number in ids:
            if number not in self._opened:
                for body in self._open(order_id, [number]):
                    self._opened[number] = body
        return [self._opened[number] for number in ids if number in self._opened]

    def _open(self, order_id: int, ids: Sequence[int]) -> list[bytes]:
        rows = self._world.ground.judge.execute(sql("promises/evidence"), {"ids": list(ids)}).fetchall()
        return [self._key(row["order_id"]).open(bytes(row["sealed"])) for row in rows]

    def _open_kept(self, ids: Sequence[int]) -> list[Kept]:
        rows = self._world.ground.judge.execute(sql("promises/kept"), {"ids": list(ids)}).fetchall() if ids else []
        return [Kept(r["id"], r["kind"], r["head"], self._key(r["order_id"]).open(bytes(r["sealed"]))) for r in rows]

    def _key(self, order_id: int) -> OrderKey:
        known = self._keys.get(order_id)
        if known is None:
            rows = self._world.ground.judge.execute(sql("order_keys/of_orders"), {"ids": [order_id]}).fetchall()
            known = Vault(MASTER).unwrapped(order_id, bytes(rows[0]["wrapped"]))
            self._keys[order_id] = known
        return known

    def _say(self, found: Sequence[Broken]) -> None:
        if found:
            self.guilty = self._names.get(found[0].order_id, "")
            raise WorldBroken("\n\n".join(str(each) for each in found[:20]))

    # -- each request -------------------------------------------------------------------------------------------

    def departs(self, request: Request) -> None:
        """A request with an effect leaves: its attempt is committed, and it is the only one of that attempt."""
        if request.method != "POST":
            return
        self._bytes[request.key].add((request.path, request.body))
        self._left[request.key] += 1
        rows = self._world.ground.judge.execute(sql("promises/command_of_key"), {"key": request.key}).fetchall()
        what = ""
        if not rows:
            what = "left, and no command has its key"
        elif rows[0]["state"] != "sending" and not self.rewound:
            what = f"left while its command is {rows[0]['state']}"
        elif self._left[request.key] > rows[0]["attempts"] and not self.rewound:
            what = f"left {self._left[request.key]} times in {rows[0]['attempts']} attempts"
        elif not rows[0]["lost_because"] and self._is_done(request.key, rows[0]["operation"]):
            what = "left again, and it is done: nothing of it was ever lost, so nobody has looked"
        if not self._may_leave(rows[0]["last_sent_at"] if rows else None):
            what = "left while the product knows that its database went back in time"
        if what and not (self.rewound and not rows):
            self._say([Broken("P2", request.key, what, rows[0]["order_id"] if rows else 0)])

    def _may_leave(self, claimed_at: datetime | None) -> bool:
        """Whether an attempt was claimed before all sending was stopped: it may be on its way by then."""
        if self._world.ground.judge.execute(sql("installation/read")).fetchall()[0]["sending"]:
            return True
        return claimed_at is not None and self._stopped_at is not None and claimed_at < self._stopped_at

    def _is_done(self, key: str, operation: str) -> bool:
        """Whether it is done already. After a restore what the other side recognizes may be asked for once more."""
        recognized = self._world.policy.operations[operation].repeat in (Repeat.SAME_RESULT, Repeat.REJECTS_DUPLICATE)
        return bool(self._world.outside.effects_by_key.get(key)) and not (self.rewound and recognized)

    # -- everything ---------------------------------------------------------------------------------------------

    def check_all(self) -> None:
        """Checks everything that stands. Raises `WorldBroken`."""
        world = self._world
        seen = read_seen(world.ground.judge, now=world.now(), policies=world.sets)
        for number, order in seen.orders.items():
            self._names[number] = order.order.external_id
        whole = Seen(
            **{
                **{name: getattr(seen, name) for name in Seen.__dataclass_fields__},
                "outside": self._outside(),
                "open_evidence": self._open,
                "rewound": self.rewound,
            }
        )
        self._say(check(whole, [name for name in CHECKERS if name != "P12" or not self.rewound]))

    def at_the_end(self) -> None:
        """When everything has come to rest: all promises, the audit, and whether every order is where it may be."""
        self.check_all()
        report = audit.verify(self._world.ground.url)
        self._say([Broken("P5", finding.where, finding.what) for finding in report.findings])
        self._say([*self._unfinished(), *self._effects()])
        self._say([] if self.rewound else [*self._world.observers.broken(), *self._world.menders.broken()])
        self._say(list(self._world.upstream.broken()))
        if not self.rewound:
            keys = {row["case_key"] for row in self._world.ground.judge.execute(sql("promises/file_cases"))}
            self._say([*self._world.people.broken(), *self._world.outside.folders.broken(keys)])

    def _unfinished(self) -> list[Broken]:
        """Orders that are not final and say nothing for it."""
        found = []
        for row in self._world.ground.judge.execute(sql("promises/unfinished")):
            what = f"is {row['state']} in the end, without an open case"
            found.append(Broken("P1", f"order {row['external_id']}", what, row["id"]))
        return found

    def _effects(self) -> list[Broken]:
        """Whatever is completed was done once, a renewal as often as it was asked for; whatever was done is completed,
        or a case says why not.
        """
        found = []
        done = self._world.outside.effects
        effects = self._world.policy.operations
        rows = [r for r in self._world.ground.judge.execute(sql("promises/tasks")) if effects[r["operation"]].effect]
        renewed = Counter(_done_as(row) for row in rows if row["state"] == "completed" and RENEWAL in row["step"])
        for row in rows:
            name = _done_as(row)
            too_few = done.get(name, 0) < renewed[name]
            if row["state"] == "completed" and (too_few if renewed[name] else done.get(name) != 1):
                what = f"{row['step']} is completed, and was done {done.get(name, 0)} times"
                found.append(Broken("P2", name, what, row["order_id"]))
            if row["state"] != "completed" and done.get(name) and not row["cases"]:
                found.append(Broken("P3", name, f"was done, {row['step']} is {row['state']}, no case", row["order_id"]))
        return found

    def moving(self) -> str:
        """What still moves by itself; empty when everything has come to rest."""
        rows = self._world.ground.judge.execute(sql("promises/moving")).fetchall()
        return ", ".join(f"{row['kind']} {row['id']}" for row in rows[:5])

    def states(self) -> dict[str, int]:
        """How many orders are in each state."""
        rows = self._world.ground.judge.execute(sql("promises/states")).fetchall()
        return {row["state"]: row["count"] for row in rows}

    def name_of(self, order_id: int, record: Mapping[str, Any]) -> str:
        """The external id of the order of a record."""
        if order_id and order_id not in self._names:
            name = record["delta"].get("external_id") if record["thing"] == "order" else None
            self._names[order_id] = str(name or order_id)
        return self._names.get(order_id, "")

    def database_went_back(self) -> None:
        """The database was put back to an earlier moment: what was committed since is not there any more, nor are the
        bytes that left meanwhile.
        """
        self.rewound = True
        self._bytes.clear()
        self._records.clear()
        self._keys.clear()
        self._opened.clear()
        for row in self._world.ground.judge.execute(sql("promises/all_journal")):
            self._records[row["order_id"]].append(decode(row["payload"]))


def _done_as(row: Mapping[str, Any]) -> str:
    return f"{row['operation']} {row['source']}/{row['external_id']}/{row['item']}"
