"""The command ledger: the life of one external effect, the state it gives its task, and the key that never changes (§11, §12).

`lose` is a time-out, a reset, the crash of a sender, an answer that cannot be read or does not answer what was asked. From `unknown` no
verb leads to a send: first somebody finds out.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.orders.task import TaskState


class Purpose(StrEnum):
    """What a command is for."""

    FULFILL = "fulfill"
    QUERY = "query"
    UNDO = "undo"
    RESUME = "resume"
    NOTIFY = "notify"


class CommandState(StrEnum):
    """What is known of an effect."""

    INTENDED = "intended"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


S = CommandState
COMMAND_LIFECYCLE: dict[tuple[CommandState, str], CommandState] = {
    (S.INTENDED, "send"): S.SENDING,
    (S.INTENDED, "withdraw"): S.WITHDRAWN,
    (S.SENDING, "accept"): S.ACCEPTED,
    (S.SENDING, "complete"): S.DONE,
    (S.SENDING, "reject"): S.REJECTED,
    (S.SENDING, "not_sent"): S.INTENDED,  # only on the contract's proof that nothing happened
    (S.SENDING, "lose"): S.UNKNOWN,  # time-out, reset, crash of the sender, lease run out
    (S.ACCEPTED, "complete"): S.DONE,
    (S.ACCEPTED, "reject"): S.REJECTED,
    (S.ACCEPTED, "lose"): S.UNKNOWN,  # silent past breach
    (S.UNKNOWN, "find_done"): S.DONE,
    (S.UNKNOWN, "find_rejected"): S.REJECTED,
    (S.UNKNOWN, "find_pending"): S.ACCEPTED,
    (S.UNKNOWN, "find_absent"): S.ABSENT,  # two looks after the settle window found nothing
    (S.ABSENT, "send_again"): S.INTENDED,  # only where a repeat is harmless by contract, or a person decided
    (S.ABSENT, "supersede"): S.SUPERSEDED,
    (S.REJECTED, "supersede"): S.SUPERSEDED,
}

# Facts that arrive outside the rows above are applied by the table of dispositions, through these verbs.
FACT_LIFECYCLE: dict[tuple[CommandState, str], CommandState] = {
    (S.UNKNOWN, "accept"): S.ACCEPTED,
    (S.UNKNOWN, "complete"): S.DONE,
    (S.UNKNOWN, "reject"): S.REJECTED,
    (S.INTENDED, "complete"): S.DONE,  # after a send: absence was wrong
    (S.ABSENT, "complete"): S.DONE,  # absence was wrong
}

# Reading has no unknown outcome: a lost query is intended again.
QUERY_LIFECYCLE: dict[tuple[CommandState, str], CommandState] = {
    (S.INTENDED, "send"): S.SENDING,
    (S.INTENDED, "withdraw"): S.WITHDRAWN,
    (S.SENDING, "complete"): S.DONE,
    (S.SENDING, "reject"): S.REJECTED,
    (S.SENDING, "not_sent"): S.INTENDED,
    (S.SENDING, "lose"): S.INTENDED,
}

TASK_STATE_OF: dict[CommandState, TaskState] = {
    S.INTENDED: TaskState.READY,
    S.SENDING: TaskState.SENDING,
    S.ACCEPTED: TaskState.WAITING_CALLBACK,
    S.DONE: TaskState.COMPLETED,
    S.REJECTED: TaskState.FAILED,
    S.ABSENT: TaskState.FAILED,
    S.UNKNOWN: TaskState.UNKNOWN,
}

OPEN_STATES = frozenset({S.INTENDED, S.SENDING, S.ACCEPTED, S.UNKNOWN, S.ABSENT})


@dataclass(frozen=True, slots=True)
class Command:
    """One intended effect. `n` counts superseding commands, never attempts; `attempts` counts sendings.

    `first_sent_at` starts the life of the key; `ended_at` is the end of the last attempt (recorded by its sender, else the end of its lease) and
    starts the settle window. For a query `target_id` is the command that is looked up, `look` counts the looks at that command and `method` names the look-up.
    `contract_set` is the policy set under whose contract it was last sent.
    """

    id: int
    order_id: int
    task_id: int
    purpose: Purpose
    n: int
    key: str
    system: str
    operation: str
    state: CommandState
    intended_at: datetime
    attempts: int
    retries: int
    payload_digest: str
    request_evidence_id: int | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    ended_at: datetime | None
    accepted_at: datetime | None
    done_at: datetime | None
    lease_until: datetime | None
    lease_worker: str
    reference: str
    lost_because: str
    looks: int
    empty_looks: int
    first_empty_at: datetime | None
    pending_looks: int
    target_id: int | None
    look: int
    method: str
    finding: str
    contract_set: str


def key_for(source: str, external_order_id: str, item: str, step: str, purpose: Purpose, n: int) -> str:
    """The idempotency key: the business identity of the effect, never our own ids, so that an order fed again asks with the same key."""
    return f"{source}/{external_order_id}/{item}.{step}/{purpose.value}/{n}"
