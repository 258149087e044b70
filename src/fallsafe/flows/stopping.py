"""A whole order is stopped: nothing of it is sent any more until somebody lets it go on."""

from fallsafe.core.events import Json
from fallsafe.core.orders.frozen import with_mark
from fallsafe.core.values import replace
from fallsafe.store.work import Aggregate, Why


def stop(aggregate: Aggregate, by: str, because: str, why: Why, **more: Json) -> None:
    """Stops an order, for what `because` says; what it stands still for already stays beside that."""
    frozen = with_mark(aggregate.order.frozen, {"by": by, "why": because, "until": None, **more})
    if frozen != aggregate.order.frozen:
        aggregate.put(replace(aggregate.order, frozen=frozen), "freeze", why)
