"""The orders of the files, some at a time: each portion becomes the tables that all findings are asked of.

What is usual and what is normal is learned first, from a fixed choice of orders that is enough to tell; where the
files have no more than that, the choice is all there is. Every order is judged with all its events, so that it does not
matter in which portion it comes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fallsafe.analysis.scan.find import Scene
from fallsafe.analysis.scan.learn import Finish, finish_of, needed
from fallsafe.analysis.scan.reading import SLOTS
from fallsafe.analysis.scan.tasks import KIND_BIT, asked, asked_of_orders, work_of_orders
from fallsafe.analysis.scan.words import Word
from fallsafe.analysis.sql import statement

SAMPLE_EVENTS, SAMPLE_ORDERS = 200_000, 500
"""As many events, and no fewer orders, say as much of what is usual as ten million."""
EVENT_BYTES = 1_200
"""What an event takes while its portion is judged, with room to spare."""
CLOSER = {"reopened": str(int(Word.REOPENED)), "completed": str(int(Word.COMPLETED)), "kind_bit": KIND_BIT}


class Portions:
    """Goes through all orders once. `scene` is of the orders that were taken last, `orders` is their number."""

    def __init__(self, scene: Scene, finish: str) -> None:
        """Learns from some orders; `finish` is what a mapping says that ends an order."""
        self.scene, self.orders, self._form = scene, 0, ""
        scene.engine.connection.execute(statement("scan/make_bought"))
        self._learned_from = -(
            -SLOTS // max(1, min(scene.events // SAMPLE_EVENTS, scene.about_orders // SAMPLE_ORDERS))
        )
        self._happened("TABLE", f"slot < {self._learned_from}")
        scene.engine.connection.execute(statement("scan/make_sample"))
        self.scene = replace(scene, finish=finish_of(scene.engine, scene.meanings, finish))
        self._tasks()
        needs = needed(scene.engine, scene.meanings, self.scene.finish)
        scene.engine.connection.execute(
            statement("scan/make_need"), {"kind": list(needs), "needs": list(needs.values())}
        )
        self._orders()
        self.scene.learn_normal()

    def __iter__(self) -> Iterator[float]:
        """Takes one portion after the other, and gives the share of them that is at hand."""
        rows = self.scene.engine.memory_bytes // EVENT_BYTES
        has_all = self._learned_from == SLOTS
        many = 1 if has_all else min(SLOTS, -(-self.scene.events // rows))
        for n in range(many):
            if not has_all:
                self._take("VIEW", f"slot BETWEEN {n * SLOTS // many} AND {(n + 1) * SLOTS // many - 1}")
            if {"customer", "product"} <= self.scene.has:
                self.scene.engine.connection.execute(statement("scan/add_bought"))
            yield (n + 1) / many

    def take(self, orders: Sequence[str]) -> None:
        """Takes these orders, whatever was at hand before."""
        self._take("TABLE", "order_id IN (SELECT unnest($orders::VARCHAR[]))", {"orders": list(orders)})

    def _take(self, form: str, which: str, said: Mapping[str, object] | None = None) -> None:
        for table in ("task", "ord"):
            self.scene.engine.drop(table)
        self._happened(form, which, said)
        if form == "VIEW" and self.scene.finish.meanings and "dated" not in self.scene.has:
            self._orders()
            self.scene.engine.connection.execute(statement("scan/make_closer", **CLOSER))
            self._tasks("order_id IN (SELECT order_id FROM closer)")
            self.scene.engine.drop("closer")
        else:
            self._tasks()
            self._orders()

    def _happened(self, form: str, which: str, said: Mapping[str, object] | None = None) -> None:
        """A view of many events, which are quicker to find again than to write down; a table of a few."""
        if self._form:
            self.scene.engine.connection.execute(f"DROP {self._form} happened")
        self._form = form
        with self.scene.engine.in_any_order():
            self.scene.engine.connection.execute(statement("scan/take", form=form, which=which), said)

    def _tasks(self, which: str = "TRUE") -> None:
        scene = self.scene
        columns, aggregates = asked(scene.meanings, scene.has)
        with scene.engine.in_any_order():
            scene.engine.connection.execute(
                statement("scan/make_task", columns=columns, aggregates=aggregates, which=which)
            )

    def _orders(self) -> None:
        scene = self.scene
        gaps = {
            "finished": _finished(scene.finish),
            "columns": asked_of_orders(scene.meanings, scene.finish.meanings, scene.has),
            "with_work": "" if scene.finish.meanings else work_of_orders(),
        }
        with scene.engine.in_any_order():
            scene.engine.connection.execute(statement("scan/make_ord", **gaps))
        self.orders = scene.engine.count("ord")


def _finished(finish: Finish) -> str:
    """When an order was finished: with a word of its own unless it was reopened since, or with all its work."""
    if finish.meanings:
        return "CASE WHEN reopened_at IS NULL OR finish_last_at > reopened_at THEN finish_at END"
    return "CASE WHEN open_tasks = 0 AND done_kinds <> 0 AND (needs & ~done_kinds) = 0 THEN done_last_at END"
