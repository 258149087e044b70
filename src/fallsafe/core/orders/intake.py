"""What an order must be beside its shape: ids that are unique, parents and dependencies that exist and lead nowhere
in a circle.

The door has checked types and sizes by then. A promised date that has passed is no error: it makes the order late, and
late orders are what this product is for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fallsafe.core.calendar import zone_of
from fallsafe.core.errors import Refusal
from fallsafe.core.orders.draft import ItemDraft, OrderDraft

ITEMS_MAX = 2_000
NESTING_MAX = 32
"""How deep items may stand in each other; what a parent means for its work is looked for through all of them."""
QUANTITY_MAX = 1_000_000
AMOUNTS_MAX = 9_000_000_000_000_000
"""In minor units, for the amounts of all items together; beyond it sums no longer fit into what they are kept in."""
ACTIONS = ("add", "modify", "delete", "noChange")


def check_order(draft: OrderDraft) -> tuple[Refusal, ...]:
    """Everything that is wrong with an order as a whole, each with the pointer of the field; empty = it can be stored.

    Nothing of an order is stored while one of these stands.
    """
    what = f"cannot take order {draft.external_id!r} of {draft.source!r}"
    return (*_of_order(what, draft), *_of_items(what, draft.items), *_of_graph(what, draft.items))


def _of_order(what: str, draft: OrderDraft) -> Iterator[Refusal]:
    if "/" in draft.source:
        why = f"the source {draft.source!r} holds a slash, which parts the ids in the keys that go to other systems"
        yield Refusal("SOURCE_WITH_SLASH", what, why, "name the source without a slash", "/source")
    if zone_of(draft.time_zone) is None:
        why = f"there is no time zone {draft.time_zone!r}"
        yield Refusal(
            "TIME_ZONE_UNKNOWN", what, why, "use an IANA name such as Asia/Jakarta or Europe/Berlin", "/timeZone"
        )
    for n, link in enumerate(draft.links):
        if (link.source, link.external_id) == (draft.source, draft.external_id):
            why = f"it is linked to itself ({link.kind})"
            yield Refusal("LINK_TO_ITSELF", what, why, "link it to another order", f"/links/{n}/externalId")


def _of_items(what: str, items: Sequence[ItemDraft]) -> Iterator[Refusal]:
    if not items:
        yield Refusal("NO_ITEMS", what, "it has no items", "an order has at least one item", "/items")
    if len(items) > ITEMS_MAX:
        why = f"it has {len(items)} items, and {ITEMS_MAX} is the most"
        yield Refusal("TOO_MANY_ITEMS", what, why, "split it by place into linked orders", "/items")
    if sum(abs(i.one_off_minor) + abs(i.monthly_minor) for i in items) > AMOUNTS_MAX:
        why = f"the amounts of its items add up to more than {AMOUNTS_MAX:,} minor units"
        yield Refusal("AMOUNTS_TOO_LARGE", what, why, "check the unit of the amounts", "/items")
    first: dict[str, int] = {}
    for n, item in enumerate(items):
        if item.external_id in first:
            why = f"two items have the id {item.external_id!r} (the other is /items/{first[item.external_id]})"
            yield Refusal("ITEM_ID_TWICE", what, why, "give each item an id of its own", f"/items/{n}/externalId")
        first.setdefault(item.external_id, n)
        yield from _of_item(what, n, item)


def _of_item(what: str, n: int, item: ItemDraft) -> Iterator[Refusal]:
    if "/" in item.external_id or not item.external_id:
        why = f"the item id {item.external_id!r} is empty or holds a slash, which parts the ids in the keys of commands"
        yield Refusal("ITEM_ID_WRONG", what, why, "give it an id without a slash", f"/items/{n}/externalId")
    if item.action not in ACTIONS:
        why = f"there is no action {item.action!r}"
        yield Refusal("ACTION_UNKNOWN", what, why, f"use one of {', '.join(ACTIONS)}", f"/items/{n}/action")
    if not 1 <= item.quantity <= QUANTITY_MAX:
        why = f"the quantity is {item.quantity}"
        yield Refusal("QUANTITY_WRONG", what, why, f"a quantity is from 1 to {QUANTITY_MAX}", f"/items/{n}/quantity")


def _of_graph(what: str, items: Sequence[ItemDraft]) -> Iterator[Refusal]:
    at = {item.external_id: n for n, item in enumerate(items)}
    known = f"items of this order are {', '.join(sorted(at)[:12])}"
    for n, item in enumerate(items):
        if item.parent and item.parent not in at:
            why = f"item {item.external_id!r} has the parent {item.parent!r}, which is no item of this order"
            yield Refusal("PARENT_UNKNOWN", what, why, known, f"/items/{n}/parent")
        for m, other in enumerate(item.depends_on):
            if other not in at:
                why = f"item {item.external_id!r} depends on {other!r}, which is no item of this order"
                yield Refusal("DEPENDENCY_UNKNOWN", what, why, known, f"/items/{n}/dependsOn/{m}")
    parents = {item.external_id: (item.parent,) for item in items if item.parent}
    yield from _circles(what, "PARENT_CYCLE", "parents", parents, {i: f"/items/{n}/parent" for i, n in at.items()})
    yield from _nesting(what, items, {child: parent for child, (parent,) in parents.items()})
    waits = {item.external_id: item.depends_on for item in items if item.depends_on}
    yield from _circles(
        what, "DEPENDENCY_CYCLE", "dependencies", waits, {i: f"/items/{n}/dependsOn" for i, n in at.items()}
    )


def _nesting(what: str, items: Sequence[ItemDraft], parents: Mapping[str, str]) -> Iterator[Refusal]:
    """One refusal for the first item that stands too deep; a circle is too deep as well, and is named as one."""
    for n, item in enumerate(items):
        depth, above = 0, parents.get(item.external_id)
        while above is not None and depth <= NESTING_MAX:
            depth, above = depth + 1, parents.get(above)
        if depth > NESTING_MAX and not find_circle({child: (parent,) for child, parent in parents.items()}):
            why = f"item {item.external_id!r} stands more than {NESTING_MAX} deep"
            yield Refusal("NESTED_TOO_DEEP", what, why, "nest its items less deep", f"/items/{n}/parent")
            return


def _circles(
    what: str, code: str, kind: str, edges: Mapping[str, Iterable[str]], pointers: Mapping[str, str]
) -> Iterator[Refusal]:
    """One refusal for the first circle that is found; the others show once it is broken."""
    circle = find_circle(edges)
    if circle:
        why = f"its {kind} go in a circle: {' → '.join((*circle, circle[0]))}"
        yield Refusal(code, what, why, "take one of them out of the circle", pointers[circle[0]])


def find_circle(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """A circle in a graph, as the names on it, or () where there is none. `edges` maps each name to those it points
    to.
    """
    done: set[str] = set()
    for start in edges:
        path: dict[str, Iterator[str]] = {start: iter(edges[start])} if start not in done else {}
        while path:
            here = next(reversed(path))
            step = next(path[here], None)
            if step is None:
                path.pop(here)
                done.add(here)
            elif step in path:
                names = list(path)
                return tuple(names[names.index(step) :])
            elif step not in done:
                path[step] = iter(edges.get(step, ()))
    return ()
