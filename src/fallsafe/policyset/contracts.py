"""Reads systems and operations: where each stands, what it is asked, what a repeat does, and how its answers are read
(§11, §12.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from fallsafe.core.commands.capacity import Rate, RetryBudget
from fallsafe.core.commands.contract import AnswerRule, CallbackContract, LookUp, Operation, Render, Repeat, System
from fallsafe.core.commands.outcome import Says
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part
from fallsafe.policyset.templates import Template, template

NOT_SENT_STATUSES = (429, 503)
FOREVER = "forever"
ASKED = ("key", "object")
CALL_TIMEOUT_LEAST = timedelta(seconds=1)
PER_LEAST = timedelta(seconds=1)
# The retry budget of a system that names none.
SHARE_OF_REPEATS, LEAST_REPEATS = 0.2, Rate(30, timedelta(minutes=1))
QUERY_SAYS = (Says.DONE, Says.REJECTED, Says.PENDING, Says.ABSENT, Says.LOST)
EFFECT_SAYS = (Says.ACCEPTED, Says.DONE, Says.REJECTED, Says.PROGRESS, Says.NOT_SENT, Says.LOST)

Answers = tuple[AnswerRule, ...]


def systems(part: Part, findings: Findings) -> dict[str, System]:
    """The systems by code."""
    return {code: _system(code, below, findings) for code, below in part.at("systems").entries()}


def _system(code: str, part: Part, findings: Findings) -> System:
    return System(
        code=code,
        title=part.at("title").text(),
        domain=part.at("domain").text(),
        owner=part.at("owner").text(),
        url=part.at("url").text(),
        concurrency=int(part.at("concurrency").number(1)),
        rate=_rate(part.at("rate"), findings, scaled=False),
        retry_budget=_retry_budget(part.at("retry_budget"), findings),
        callback=_callback(part.at("callback")),
        acknowledged_within=_patience(part, findings),
    )


def _rate(part: Part, findings: Findings, *, scaled: bool) -> Rate | None:
    """A rate is the other side's limit and is not scaled; the time of a retry budget is."""
    if part.value is None:
        return None
    return Rate(int(part.at("calls").number()), findings.duration(part.at("per"), PER_LEAST, scaled=scaled))


def _retry_budget(part: Part, findings: Findings) -> RetryBudget:
    least = _rate(part.at("least"), findings, scaled=True)
    usual = replace(LEAST_REPEATS, per=LEAST_REPEATS.per / findings.time_scale)
    return RetryBudget(float(part.at("share").number(SHARE_OF_REPEATS)), least or usual)


def _patience(part: Part, findings: Findings) -> timedelta | None:
    """How long a partner may take to acknowledge a file; said of those, and only those, that are reached by files."""
    files, by_file = part.at("files"), part.at("url").text().startswith("file:")
    if by_file != (files.value is not None):
        right = "`files` and an url with file: go together"
        findings.add(part.at("url"), "a system that is reached by files, or is not", right)
    if files.value is not None and part.at("callback").value is None:
        findings.add(files, "nobody says how the lines of its files are read", "give it a `callback`")
    return findings.duration(files.at("acknowledged_within")) if files.value is not None else None


def _callback(part: Part) -> CallbackContract | None:
    if part.value is None:
        return None
    return CallbackContract(
        signature_header=part.at("signature_header").text(),
        event_id=part.at("event_id").text(),
        key=part.at("key").text(),
        occurred_at=part.at("occurred_at").text(),
        reference=part.at("reference").text(),
        answers=answers(part.at("answers")),
    )


def answers(part: Part) -> Answers:
    """The reading rows at a place, in their order."""
    return tuple(_answer(below) for below in part.each())


def _answer(part: Part) -> AnswerRule:
    return AnswerRule(
        statuses=_statuses(part.at("statuses"), ()),
        where=tuple((pointer, frozenset(below.texts())) for pointer, below in part.at("where").entries()),
        says=Says(part.at("says").text()),
        must_match=tuple((pointer, below.text()) for pointer, below in part.at("match").entries()),
        reference=part.at("reference").text(),
        code=part.at("code").text(),
        message=part.at("message").text(),
        lost_because=part.at("lost_because").text(),
        date=part.at("date").text(),
    )


