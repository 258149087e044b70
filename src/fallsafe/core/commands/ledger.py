"""The command ledger: the life of one external effect, the state it gives its task, and the key that never changes
(§11, §12).

`lose` is a time-out, a reset, the crash of a sender, an answer that cannot be read or does not answer what was asked.
From `unknown` no verb leads to a send: first somebody finds out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.calendar import clock_words
from fallsafe.core.commands.contract import Operation, Repeat, repeat_is_harmless
from fallsafe.core.errors import Bug, Refusal
from fallsafe.core.lifecycle import Lifecycle, allowed
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

# An undo moves the same task, in words of its own: a failed or unknown undo is never "cancelled".
UNDO_TASK_STATE_OF: dict[CommandState, TaskState] = {
    S.INTENDED: TaskState.UNDOING,
    S.SENDING: TaskState.UNDOING,
    S.ACCEPTED: TaskState.UNDOING,
    S.DONE: TaskState.UNDONE,
    S.UNKNOWN: TaskState.UNDO_UNKNOWN,
    S.REJECTED: TaskState.UNDO_FAILED,
    S.ABSENT: TaskState.UNDO_FAILED,
}

OPEN_STATES = frozenset({S.INTENDED, S.SENDING, S.ACCEPTED, S.UNKNOWN, S.ABSENT})


@dataclass(frozen=True, slots=True)
class Command:
    """One intended effect. `n` counts superseding commands, never attempts; `attempts` counts sendings.

    `first_sent_at` starts the life of the key; `ended_at` is the end of the last attempt (recorded by its sender, else
    the end of its lease) and starts the settle window. For a query `target_id` is the command that is looked up, `look`
    counts the looks at that command and `method` names the look-up; of a command to another engine `method` is the verb
    that it is told. `contract_set` is the policy set under whose contract it was last sent. `retries` failures in a row
    since `failing_since` proved that nothing left.
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
    failing_since: datetime | None


def key_for(source: str, external_order_id: str, item: str, step: str, purpose: Purpose, n: int) -> str:
    """The idempotency key: the business identity of the effect, never our own ids, so that an order fed again asks with
    the same key.
    """
    return f"{source}/{external_order_id}/{item}.{step}/{purpose.value}/{n}"


PERSON_SENDS_AGAIN = "person_sends_again"
"""`Command.finding` after a person with evidence and approval said "send it again". It holds for one send: the next
finding replaces it.
"""

PERSON_SAID = "person_said"
"""`Command.finding` where a person said that it was refused: nothing that could be asked has proved it."""

# From these states nobody knows what else is on its way for the task: a second command could be a second effect.
_HOLDS_THE_TASK = frozenset({S.INTENDED, S.SENDING, S.ACCEPTED, S.UNKNOWN, S.ABSENT})


def lifecycle_of(purpose: Purpose) -> Lifecycle[CommandState]:
    """The table of verbs that people and flows may use: reading has its own, since reading has no unknown outcome."""
    return QUERY_LIFECYCLE if purpose is Purpose.QUERY else COMMAND_LIFECYCLE


def next_state(state: CommandState, verb: str, purpose: Purpose) -> CommandState:
    """The state after `verb`, whether a flow speaks it or a fact from outside applies it.

    Raises `Bug` when neither table has the pair.
    """
    table = lifecycle_of(purpose)
    after = table.get((state, verb))
    if after is None and purpose is not Purpose.QUERY:
        after = FACT_LIFECYCLE.get((state, verb))
    if after is None:
        has = ", ".join(allowed(table, state)) or "no verb"
        raise Bug(f"a {purpose} command that is {state} has no {verb!r}; it has {has}")
    return after


def task_state_of(command: Command) -> TaskState | None:
    """The state that a command gives its task.

    None where it gives none: queries, notices, what another engine is told (only its own word moves its task), and
    commands that were withdrawn or that another one replaced.
    """
    match command.purpose:
        case Purpose.FULFILL:
            return TASK_STATE_OF.get(command.state)
        case Purpose.UNDO:
            return UNDO_TASK_STATE_OF.get(command.state)
        case Purpose.QUERY | Purpose.NOTIFY | Purpose.RESUME:
            return None


def may_have_left(command: Command) -> bool:
    """Whether an attempt may have reached the other side without our knowing what became of it.

    `lost_because` is written at every `lose` and never emptied, so this stays true wherever the command moves later.
    """
    return bool(command.lost_because)


def still_in_doubt(command: Command) -> bool:
    """Whether something of it may be outside, or may come to be, without anybody having proved the opposite."""
    left = command.state is CommandState.INTENDED and may_have_left(command)
    return left or command.state in (CommandState.UNKNOWN, CommandState.ABSENT)


def attempt_ended_at(command: Command) -> datetime | None:
    """The end of the last attempt: as its own sender recorded it, else the end of its lease. None = never sent.

    A recorded end that is older than the last send belongs to an earlier attempt and does not count.
    """
    ended, sent = command.ended_at, command.last_sent_at
    if ended is not None and (sent is None or ended >= sent):
        return ended
    return command.lease_until or sent


def settles_at(command: Command, operation: Operation) -> datetime | None:
    """From when on "not found" may count (P3): a settle window after the end of the last attempt. None = never sent."""
    ended = attempt_ended_at(command)
    return ended + operation.settle_window if ended is not None else None


