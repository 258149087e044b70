"""A whole order is stopped: nothing of it is sent any more until somebody lets it go on."""

from collections.abc import Mapping

from fallsafe.core.events import Json
from fallsafe.core.orders.order import PERSON, SUCCESSOR
from fallsafe.core.values import replace
from fallsafe.store.work import Aggregate, Why


def stop(aggregate: Aggregate, by: str, because: str, why: Why, **more: Json) -> None:
    """Stops an order, for what `because` says. What it stands still for already stays, but for what a person may let go
    alone, or what ends with a request that is declined: letting that go must not let go this too. Two reasons of one
    kind stand beside each other.
    """
    mark = aggregate.order.frozen if isinstance(aggregate.order.frozen, Mapping) else {}
    frozen: Json = {"by": by, "why": because, "until": None, **more}
    if by == mark.get("by") and because not in str(mark["why"]):
        frozen = {**mark, "why": f"{mark['why']}, {because}"}
    elif mark and mark.get("by") not in (PERSON, SUCCESSOR):
        return
    aggregate.put(replace(aggregate.order, frozen=frozen), "freeze", why)