def _statuses(part: Part, default: tuple[int, ...]) -> frozenset[int]:
    if part.value is None:
        return frozenset(default)
    return frozenset(int(below.number()) for below in part.each())


@dataclass(frozen=True, slots=True)
class Contracts:
    """What the operations file gives: operations and queries by name, and every request with its place."""

    operations: Mapping[str, Operation]
    requests: tuple[tuple[Part, Template], ...]


def result_fields(asked: Contracts) -> dict[str, frozenset[str]]:
    """The fields of the result of each finished step that some request takes, by step."""
    found: dict[str, set[str]] = {}
    for _, built in asked.requests:
        for name in built.names():
            kind, _, rest = name.partition(".")
            step, _, path = rest.partition(".")
            if kind == "results" and path:
                found.setdefault(step, set()).add(path.partition(".")[0])
    return {step: frozenset(fields - {"reference"}) for step, fields in found.items()}


def request_facts(asked: Contracts) -> dict[str, frozenset[str]]:
    """The facts that the request of each operation reads, by operation."""
    renders = {name: operation.render for name, operation in asked.operations.items()}
    return {name: frozenset(render.names()) for name, render in renders.items() if isinstance(render, Template)}


def contracts(file: Part, systems_file: Part, known: Mapping[str, System], findings: Findings) -> Contracts:
    """All operations of the set; queries are operations without an effect, asked in the ways that they name."""
    common = {kind: answers(file.at("common").at(kind)) for kind in ("effect", "query")}
    refusals = {code: answers(part.at("refusals")) for code, part in systems_file.at("systems").entries()}
    reader = _Reader(known, findings, common, refusals)
    queries = {name: reader.query(name, part) for name, part in file.at("queries").entries()}
    effects = {name: reader.effect(name, part, queries) for name, part in file.at("operations").entries()}
    built = {**{name: query.operation for name, query in queries.items()}, **effects}
    return Contracts(built, tuple(reader.requests))


@dataclass(frozen=True, slots=True)
class _Query:
    operation: Operation
    ways: Mapping[str, LookUp]


