"""Which actions somebody may begin for a case now, and every reason why not: what doors show before anything is asked.
The flow asks again, and by the same rules.
"""

from collections.abc import Iterator, Sequence

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CONTRADICTIONS, OPEN_CASE_STATES, Case
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.lifecycle import may
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.task import FINAL_TASK_STATES, TASK_LIFECYCLE, Task
from fallsafe.core.orders.watched import VERBS, is_watched
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.further import is_contradiction_seen
from fallsafe.core.repair.plans import PLANS
from fallsafe.core.repair.preview import ONLY_EXECUTED_HERE

ONLY_UNKNOWN = frozenset({"RECONCILE_NOW", "DECLARE_OUTCOME", "ADOPT_EXTERNAL_RESULT"})
"""Actions that are about an unknown outcome."""
ONLY_PROVED = frozenset({"SUPERSEDE_REJECTED", "correct"})
"""Actions that are about what is proved not to be there."""


def why_locked(
    action: RepairAction,
    case: Case,
    command: Command | None,
    actor: Actor,
    stands: str,
    frozen: bool,
    *,
    item: Item | None = None,
    task: Task | None = None,
    tasks: Sequence[Task] = (),
    others: Sequence[Case] = (),
) -> Iterator[str]:
    """Every reason. `stands` says why the case's failure stands still, empty where it does not; `frozen` whether its
    task or its order is; `item` and `task` are what failed, `tasks` all of the order, `others` its other open cases.
    """
    unknown = command is not None and command.state is CommandState.UNKNOWN
    if case.state not in OPEN_CASE_STATES:
        yield "The case is no longer open."
    if action.locked_while_unknown and unknown:
        yield "Locked while the outcome is unknown: find out first."
    if action.does in ONLY_EXECUTED_HERE and task is not None and is_watched(task):
        yield "Another engine executes it: have it told."
    if action.does in ONLY_UNKNOWN and not unknown:
        yield "There is nothing to find out: the outcome is known."
    if action.does in ONLY_PROVED and not unknown and not _proved(command):
        yield "Nothing of it was refused."
    if action.does == "MERGE" and not others:
        yield "Its order has no other open case."
    elif action.does == "MERGE" and not any((c.task_id, c.item_id) == (case.task_id, case.item_id) for c in others):
        yield "No other open case is about the same task."
    seen = action.does == "OVERRIDE_CLASSIFICATION" and is_contradiction_seen(case)
    if seen or (action.does == "MERGE" and case.code in CONTRADICTIONS):
        yield "It is a contradiction, which has to be looked at by itself."
    if action.does == "PLAN_AGAIN" and not (item is not None and item.hold_code):
        yield "None of it waits for a plan."
    if action.does in PLANS and not case.order_id:
        yield "It belongs to no order."
    if action.does == "SKIP_TASK":
        yield from _why_not_skipped(task)
    own = [t for t in tasks if item is not None and t.item_id == item.id]
    if action.does == "ADD_TASK" and all(t.state in FINAL_TASK_STATES for t in own):
        yield "Its item has nothing left to do."
    if action.does == "RENEW_RESERVATION" and not any(t.valid_until for t in tasks):
        yield "Nothing of it lapses."
    if action.does == "CANCEL_ITEM" and not own:
        yield "It is not about an item with tasks."
    if action.does == "SPLIT" and case.occurrences < 2:
        yield "Only one failure was seen."
    if action.does == "MARK_EXTERNAL_COMPLETED" and not (command is not None and command.state in SILENT):
        yield "Nobody is silent about it."
    if action.does == "THAW" and not frozen:
        yield "Nothing of it is frozen."
    not_theirs = action.why_not(actor, case.owner_group)
    if action.roles and not_theirs:
        yield f"{not_theirs[0].upper()}{not_theirs[1:]}."
    if action.code == "WITHDRAW" and stands:
        yield f"Its failure stands: {stands}."
    if not action.available:
        yield action.because or "Not available in this release."


def _why_not_skipped(task: Task | None) -> Iterator[str]:
    """What another engine executes is left out by that engine, optional or not."""
    if task is not None and is_watched(task):
        if task.state not in VERBS["skip"]:
            yield "It is over."
    elif task is None or task.mandatory:
        yield "What failed is not optional."
    elif not may(TASK_LIFECYCLE, task.state, "skip"):
        yield "It is under way, or over."


SILENT = (CommandState.ACCEPTED, CommandState.ABSENT)


def _proved(command: Command | None) -> bool:
    return command is not None and command.state in (CommandState.REJECTED, CommandState.ABSENT)
