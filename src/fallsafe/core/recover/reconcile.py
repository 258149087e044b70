"""Finding out what happened to a command whose outcome is unknown (§11): what each answer is worth, and what they say
together.

Asked are, in this order, the operation by the original key, the callbacks that came meanwhile, and what the other
system knows of the business object. "Not found" proves nothing before the settle window is over, and then only the
second time (P3). Answers that contradict each other are not weighed: a person decides, with all that was found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.calendar import clock_words
from fallsafe.core.commands.contract import LookUp, Operation, Repeat
from fallsafe.core.commands.ledger import Command, CommandState, attempt_ended_at, key_lives, settles_at
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.errors import Refusal

PENDING_LOOKS_MAX = 12


@dataclass(frozen=True, slots=True)
class LookUpAnswer:
    """One answer to one question. `method` is how it was asked (`key`, `reference`, `repeat`), `asked_at` when the
    question left.

    `says` is done, rejected, pending or absent (anything else is unclear); `key` is the key of the effect that was
    found, where the answer names one.
    """

    method: str
    says: Says
    reference: str
    raw_code: str
    answered_at: datetime
    asked_at: datetime
    message: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class FoundDone:
    """The effect exists, and is ours."""

    reference: str


@dataclass(frozen=True, slots=True)
class FoundRejected:
    """It was refused, with the system's own code and words."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class FoundPending:
    """The other system has it and has not finished."""

    reference: str = ""


@dataclass(frozen=True, slots=True)
class FoundAbsent:
    """It never happened: two looks found nothing, both after the settle window, far enough apart."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Nothing is settled. `at` is when the next look can say more (None = by the policy's delays). Where this look
    counts as the first of the two that find nothing, `empty_at` is from when the second one counts its distance: not
    before it was asked, even where the clock was set back meanwhile.
    """

    at: datetime | None
    why: str
    empty_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """The answers contradict each other, or nobody can be asked: a person must find out."""

    why: str


Finding = FoundDone | FoundRejected | FoundPending | FoundAbsent | LookAgain | Undecided


def ways_to_look(command: Command, operation: Operation, now: datetime) -> tuple[LookUp, ...]:
    """The look-ups that may be used now, in order.

    Sending the identical bytes again counts as a look only where there is no other way, the contract promises the same
    result and the key still lives; only the reconciler may do it.
    """
    asking = tuple(way for way in operation.look_ups if way.method != "repeat")
    may_repeat = operation.repeat is Repeat.SAME_RESULT and key_lives(command, operation, now)
    return asking or (operation.look_ups if may_repeat else ())


def next_look_at(command: Command, operation: Operation, now: datetime) -> datetime:
    """When a look can next say something new: at once the first time, then after the settle window, then a second
    look later.
    """
    settles = settles_at(command, operation)
    if command.looks == 0 or settles is None:
        return now
    if command.first_empty_at is None or command.first_empty_at < settles:
        return max(now, settles)
    return max(now, command.first_empty_at + operation.second_look)


def why_not_declared(
    what: str, command: Command, operation: Operation, asked: Iterable[Command], now: datetime, *, done: bool
) -> Refusal | None:
    """Whether a person may say what became of a command whose outcome is unknown (rule 2); None is yes: everything that
    can be asked was asked and did not settle it, or nothing can be asked. `asked` are the questions about it.

    That it is `done` any look after the attempt could have shown; anything else only a look that would have counted.
    Refused with `BEING_ASKED`, `NOT_ASKED`.
    """
    about = [query for query in asked if query.target_id == command.id]
    if any(query.state is CommandState.SENDING for query in about):
        why = f"{command.system} is being asked about it right now"
        return Refusal("BEING_ASKED", what, why, "wait for the answer")
    since = _could_have_told_since(command, operation, done=done) or command.intended_at
    last = {q.method: q.last_sent_at for q in about if q.look == command.looks and q.last_sent_at is not None}
    ways = [way.method for way in ways_to_look(command, operation, now)]
    left = [method for method in ways if method not in last or last[method] < since]
    if not left:
        return None
    at = clock_words(since, now)
    why = f"{command.system} can be asked by {', '.join(left)}, and was not asked since {at}"
    soon = f"what is found before {at} proves nothing: it is asked by itself after that"
    return Refusal("NOT_ASKED", what, why, "ask first: RECONCILE_NOW" if since <= now else soon)


def _could_have_told_since(command: Command, operation: Operation, *, done: bool) -> datetime | None:
    """From when on a look could have settled it: whether it is done, or else that nothing of it is there."""
    settles = settles_at(command, operation)
    if done or settles is None:
        return attempt_ended_at(command)
    empty = command.first_empty_at
    return empty + operation.second_look if empty is not None and empty >= settles else settles


