"""The shipped set as files that a test may spoil."""

from collections.abc import Mapping

from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.policyset import PolicyError, Problem, load_files, read_folder, shipped

TELCO: Mapping[str, bytes] = read_folder(shipped("telco"))


def telco(time_scale: float = 1.0) -> PolicySet:
    """The shipped set."""
    return load_files(TELCO, time_scale)


def with_text(file: str, was: str, now: str) -> dict[str, bytes]:
    """The shipped files with one place of one of them rewritten; `was` must stand there."""
    text = TELCO[file].decode()
    assert was in text, f"{file} has no {was!r}"
    return {**TELCO, file: text.replace(was, now, 1).encode()}


def line_of(files: Mapping[str, bytes], file: str, words: str) -> int:
    """The number of the first line that holds the words, from 1."""
    lines = files[file].decode().splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def problems_of(files: Mapping[str, bytes]) -> tuple[Problem, ...]:
    """Why the files are refused; none if they are not."""
    try:
        load_files(files)
    except PolicyError as error:
        return error.problems
    return ()
