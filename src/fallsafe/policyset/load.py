"""From files to the frozen policy set: read, held against schemas, built, checked as a whole, digested (§7, §28).

A set is loaded whole or not at all. Durations of policy are divided by the time scale; the other side's own times (call
time-out, life of a key) and what measures this machine are not.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from fallsafe.core.commands.contract import System
from fallsafe.core.events import Json
from fallsafe.core.policy.diff import Change, diff
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.triage.classify import RuleIndex, index
from fallsafe.policyset import calendars, catalog, contracts, recover, repair, triage, whole
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.messages import by_failure, messages
from fallsafe.policyset.problem import PolicyError, Problem
from fallsafe.policyset.schemas import KINDS, against_schema
from fallsafe.policyset.source import Part, read
from fallsafe.policyset.words import nearest

DIGEST_SHOWN = 12
KEPT_MAX = 16
"""How many sets a process keeps beside those that are in force."""


def load(directory: Path, time_scale: float = 1.0) -> PolicySet:
    """The set in a folder. Raises `PolicyError` with every problem if there is one."""
    policy = load_files(read_folder(directory), time_scale)
    misplaced = [*_folder_fits(directory, policy)]
    if misplaced:
        raise PolicyError(misplaced)
    return policy


def load_files(files: Mapping[str, bytes], time_scale: float = 1.0) -> PolicySet:
    """The set that these files are, for example as they were published. Raises `PolicyError` with every problem if
    there is one.
    """
    policy, problems = _read_once(tuple(sorted(files.items())), time_scale)
    if problems or policy is None:
        raise PolicyError(problems)
    return policy


@lru_cache(maxsize=KEPT_MAX)
def _read_once(files: tuple[tuple[str, bytes], ...], time_scale: float) -> tuple[PolicySet | None, tuple[Problem, ...]]:
    """A process that meets the same bytes again has the same set, or the same faults: both are frozen values."""
    policy, problems = _build(dict(files), time_scale)
    return policy, tuple(problems)


def check(directory: Path) -> list[Problem]:
    """Everything that is wrong with the set in a folder; empty if it may be used."""
    policy, problems = _build(read_folder(directory), 1.0)
    return [*_folder_fits(directory, policy), *problems]


def check_files(files: Mapping[str, bytes]) -> list[Problem]:
    """Everything that is wrong with the set that these files are; empty if it may be used."""
    return [*_read_once(tuple(sorted(files.items())), 1.0)[1]]


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


def differences(was: Mapping[str, bytes], now: Mapping[str, bytes]) -> tuple[Change, ...]:
    """What the files of one set have that those of another have not. Raises `PolicyError` where one cannot be read."""
    return diff(_values(was), _values(now))


def _values(files: Mapping[str, bytes]) -> dict[str, Json]:
    parts, problems = _read_all(files)
    unreadable = [problem for problem in problems if problem.file.removesuffix(".yaml") not in parts]
    if unreadable:
        raise PolicyError(_in_order(unreadable))
    return {kind: part.value for kind, part in parts.items()}


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the files in the order of their names, each with its length, in hex."""
    running = hashlib.sha256()
    for name in sorted(files):
        running.update(f"{name}\n{len(files[name])}\n".encode())
        running.update(files[name])
    return running.hexdigest()


def set_id(name: str, date: str, digest: str) -> str:
    """How a set is called: its name, its date and the beginning of its digest."""
    return f"{name}@{date}+{digest[:DIGEST_SHOWN]}"


def _build(files: Mapping[str, bytes], time_scale: float) -> tuple[PolicySet | None, list[Problem]]:
    """The set, or None where its files cannot even be read; and what is wrong."""
    parts, problems = _read_all(files)
    if problems:
        return None, _in_order(problems)
    findings = Findings(time_scale)
    policy = _assemble(parts, files, findings)
    return policy, _in_order(findings.problems)


def _read_all(files: Mapping[str, bytes]) -> tuple[dict[str, Part], list[Problem]]:
    parts: dict[str, Part] = {}
    missing = [f"{kind}.yaml" for kind in KINDS if f"{kind}.yaml" not in files]
    problems = [Problem(name, 0, "", "the file is missing", "a set has one file of each kind") for name in missing]
    for name in sorted(files):
        kind = name.removesuffix(".yaml")
        if kind not in KINDS:
            right = nearest(kind, KINDS, "the kinds are")
            problems.append(Problem(name, 0, "", f"no kind of policy is called {kind!r}", right))
            continue
        parsed = read(name, files[name])
        if isinstance(parsed, Problem):
            problems.append(parsed)
            continue
        parts[kind] = Part(parsed, parsed.value)
        problems.extend(against_schema(kind, parts[kind]))
    return parts, problems


def _assemble(parts: Mapping[str, Part], files: Mapping[str, bytes], findings: Findings) -> PolicySet:
    about, digest = parts["set"], digest_of(files)
    name, date = about.at("name").text(), about.at("date").text()
    systems = contracts.systems(parts["systems"], findings)
    hours = calendars.times(parts["calendars"], systems, findings)
    asked = contracts.contracts(parts["operations"], parts["systems"], systems, findings)
    undo = catalog.undo_rows(parts["undo"], findings)
    types = catalog.task_types(parts["task_types"], asked.operations, undo, findings)
    offers = catalog.offers(parts["offers"])
    told = messages(parts["messages"], findings)
    actions = repair.actions(parts["actions"], findings)
    codes = triage.codes(parts["codes"], actions, told, findings)
    rules = triage.rules(parts["classification"], findings)
    owners = catalog.owners(parts["ownership"], hours.calendars, findings)
    policy = PolicySet(
        id=set_id(name, date, digest),
        name=name,
        date=date,
        digest=digest,
        time_scale=findings.time_scale,
        systems=systems,
        operations=asked.operations,
        task_types=types,
        offers=offers,
        plans=catalog.plans(parts["plans"], offers, types, findings),
        retry=recover.retry(parts["retry"], types, codes, owners, findings),
        rules=_indexed(parts["classification"], rules, systems, findings),
        codes=codes,
        severity=triage.severity(parts["severity"], codes, findings),
        owners=owners,
        messages=told,
        message_by_failure=by_failure(parts["messages"], told, findings),
        actions=actions,
        undo=undo,
        approvals=recover.approvals(parts["approvals"], findings),
        holidays=recover.holidays(parts["holidays"]),
        limits=recover.limits(parts["limits"], findings),
        calendars=hours.calendars,
        windows=hours.windows,
        cut_offs=hours.cut_offs,
        files=dict(files),
        result_fields=contracts.result_fields(asked),
        request_facts=contracts.request_facts(asked),
        playbooks=triage.playbooks(parts["codes"], actions, findings),
    )
    whole.check(policy, parts, rules, asked, findings)
    return policy


def _indexed(part: Part, rules: whole.Placed, systems: Mapping[str, System], findings: Findings) -> RuleIndex:
    owners = {code: system.owner for code, system in systems.items()}
    domains = {code: system.domain for code, system in systems.items()}
    return index([rule for _, rule in rules], triage.rule(part.at("fallback"), findings), owners, domains)


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
