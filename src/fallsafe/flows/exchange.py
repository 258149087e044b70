"""What partners answer by file: every line is a fact about the command of its key, and goes the way of callbacks; what
is wrong with a file as a whole has an owner, once (§6, §10).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case, case_key
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.triage.severity import Level
from fallsafe.flows import callbacks, cases, loose, settle
from fallsafe.flows.callbacks import Received
from fallsafe.flows.context import Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.flows.unreadable import keep_unreadable
from fallsafe.store.tx import Tx

UNKNOWN_LINES = "nobody can say what became of the lines of this file before it is found out"
HEALS = ("FILE_NOT_ACKNOWLEDGED", "FILE_MISSING")
"""What is over by itself when the file comes; a refusal stands until somebody has decided."""


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """What is wrong with a file of a system: its name, the normalized code, and a sentence."""

    system: str
    file: str
    code: str
    why: str

    @property
    def case_key(self) -> str:
        """What its case is known by."""
        return case_key(0, None, f"{self.code}/{self.system}/{self.file}")


async def take(
    tx: Tx, context: Context, lines: Sequence[Received], unreadable: Sequence[Received], actor: Actor
) -> None:
    """Keeps the lines of files, each once; those that name no command are cases of whoever talks to that partner."""
    if lines:
        await callbacks.receive(tx, context, lines, actor)
    for one in unreadable:
        what = f"cannot read {one.event_id}"
        refusal = Refusal("LINE_UNREADABLE", what, f"{one.head}: no key of a command", "ask the partner what it is")
        await keep_unreadable(
            tx, context, source=one.system, body=one.body, media_type=one.media_type, refusals=[refusal],
            actor=actor, kind="callback",
        )  # fmt: skip


async def judge(tx: Tx, context: Context, system: str, troubles: Sequence[FileTrouble], actor: Actor) -> int:
    """Opens the cases of files that have none yet, and ends those whose file has come. Returns how many were opened."""
    turn = await begin(tx, context, actor)
    standing = {one.case_key for one in troubles}
    rows = await tx.fetch("cases/loose_of_system", system=system, codes=list(HEALS))
    for row in rows:
        case = await loose.find(turn, row["case_key"])
        if case is not None and case.case_key not in standing:
            _end(turn, case)
    opened = 0
    for one in troubles:
        opened += await _open(turn, one)
    await settle.end(turn)
    return opened


def _end(turn: Turn, case: Case) -> None:
    healed = cases.healed_by_itself(turn, ())
    loose.move_on(turn, case, "heal", "the file has come", resolution=healed)
    turn.tx.clear("review", case.id)


async def _open(turn: Turn, one: FileTrouble) -> int:
    if await loose.find(turn, one.case_key) is not None:
        return 0
    ever = await turn.tx.fetch("cases/ever_of_key", case_key=one.case_key)
    if ever and one.code not in HEALS:
        return 0  # somebody has decided about this file
    signal = Signal(
        detector=Detector.CALLBACK,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system=one.system,
        operation="",
        raw_code=one.code,
        message=one.why,
        sign=one.code,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
    )
    weight = loose.Weight(Level.HIGH, turn.context.newest.severity.high_from, "customer", UNKNOWN_LINES)
    await loose.open_case(turn, one.case_key, signal, one.code, weight, one.why, {"file": one.file})
    return 1