def reconcile(
    command: Command,
    operation: Operation,
    answers: Sequence[LookUpAnswer],
    callback_facts: Iterable[Fact],
    now: datetime,
    *,
    pending_looks_max: int = PENDING_LOOKS_MAX,
) -> Finding:
    """What the answers of a look (or of several) say together, with the looks that `command` has counted before.

    Pure: the same answers give the same finding. `callback_facts` are what callbacks said since the command was sent.
    """
    heard = tuple(callback_facts)
    settles = settles_at(command, operation) or now
    nothing = [a for a in answers if a.says is Says.ABSENT and a.asked_at >= settles]
    done = [a for a in answers if a.says is Says.DONE]
    told = next((f for f in heard if f.says is Says.DONE), None)
    rejected = _rejected(command, answers, heard)
    if done or told is not None:
        return _contradicted(command, done, told, rejected, nothing) or _done(
            command, operation, done, told, settles, now
        )
    pending = next((a for a in answers if a.says is Says.PENDING), None)
    if rejected is not None:
        contradicted = "one way says rejected, another that it is not finished yet"
        return Undecided(contradicted) if pending is not None else rejected
    if pending is not None:
        return _pending(command, pending, pending_looks_max)
    return _nothing_found(command, operation, answers, nothing, settles, now)


def _rejected(command: Command, answers: Iterable[LookUpAnswer], heard: Iterable[Fact]) -> FoundRejected | None:
    for answer in answers:
        if answer.says is Says.REJECTED:
            return FoundRejected(answer.raw_code, answer.message)
    for fact in heard:
        if fact.says is Says.REJECTED and fact.attempt in (0, command.attempts):
            return FoundRejected(fact.raw_code, fact.message)
    return None


def _contradicted(
    command: Command,
    done: Sequence[LookUpAnswer],
    told: Fact | None,
    rejected: FoundRejected | None,
    nothing: Iterable[LookUpAnswer],
) -> Undecided | None:
    """Why a "done" cannot be believed: it is somebody else's, there is more than one, or a way that would know denies
    it.
    """
    strangers = [a.key for a in done if a.key and a.key != command.key]
    if strangers:
        return Undecided(f"it exists under another key, {strangers[0]}: that is somebody else's effect")
    references = sorted({a.reference for a in done if a.reference} | ({told.reference} - {""} if told else set()))
    if len(references) > 1:
        return Undecided(f"it exists more than once: {', '.join(references)}")
    if rejected is not None:
        return Undecided(f"one way says done, another that it was rejected ({rejected.code})")
    denied = _denied_by(done, nothing)
    over = "although the settle window is over"
    return Undecided(f"one way says done, but asked by {denied} nothing is there {over}") if denied else None


def _denied_by(done: Sequence[LookUpAnswer], nothing: Iterable[LookUpAnswer]) -> str:
    """The way that, asked no earlier than the one that found it, finds nothing; an older "not found" is overtaken."""
    latest = max((a.asked_at for a in done), default=None)
    return next((a.method for a in nothing if latest is not None and a.asked_at >= latest), "")


def _done(
    command: Command,
    operation: Operation,
    done: Sequence[LookUpAnswer],
    told: Fact | None,
    settles: datetime,
    now: datetime,
) -> Finding:
    """Nothing contradicts it: believed when it was seen under our key, or where the key cannot be asked for."""
    can_ask_by_key = any(way.method == "key" for way in operation.look_ups)
    if told is None and can_ask_by_key and not any(a.method != "reference" or a.key for a in done):
        at = settles if settles > now else None
        return LookAgain(at, "something about the same object exists, but it is not seen under our key yet")
    return FoundDone(next((a.reference for a in done if a.reference), told.reference if told else ""))


def _pending(command: Command, answer: LookUpAnswer, pending_looks_max: int) -> Finding:
    if command.pending_looks >= pending_looks_max:
        return Undecided(f"{command.system} has it, and has not finished it in {command.pending_looks} looks")
    return FoundPending(answer.reference)


def _nothing_found(
    command: Command,
    operation: Operation,
    answers: Sequence[LookUpAnswer],
    nothing: Sequence[LookUpAnswer],
    settles: datetime,
    now: datetime,
) -> Finding:
    """No way found anything: that counts only after the settle window, by every way, and the second time."""
    ways = {way.method for way in operation.look_ups if way.method != "repeat"}
    if not ways and not answers:
        return Undecided("the contract knows no way to ask what happened")
    if not answers:
        return LookAgain(now, "nobody has been asked yet")
    unclear = sorted(ways - {a.method for a in answers if a.says is Says.ABSENT}) or ([] if ways else ["repeat"])
    if unclear:
        return LookAgain(None, f"no usable answer to the question by {', '.join(unclear)}")
    if not ways <= {a.method for a in nothing}:
        over = clock_words(settles, now)
        return LookAgain(settles, f"not found, which proves nothing before the settle window is over at {over}")
    return _twice(command, operation, nothing, ways, settles, now)


def _twice(
    command: Command,
    operation: Operation,
    nothing: Sequence[LookUpAnswer],
    ways: set[str],
    settles: datetime,
    now: datetime,
) -> Finding:
    counted = (
        command.first_empty_at if command.first_empty_at is not None and command.first_empty_at >= settles else None
    )
    first = counted or max(a.asked_at for a in _earliest(nothing))
    second = first + operation.second_look
    if ways <= {a.method for a in nothing if a.asked_at >= second and a.asked_at > first}:
        return FoundAbsent()
    again = max(second, now)
    why = f"not found after the settle window; a second look at {clock_words(again, now)} must find nothing either"
    return LookAgain(again, why, max(first, now) if counted is None else None)


def _earliest(nothing: Iterable[LookUpAnswer]) -> Iterable[LookUpAnswer]:
    """The first empty answer of each way."""
    first: dict[str, LookUpAnswer] = {}
    for answer in sorted(nothing, key=lambda a: a.asked_at):
        first.setdefault(answer.method, answer)
    return first.values()