def key_lives_until(command: Command, operation: Operation) -> datetime | None:
    """When the other side may forget the key: counted from the first send. None = never, or nothing was sent yet."""
    if operation.key_lives is None or command.first_sent_at is None:
        return None
    return command.first_sent_at + operation.key_lives


def key_lives(command: Command, operation: Operation, now: datetime) -> bool:
    """Whether a request that leaves now still arrives while the other side knows the key."""
    until = key_lives_until(command, operation)
    return until is None or now + operation.call_timeout <= until


def may_send(command: Command, operation: Operation, now: datetime) -> Refusal | None:
    """Whether this command may go out at this claim (model rule 2); None is yes.

    Only `intended` goes out. After an attempt that may have left it goes out again only while its key lives and the
    contract recognizes it, or because a person decided so. Refused with `OUTCOME_UNKNOWN`, `ALREADY_SENT`,
    `ABSENT_UNDECIDED`, `ALREADY_DECIDED`, `REPEAT_NOT_SAFE`, `KEY_EXPIRED`.
    """
    what = f"cannot send command C-{command.id}"
    match command.state:
        case CommandState.INTENDED:
            return _may_repeat(what, command, operation, now) if may_have_left(command) else None
        case CommandState.UNKNOWN:
            return _unknown(what, command, now, settles_at(command, operation))
        case CommandState.SENDING | CommandState.ACCEPTED:
            return _under_way(what, command)
        case CommandState.ABSENT:
            return _absent(what)
        case CommandState.DONE | CommandState.REJECTED | CommandState.SUPERSEDED | CommandState.WITHDRAWN:
            return _decided(what, command)


def may_intend(commands: Iterable[Command], purpose: Purpose, now: datetime) -> Refusal | None:
    """Whether a task that has these commands may get a new one; None is yes.

    The interlock (P2): while one of them is under way or its outcome is unknown, no command with an effect is made, by
    whomever and for whatever reason. A query may always be made. Codes as in `may_send`, and `ALREADY_INTENDED`.
    """
    holding = [c for c in commands if c.purpose is not Purpose.QUERY and c.state in _HOLDS_THE_TASK]
    if purpose is Purpose.QUERY or not holding:
        return None
    command = max(holding, key=lambda c: c.state is CommandState.UNKNOWN)
    what = f"cannot make a new {purpose} command beside C-{command.id}"
    if command.state is CommandState.UNKNOWN:
        return _unknown(what, command, now, None)
    if command.state is CommandState.ABSENT:
        return _absent(what)
    if command.state is CommandState.INTENDED:
        hint = f"let C-{command.id} go out, or withdraw it first"
        return Refusal("ALREADY_INTENDED", what, "that one is intended and has not gone out yet", hint)
    return _under_way(what, command)


def _may_repeat(what: str, command: Command, operation: Operation, now: datetime) -> Refusal | None:
    if command.purpose is Purpose.QUERY or command.finding == PERSON_SENDS_AGAIN:
        return None
    hint = "a person decides with evidence: declare it done, or supersede it by a command with a new key"
    if not repeat_is_harmless(operation):
        why = f"an earlier attempt may have left, and {operation.name} {_REPEATS[operation.repeat]}"
        return Refusal("REPEAT_NOT_SAFE", what, why, hint)
    if not key_lives(command, operation, now):
        until = clock_words(key_lives_until(command, operation) or now, now)
        why = f"an earlier attempt may have left, and {command.system} knows its key only until {until}"
        return Refusal("KEY_EXPIRED", what, why, hint)
    return None


_REPEATS = {
    Repeat.SAME_RESULT: "gives the same result for the same key",
    Repeat.REJECTS_DUPLICATE: "refuses the same key a second time",
    Repeat.REPLAYS_SAVED_ERROR: "replays whatever it saved for the key, even a failure",
    Repeat.UNSUPPORTED: "takes a repeat for a second order",
}


def _unknown(what: str, command: Command, now: datetime, settles: datetime | None) -> Refusal:
    since = attempt_ended_at(command)
    at = f" since {clock_words(since, now)}" if since is not None else ""
    window = f"; settle window ends {clock_words(settles, now)}" if settles is not None and settles > now else ""
    hint = (
        f"first find out: fallsafe command reconcile C-{command.id}"
        f"      (asks {command.system} by key {command.key}{window})"
    )
    why = f"the outcome of C-{command.id} is unknown{at} ({command.lost_because or 'nobody answered'})"
    return Refusal("OUTCOME_UNKNOWN", what, why, hint)


def _under_way(what: str, command: Command) -> Refusal:
    accepted = f"{command.system} has accepted C-{command.id} and has not finished it"
    why = f"C-{command.id} is being sent right now" if command.state is CommandState.SENDING else accepted
    return Refusal("ALREADY_SENT", what, why, f"wait for its outcome: fallsafe command show C-{command.id}")


def _absent(what: str) -> Refusal:
    why = "it was sent, was not found afterwards, and nobody has decided yet what that means"
    hint = "send it again where the contract recognizes its key, supersede it, or declare it done with evidence"
    return Refusal("ABSENT_UNDECIDED", what, why, hint)


def _decided(what: str, command: Command) -> Refusal:
    corrected = "a corrected request is a new command with a new key that supersedes it"
    hint = corrected if command.state is CommandState.REJECTED else "there is nothing left to send"
    return Refusal("ALREADY_DECIDED", what, f"it is {command.state}, and its key never goes out again", hint)
