"""A whole order is stopped: nothing of it is sent any more until somebody lets it go on."""

from collections.abc import Mapping

from fallsafe.core.events import Json
from fallsafe.core.orders.order import PERSON, SUCCESSOR
from fallsafe.core.values import replace
from fallsafe.store.work import Aggregate, Why


def stop(aggregate: Aggregate, by: str, because: str, why: Why, **more: Json) -> None:
    """Stops an order, for what `because` says. What it stands still for already stays, but for what a person may let go
    alone, or what ends with a request that is declined: letting that go must not let go this too.
    """
    mark = aggregate.order.frozen
    if mark is None or (isinstance(mark, Mapping) and mark.get("by") in (PERSON, SUCCESSOR)):
        frozen: Json = {"by": by, "why": because, "until": None, **more}
        aggregate.put(replace(aggregate.order, frozen=frozen), "freeze", why)
