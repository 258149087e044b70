"""Reads systems and operations: where each stands, what it is asked, what a repeat does, and how its answers are read (§11, §12.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.commands.contract import AnswerRule, CallbackContract, LookUp, Operation, Render, Repeat, System
from fallsafe.core.commands.outcome import Says
from fallsafe.policyset.durations import duration
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.templates import Template, template
from fallsafe.policyset.words import nearest

NOT_SENT_STATUSES = (429, 503)
FOREVER = "forever"
ASKED = ("key", "object")
CALL_TIMEOUT_LEAST = timedelta(seconds=1)


def systems(part: Part) -> dict[str, System]:
    """The systems by code."""
    return {code: _system(code, below) for code, below in part.at("systems").items()}


def _system(code: str, part: Part) -> System:
    return System(
        code=code,
        title=part.at("title").text(),
        domain=part.at("domain").text(),
        owner=part.at("owner").text(),
        url=part.at("url").text(),
        concurrency=int(part.at("concurrency").number(1)),
        callback=_callback(part.at("callback")),
    )


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


def answers(part: Part) -> tuple[AnswerRule, ...]:
    """The reading rows at a place, in their order."""
    return tuple(_answer(below) for below in part.each())


def _answer(part: Part) -> AnswerRule:
    statuses = part.at("statuses").value
    return AnswerRule(
        statuses=frozenset(int(s) for s in statuses if isinstance(s, int))
        if isinstance(statuses, list)
        else frozenset(),
        where=tuple((pointer, frozenset(below.texts())) for pointer, below in part.at("where").items()),
        says=Says(part.at("says").text()),
        must_match=tuple((pointer, below.text()) for pointer, below in part.at("match").items()),
        reference=part.at("reference").text(),
        code=part.at("code").text(),
        message=part.at("message").text(),
        lost_because=part.at("lost_because").text(),
    )


@dataclass(frozen=True, slots=True)
class Contracts:
    """What the operations file gives: operations and queries by name, and each one's place for later checks."""

    operations: Mapping[str, Operation]
    places: Mapping[str, Part]
    templates: tuple[tuple[Part, Template], ...]


def contracts(
    file: Part, systems_file: Part, known: Mapping[str, System], problems: list[Problem], time_scale: float
) -> Contracts:
    """All operations of the set; queries are operations without an effect, asked by the ways that they name."""
    reader = _Reader(file, systems_file, known, problems, time_scale)
    queries = {name: reader.query(name, part) for name, part in file.at("queries").items()}
    effects = {name: reader.effect(name, part, queries) for name, part in file.at("operations").items()}
    places = {**dict(file.at("queries").items()), **dict(file.at("operations").items())}
    built = {name: query.operation for name, query in queries.items()} | effects
    return Contracts(built, places, tuple(reader.templates))


@dataclass(frozen=True, slots=True)
class _Query:
    operation: Operation
    ways: Mapping[str, LookUp]


