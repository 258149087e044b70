"""The log as a projection of the journal: one line for each event that somebody on duty looks for (§21).

A line is written once its transaction is committed, hence never for something that did not happen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fallsafe.core.events import event_name
from fallsafe.store.ids import outside
from fallsafe.store.journal import Line
from fallsafe.telemetry.logs import logger

# What is told at which level; everything else that is recorded is for the journal.
TOLD = {
    ("order", "acknowledge"): "info",
    ("order", "complete"): "info",
    ("order", "refuse"): "warning",
    ("order", "freeze"): "warning",
    ("order", "mark_stuck"): "warning",
    ("command", "send"): "info",
    ("command", "complete"): "info",
    ("command", "accept"): "info",
    ("command", "reject"): "warning",
    ("command", "not_sent"): "warning",
    ("command", "lose"): "warning",
    ("command", "find_done"): "info",
    ("command", "find_rejected"): "info",
    ("command", "find_pending"): "info",
    ("command", "find_absent"): "info",
    ("command", "send_again"): "warning",
    ("case", "detect"): "warning",
    ("case", "heal"): "info",
    ("case", "resolve"): "info",
    ("case", "reopen"): "warning",
    ("installation", "stop"): "error",
    ("installation", "end_rewind"): "warning",
    ("anchor", "set"): "info",
}
# The field of §21 for what stands in a column, and what kind of thing it names.
IDS = {"item_id": ("orderItemId", "item"), "task_id": ("fulfillmentTaskId", "task")}
WORDS = {"system": "downstreamSystem", "raw_code": "rawErrorCode", "code": "normalizedFailureCode"}
OF_THING = {"command": "commandId", "case": "falloutCaseId", "task": "fulfillmentTaskId", "item": "orderItemId"}


def log_lines(lines: Sequence[Line]) -> None:
    """Logs what a transaction did; refusals too."""
    for line in lines:
        level = TOLD.get((line.thing, line.verb)) or ("info" if line.verb.startswith("refuse_") else "")
        if level:
            said = msgspec.json.decode(line.payload)
            getattr(logger(), level)(event_name(line.thing, line.verb), **_fields(line, said))


def _fields(line: Line, said: Mapping[str, Any]) -> dict[str, Any]:
    columns, facts = said["delta"], said["facts"]
    found: dict[str, Any] = {
        "orderId": outside("order", line.order_id) if line.order_id else None,
        "causationId": said["causation"],
        "actor": said["actor"],
        "state": said["now"],
        "rule": said["rule"],
        "record": [line.lane, line.seq],
        "attempt": facts.get("attempt"),
        "refusedBecause": facts.get("code") if line.verb.startswith("refuse_") else None,
    }
    if line.thing in OF_THING:
        found[OF_THING[line.thing]] = outside(line.thing, line.thing_id)
    found |= {name: outside(thing, columns[column]) for column, (name, thing) in IDS.items() if columns.get(column)}
    found |= {name: columns.get(column) for column, name in WORDS.items()}
    if line.thing == "order":
        found["correlationId"] = columns.get("correlation_id")
    return {name: value for name, value in found.items() if value not in (None, "")}
