"""What must not happen is an exception, and what may be refused is a value.

`Refusal` is the value: it says what was asked, why it is not done, and what would work; it is recorded in the journal
and shown word for word at every door. `Bug` is for states that no input can lead to.
"""

from dataclasses import dataclass


class Bug(Exception):
    """The product broke one of its own rules. Never caught to go on; it must be seen."""


class SetNotRead(Exception):
    """An order names a policy set that another process published a moment ago, and that this one has not read yet. It
    passes by itself once it has; until then the order is left as it is.
    """


@dataclass(frozen=True, slots=True)
class Refusal:
    """A governed "no".

    `code` is a stable upper-case word (`OUTCOME_UNKNOWN`), `what` the thing asked for, `why` the reason in one
    sentence, `hint` what would work instead, `pointer` the JSON pointer of the field at fault (empty where it is no
    field).
    """

    code: str
    what: str
    why: str
    hint: str = ""
    pointer: str = ""

    def __str__(self) -> str:
        tail = f"\n{self.hint}" if self.hint else ""
        return f"{self.what}: {self.why}{tail}"