class _Reader:
    """One pass over the operations, so that shared rows are read once and every template is remembered with its place."""

    def __init__(
        self, file: Part, systems_file: Part, known: Mapping[str, System], problems: list[Problem], time_scale: float
    ) -> None:
        self.known, self.problems, self.time_scale = known, problems, time_scale
        self.common = {kind: answers(file.at("common").at(kind)) for kind in ("effect", "query")}
        self.refusals = {code: answers(part.at("refusals")) for code, part in systems_file.at("systems").items()}
        self.templates: list[tuple[Part, Template]] = []

    def query(self, name: str, part: Part) -> _Query:
        """A look-up operation and the ways in which it can be asked."""
        read = answers(part.at("answers")) + self.common["query"]
        self._wrong_says(
            part,
            {Says.DONE, Says.REJECTED, Says.PENDING, Says.ABSENT, Says.LOST},
            "a look-up says done, rejected, pending, absent or lost",
        )
        ways = {method: LookUp(method, name, self._render(below), read) for method, below in part.at("ways").items()}
        operation = self._operation(
            name, part, effect=False, read=read, look_ups=(), render=next(iter(ways.values())).render
        )
        return _Query(operation, ways)

    def effect(self, name: str, part: Part, queries: Mapping[str, _Query]) -> Operation:
        """An operation that changes something, with its contract."""
        system = name.partition(".")[0]
        read = answers(part.at("answers")) + self.refusals.get(system, ()) + self.common["effect"]
        self._wrong_says(
            part,
            {Says.ACCEPTED, Says.DONE, Says.REJECTED, Says.PROGRESS, Says.NOT_SENT, Says.LOST},
            "an operation says accepted, done, rejected, progress, not_sent or lost",
        )
        looks = tuple(look for below in part.at("look_ups").each() for look in self._look_up(below, queries))
        render = self._render(part.at("request"))
        self._key_is_carried(part, render)
        self._success_is_checked(part)
        self._completion_fits(name, part)
        return self._operation(name, part, effect=part.at("effect").flag(), read=read, look_ups=looks, render=render)

    def _operation(
        self,
        name: str,
        part: Part,
        *,
        effect: bool,
        read: tuple[AnswerRule, ...],
        look_ups: tuple[LookUp, ...],
        render: Render,
    ) -> Operation:
        system = name.partition(".")[0]
        if system not in self.known:
            self.problems.append(
                part.wrong(f"{name}: no system is called {system!r}", nearest(system, self.known, "the systems are"))
            )
        policy, machine = self.time_scale, 1.0
        return Operation(
            name=name,
            system=system,
            effect=effect,
            moves_money_or_goods=part.at("moves_money_or_goods").flag(),
            completion=part.at("completion").text("answer"),
            render=render,
            answers=read,
            key_lives=None
            if part.at("key_lives").text(FOREVER) == FOREVER
            else duration(part.at("key_lives"), self.problems, machine),
            repeat=Repeat(part.at("repeat").text(Repeat.SAME_RESULT.value)),
            look_ups=look_ups,
            settle_window=duration(part.at("settle_window"), self.problems, policy) if effect else timedelta(0),
            second_look=duration(part.at("second_look"), self.problems, policy) if effect else timedelta(0),
            not_sent_statuses=_statuses(part.at("not_sent")),
            call_timeout=duration(part.at("call_timeout"), self.problems, machine, CALL_TIMEOUT_LEAST),
            object_fact="object",
        )

    def _look_up(self, part: Part, queries: Mapping[str, _Query]) -> tuple[LookUp, ...]:
        name, method = part.at("operation").text(), part.at("method").text()
        if name not in queries:
            self.problems.append(
                part.at("operation").wrong(f"no query is called {name!r}", nearest(name, queries, "the queries are"))
            )
            return ()
        ways = queries[name].ways
        if method not in ways:
            self.problems.append(
                part.at("method").wrong(f"{name} cannot be asked by {method!r}", nearest(method, ways, "its ways are"))
            )
            return ()
        return (ways[method],)

    def _render(self, part: Part) -> Template:
        built = template(part, self.problems)
        self.templates.append((part, built))
        return built

    def _key_is_carried(self, part: Part, render: Template) -> None:
        if part.at("repeat").text() != Repeat.UNSUPPORTED.value and "key" not in set(render.names()):
            self.problems.append(
                part.at("request").wrong(
                    "the request does not carry the key",
                    "put {key} where `key_in` says, or declare `repeat: unsupported`",
                )
            )

    def _success_is_checked(self, part: Part) -> None:
        for row in part.at("answers").each():
            missing = [fact for fact in ASKED if fact not in {below.text() for _, below in row.at("match").items()}]
            if row.at("says").text() in ("done", "accepted") and missing:
                self.problems.append(
                    row.wrong(
                        f"a success that is not checked for {' and '.join(missing)}",
                        "add `match: {/pointer: key, /pointer: object}`: a success about another object is none",
                    )
                )

    def _completion_fits(self, name: str, part: Part) -> None:
        system = self.known.get(name.partition(".")[0])
        if part.at("completion").text() == "callback" and system is not None and system.callback is None:
            self.problems.append(
                part.at("completion").wrong(
                    f"{system.code} has no callback",
                    f"give {system.code} a `callback` in systems, or say `completion: answer`",
                )
            )

    def _wrong_says(self, part: Part, allowed: set[Says], right: str) -> None:
        for row in part.at("answers").each():
            if Says(row.at("says").text()) not in allowed:
                self.problems.append(row.at("says").wrong(f"{row.at('says').text()!r} cannot be said here", right))


def _statuses(part: Part) -> frozenset[int]:
    if not isinstance(part.value, list):
        return frozenset(NOT_SENT_STATUSES)
    return frozenset(int(status) for status in part.value if isinstance(status, int))
