"""From files to the frozen policy set: read, held against schemas, built, checked as a whole, digested (§7, §28).

A set is loaded whole or not at all. Durations of policy are divided by the time scale; the other side's own times (call time-out, life of
a key) and what measures this machine are not.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.triage.classify import index
from fallsafe.policyset import catalog, contracts, recover, triage, whole
from fallsafe.policyset.messages import messages
from fallsafe.policyset.problem import PolicyError, Problem
from fallsafe.policyset.schemas import KINDS, against_schema
from fallsafe.policyset.source import Part, read
from fallsafe.policyset.words import nearest

DIGEST_SHOWN = 12


def load(directory: Path, time_scale: float = 1.0) -> PolicySet:
    """The set in a folder. Raises `PolicyError` with every problem if there is one."""
    policy, problems = _build(read_folder(directory), time_scale)
    problems = [*_folder_fits(directory, policy), *problems]
    if problems or policy is None:
        raise PolicyError(problems)
    return policy


def load_files(files: Mapping[str, bytes], time_scale: float = 1.0) -> PolicySet:
    """The set that these files are, for example as they were published. Raises `PolicyError` with every problem if there is one."""
    policy, problems = _build(files, time_scale)
    if problems or policy is None:
        raise PolicyError(problems)
    return policy


def check(directory: Path) -> list[Problem]:
    """Everything that is wrong with the set in a folder; empty if it may be used."""
    policy, problems = _build(read_folder(directory), 1.0)
    return [*_folder_fits(directory, policy), *problems]


def read_folder(directory: Path) -> dict[str, bytes]:
    """The policy files of a folder by name. Raises `PolicyError` where there is no such folder, or nothing in it."""
    if not directory.is_dir():
        raise PolicyError(
            [
                Problem(
                    str(directory),
                    0,
                    "",
                    "no such folder",
                    "name the folder of one set, for example policy/telco/2026-11-01",
                )
            ]
        )
    found = {path.name: path.read_bytes() for path in sorted(directory.glob("*.yaml"))}
    if not found:
        raise PolicyError(
            [
                Problem(
                    str(directory), 0, "", "no policy files in it", "a set is a folder of .yaml files, one kind a file"
                )
            ]
        )
    return found


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the files in the order of their names, each with its length, in hex."""
    running = hashlib.sha256()
    for name in sorted(files):
        running.update(f"{name}\n{len(files[name])}\n".encode())
        running.update(files[name])
    return running.hexdigest()


@dataclass(frozen=True, slots=True)
class _Read:
    parts: Mapping[str, Part]
    problems: list[Problem]


def _build(files: Mapping[str, bytes], time_scale: float) -> tuple[PolicySet | None, list[Problem]]:
    """The set, or None where its files cannot even be read; and what is wrong."""
    reading = _read_all(files)
    if reading.problems:
        return None, _in_order(reading.problems)
    problems: list[Problem] = []
    policy = _assemble(reading.parts, files, time_scale, problems)
    return policy, _in_order(problems)


def _read_all(files: Mapping[str, bytes]) -> _Read:
    parts: dict[str, Part] = {}
    problems: list[Problem] = []
    for name in sorted(files):
        kind = name.removesuffix(".yaml")
        if kind not in KINDS:
            problems.append(
                Problem(name, 0, "", f"no kind of policy is called {kind!r}", nearest(kind, KINDS, "the kinds are"))
            )
            continue
        parsed = read(name, files[name])
        if isinstance(parsed, Problem):
            problems.append(parsed)
            continue
        parts[kind] = Part(parsed, parsed.value)
        problems.extend(against_schema(kind, parts[kind]))
    missing = [kind for kind in KINDS if f"{kind}.yaml" not in files]
    problems.extend(
        Problem(f"{kind}.yaml", 0, "", "the file is missing", "a set has one file of each kind") for kind in missing
    )
    return _Read(parts, problems)


def _assemble(
    parts: Mapping[str, Part], files: Mapping[str, bytes], time_scale: float, problems: list[Problem]
) -> PolicySet:
    about = parts["set"]
    name, date, digest = about.at("name").text(), about.at("date").text(), digest_of(files)
    systems = contracts.systems(parts["systems"])
    asked = contracts.contracts(parts["operations"], parts["systems"], systems, problems, time_scale)
    undo = catalog.undo_rows(parts["undo"], problems)
    types = catalog.task_types(parts["task_types"], asked.operations, undo, problems, time_scale)
    offers = catalog.offers(parts["offers"])
    told = messages(parts["messages"], problems)
    actions = recover.actions(parts["actions"], problems)
    codes = triage.codes(parts["codes"], actions, told, problems, time_scale)
    rules = triage.rules(parts["classification"], problems)
    fallback = triage.fallback(parts["classification"], problems)
    owners = catalog.owners(parts["ownership"])
    retry = recover.retry(parts["retry"], types, problems, time_scale)
    policy = PolicySet(
        id=f"{name}@{date}+{digest[:DIGEST_SHOWN]}",
        name=name,
        date=date,
        digest=digest,
        time_scale=time_scale,
        systems=systems,
        operations=asked.operations,
        task_types=types,
        offers=offers,
        plans=catalog.plans(parts["plans"], offers, types, problems),
        retry=retry,
        rules=index(
            [rule for _, rule in rules],
            fallback,
            {code: system.owner for code, system in systems.items()},
            {code: system.domain for code, system in systems.items()},
        ),
        codes=codes,
        severity=triage.severity(parts["severity"], codes, problems),
        owners=owners,
        messages=told,
        actions=actions,
        undo=undo,
        approvals=recover.approvals(parts["approvals"], problems),
        holidays=recover.holidays(parts["holidays"]),
        limits=recover.limits(parts["limits"], problems, time_scale),
        files=dict(files),
    )
    problems.extend(whole.check(policy, parts, rules, asked))
    return policy


def _folder_fits(directory: Path, policy: PolicySet | None) -> Iterable[Problem]:
    """A folder that is named like a set must be that set."""
    if policy is None or directory.parent.name != policy.name or directory.name == policy.date:
        return
    yield Problem(
        "set.yaml",
        0,
        "/date",
        f"says {policy.date}, the folder is {directory.name}",
        "name and date are those of the folder",
    )


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.pointer, problem.what))