@dataclass(slots=True)
class _Reader:
    """One pass over the operations: shared rows are read once, and every request is remembered with its place."""

    known: Mapping[str, System]
    findings: Findings
    common: Mapping[str, Answers]
    refusals: Mapping[str, Answers]
    requests: list[tuple[Part, Template]] = field(default_factory=list)

    def query(self, name: str, part: Part) -> _Query:
        """A look-up operation and the ways in which it can be asked."""
        self._says(part.at("answers"), QUERY_SAYS, "a look-up")
        read = answers(part.at("answers")) + self.common["query"]
        ways = {method: LookUp(method, name, self._render(below), read) for method, below in part.at("ways").entries()}
        first = next(iter(ways.values())).render
        return _Query(self._operation(name, part, render=first, read=read, effect=False, look_ups=()), ways)

    def effect(self, name: str, part: Part, queries: Mapping[str, _Query]) -> Operation:
        """An operation that changes something, with its contract."""
        self._says(part.at("answers"), EFFECT_SAYS, "an operation")
        refused = self.refusals.get(name.partition(".")[0], ())
        read = answers(part.at("answers")) + refused + self.common["effect"]
        looks = tuple(look for below in part.at("look_ups").each() for look in self._look_up(below, queries))
        render = self._render(part.at("request"))
        self._key_is_carried(part, render)
        self._success_is_checked(part)
        self._completion_fits(name, part)
        effect = part.at("effect").flag()
        return self._operation(name, part, render=render, read=read, effect=effect, look_ups=looks)

    def _operation(
        self, name: str, part: Part, *, render: Render, read: Answers, effect: bool, look_ups: tuple[LookUp, ...]
    ) -> Operation:
        return Operation(
            name=name,
            system=self._system_of(name, part),
            effect=effect,
            moves_money_or_goods=part.at("moves_money_or_goods").flag(),
            completion=part.at("completion").text("answer"),
            render=render,
            answers=read,
            key_lives=self._key_lives(part.at("key_lives")),
            repeat=Repeat(part.at("repeat").text(Repeat.SAME_RESULT.value)),
            look_ups=look_ups,
            settle_window=self.findings.duration(part.at("settle_window")) if effect else timedelta(0),
            second_look=self.findings.duration(part.at("second_look")) if effect else timedelta(0),
            not_sent_statuses=_statuses(part.at("not_sent"), NOT_SENT_STATUSES),
            call_timeout=self.findings.duration(part.at("call_timeout"), CALL_TIMEOUT_LEAST, scaled=False),
            object_fact="object",
            poll_every=self.findings.duration(poll) if (poll := part.at("poll_every")).value is not None else None,
        )

    def _key_lives(self, part: Part) -> timedelta | None:
        return None if part.text(FOREVER) == FOREVER else self.findings.duration(part, scaled=False)

    def _system_of(self, name: str, part: Part) -> str:
        system = Part(part.file, name.partition(".")[0], part.pointer)
        return self.findings.name(system, "system", self.known)

    def _look_up(self, part: Part, queries: Mapping[str, _Query]) -> tuple[LookUp, ...]:
        name = self.findings.name(part.at("operation"), "query", queries)
        if name not in queries:
            return ()
        method = self.findings.name(part.at("method"), f"way of {name}", queries[name].ways)
        return (queries[name].ways[method],) if method in queries[name].ways else ()

    def _render(self, part: Part) -> Template:
        built = template(part, self.findings)
        self.requests.append((part, built))
        return built

    def _key_is_carried(self, part: Part, render: Template) -> None:
        """The same key can only be known again by a system that is told it, where the contract says it is."""
        repeat, where = part.at("repeat").text(), part.at("key_in").text()
        if repeat != Repeat.UNSUPPORTED.value and "key" not in set(render.names_at(where)):
            right = "put {key} where `key_in` says, or declare `repeat: unsupported`"
            self.findings.add(part.at("request"), f"the request does not carry the key in {where}", right)

    def _success_is_checked(self, part: Part) -> None:
        """A success counts only for what was asked."""
        for row in part.at("answers").each():
            named = {below.text() for below in row.at("match").each()}
            missing = " and ".join(fact for fact in ASKED if fact not in named)
            if row.at("says").text() in (Says.DONE, Says.ACCEPTED) and missing:
                right = "add it to `match`: a success about something else is none"
                self.findings.add(row, f"a success that is not compared with the {missing} asked for", right)

    def _completion_fits(self, name: str, part: Part) -> None:
        system = self.known.get(name.partition(".")[0])
        completion, polled = part.at("completion"), part.at("poll_every").value is not None
        if completion.text() == "callback" and system is not None and system.callback is None:
            right = f"give {system.code} a `callback` in systems, or say `completion: answer`"
            self.findings.add(completion, f"{system.code} has no callback", right)
        if system is not None and (completion.text() == "file") != (system.acknowledged_within is not None):
            right = "`completion: file` is for the operations of systems with `files`, and for all of them"
            self.findings.add(completion, f"{name} is answered by files, or it is not", right)
        if polled != (completion.text() == "poll"):
            right = "`completion: poll` and `poll_every` stand together"
            self.findings.add(completion, f"{name} is asked for its result, or it is not", right)
        if polled and not list(part.at("look_ups").each()):
            self.findings.add(part.at("look_ups"), f"{name} is polled and cannot be asked", "name a look-up")

    def _says(self, part: Part, allowed: tuple[Says, ...], who: str) -> None:
        for row in part.each():
            word = row.at("says").text()
            if Says(word) not in allowed:
                self.findings.add(row.at("says"), f"{who} cannot say {word!r}", f"it says {', '.join(allowed)}")
