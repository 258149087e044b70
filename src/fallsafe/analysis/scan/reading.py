"""From files to events: every file by its own layout into one table of what happened, and what was left out of each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fallsafe.analysis.scan.layout import Layout, Role
from fallsafe.analysis.scan.meaning import MEANINGS_MAX, OTHER_KIND, Meaning, Phrase, interpret
from fallsafe.analysis.scan.profile import Profile
from fallsafe.analysis.scan.times import TimeForm, Written
from fallsafe.analysis.sources import Engine, LeftOut, Table
from fallsafe.analysis.sql import listed, literal, quoted, statement

COPIED = ("csv", "json lines", "json")
"""Formats whose rows were copied to be read; those of others are read where they are."""
SLOTS = 64
"""Into so many parts of about equal size orders fall, to be judged some at a time."""
COLUMNS = {
    "order_id": "VARCHAR", "item_id": "VARCHAR", "task_id": "VARCHAR", "meaning": "SMALLINT", "kind": "SMALLINT",
    "code": "TINYINT", "step": "TINYINT", "ts": "TIMESTAMP",
    "dated": "BOOLEAN", "due": "TIMESTAMP", "until": "TIMESTAMP", "team": "VARCHAR", "product": "VARCHAR",
    "customer": "VARCHAR", "sold": "DOUBLE", "listed": "DOUBLE", "quantity": "VARCHAR", "discontinued": "BOOLEAN",
    "line": "UBIGINT", "odd": "BOOLEAN", "slot": "UTINYINT",
}  # fmt: skip
"""All that can be known of an event, with its type."""
ALWAYS = frozenset({"order_id", "meaning", "kind", "code", "step", "ts", "line", "slot"})
_OF_ROLES = {
    "item_id": Role.ITEM, "task_id": Role.TASK_ID, "due": Role.DUE, "until": Role.UNTIL, "team": Role.GROUP,
    "product": Role.PRODUCT, "customer": Role.CUSTOMER, "sold": Role.SOLD_PRICE, "listed": Role.CATALOG_PRICE,
    "quantity": Role.QUANTITY, "discontinued": Role.DISCONTINUED,
}  # fmt: skip
_MADE = {
    "meaning": "coalesce(m.no, 0)", "kind": f"coalesce(m.kind, {OTHER_KIND})", "code": "coalesce(m.code, 0)",
    "step": "coalesce(m.step, 0)", "slot": f"(hash(e.order_id) % {SLOTS})::UTINYINT",
}  # fmt: skip
_NO_TIME = "not a time, or a day that does not exist"


@dataclass(frozen=True, slots=True)
class File:
    """An opened file with what was recognized in it."""

    table: Table
    layout: Layout


def settled(engine: Engine, file: File) -> File:
    """The same file with its doubts about day and month looked up in all rows, where the sample left them open."""
    layout = file.layout
    forms = {c.name: c.form for c in (*layout.roles.values(), *(c for _, c in layout.dates)) if c.form is not None}
    doubtful = [
        c for c in (*layout.roles.values(), *(c for _, c in layout.dates)) if (f := forms.get(c.name)) and f.ambiguous
    ]
    if not doubtful:
        return file
    day_first = layout.day_first if layout.day_first is not None else _told_by_rows(engine, file.table, doubtful)
    unsure = layout.unsure
    if day_first is None:
        guess = (
            "day"
            if "%d" in _first(doubtful[0]) and _first(doubtful[0]).find("%d") < _first(doubtful[0]).find("%m")
            else "month"
        )
        unsure = (
            *unsure,
            f"nothing tells day from month in {doubtful[0].name!r}; the {guess} was taken to stand first",
        )
    return replace(file, layout=replace(layout, day_first=day_first, unsure=unsure))


def _first(column: Profile) -> str:
    return column.form.formats[0] if column.form is not None and column.form.formats else ""


def _told_by_rows(engine: Engine, table: Table, columns: Sequence[Profile]) -> bool | None:
    """Whether the day stands first, from the rows that only one reading fits; None where all rows fit both."""
    for column in columns:
        form = column.form
        assert form is not None
        day = form if _day_first(form) else form.swapped()
        counts = engine.connection.execute(
            statement(
                "scan/count_both_ways",
                day_first=day.expression(column.text),
                month_first=day.swapped().expression(column.text),
                relation=table.relation,
            )
        ).fetchone()
        assert counts is not None
        if counts[0] != counts[1]:
            return bool(counts[0] > counts[1])
    return None


def _day_first(form: TimeForm) -> bool:
    first = form.formats[0] if form.formats else ""
    return "%m" not in first or first.find("%d") < first.find("%m")


def _phrases(engine: Engine, file: File) -> Iterator[Phrase]:
    """All phrases of a file. `Unreadable` where it cannot be read to its end."""
    layout = file.layout
    kind = _text(layout, Role.TASK)
    raw = _text(layout, Role.EVENT) if layout.is_log or layout.has(Role.EVENT) else "NULL"
    text = statement("scan/phrases_of_log", type=kind, raw=raw, relation=file.table.relation, most=str(MEANINGS_MAX))
    found = [Phrase(*row) for row in engine.rows_of(file.table, text)]
    if layout.is_log:
        yield from found
        return
    for kind_name in dict.fromkeys(p.type for p in found):
        rows = sum(p.rows for p in found if p.type == kind_name)
        yield from (Phrase(kind_name, _date_word(key), rows) for key, _ in layout.dates)
    yield from (p for p in found if p.raw)


def _date_word(key: str) -> str:
    """What the event of a date is called: the date's key, of which each is a word of its own."""
    return key


def kept_of(files: Sequence[File]) -> tuple[str, ...]:
    """The columns of `event`: what is asked of every event, and what any of the files has besides."""
    there = {name for name, role in _OF_ROLES.items() if any(f.layout.has(role) for f in files)}
    there |= {"dated"} if not all(f.layout.is_log for f in files) else set()
    there |= {"odd"} if any(_may_be_odd(f.layout) for f in files) else set()
    return tuple(name for name in COLUMNS if name in ALWAYS | there)


def read_events(engine: Engine, files: Sequence[File]) -> tuple[tuple[Meaning, ...], tuple[LeftOut, ...]]:
    """Fills `event` and `meaning` from all files; gives the meanings, and what was left out of each file."""
    meanings = interpret(p for file in files for p in _phrases(engine, file))
    kept = kept_of(files)
    columns = listed(f"{name} {COLUMNS[name]}" for name in kept)
    engine.connection.execute(statement("scan/make_event", columns=columns))
    engine.connection.execute(
        statement("scan/make_meaning"),
        {
            "no": [m.no for m in meanings],
            "type": [m.type for m in meanings],
            "raw": [m.raw for m in meanings],
            "kind": [m.kind for m in meanings],
            "name": [m.name for m in meanings],
            "code": [int(m.word) for m in meanings],
            "step": [m.step for m in meanings],
            "bit": [m.bit for m in meanings],
            "kind_bit": [m.kind_bit for m in meanings],
        },
    )
    return meanings, tuple(part for file in files for part in _taken(engine, file, kept))


def _taken(engine: Engine, file: File, kept: Sequence[str]) -> list[LeftOut]:
    """Reads a file into `event` and gives what was left out; its own rows are let go, where they are a table here."""
    inserted = _insert(engine, file, kept)
    if file.table.account is not None:
        rows, left_out_of_file = file.table.account(inserted)
        file = replace(file, table=replace(file.table, rows=rows, left_out=left_out_of_file))
    left_out = list(_unread(engine, file, inserted))
    if file.table.format in COPIED and file.table.account is None:
        engine.drop(file.table.relation)
    return left_out


def _insert(engine: Engine, file: File, kept: Sequence[str]) -> int:
    """Reads a file into `event`; gives the number of its events."""
    layout, relation = file.layout, file.table.relation
    gaps = {
        "kept": listed(_MADE.get(name, f"e.{name}") for name in kept),
        "columns": listed(f"{expression} AS {name}" for name, expression in _columns(file) if name in kept),
        "type": _text(layout, Role.TASK),
        "relation": relation,
    }
    if layout.is_log:
        text = statement("scan/read_log", raw=_text(layout, Role.EVENT), **gaps)
    else:
        text = statement("scan/read_table", steps=", ".join(_steps(layout)), **gaps)
    with engine.in_any_order(), engine.as_written():
        inserted = engine.connection.execute(text).fetchone()
    return int(inserted[0]) if inserted else 0


def _columns(file: File) -> Iterator[tuple[str, str]]:
    layout = file.layout
    yield "order_id", _text(layout, Role.ORDER)
    yield "item_id", _text(layout, Role.ITEM)
    yield "task_id", _text(layout, Role.TASK_ID)
    if layout.is_log:
        yield "ts", _time(layout, Role.TIME)
    yield "due", _time(layout, Role.DUE)
    yield "until", _time(layout, Role.UNTIL)
    yield "team", _text(layout, Role.GROUP)
    yield "product", _text(layout, Role.PRODUCT)
    yield "customer", _text(layout, Role.CUSTOMER)
    yield "sold", _number(layout, Role.SOLD_PRICE)
    yield "listed", _number(layout, Role.CATALOG_PRICE)
    yield "quantity", _text(layout, Role.QUANTITY)
    yield "discontinued", _truth(layout)
    yield "line", f"hash({', '.join(_telling(file))})"
    yield "odd", " OR ".join(_is_odd(layout, c) for c in _may_be_odd(layout)) or "FALSE"


def _may_be_odd(layout: Layout) -> list[Profile]:
    """Columns of times of which one may be unreadable while the rest of its row is used."""
    columns = [c for r, c in layout.roles.items() if r in (Role.DUE, Role.UNTIL)] + [c for _, c in layout.dates]
    return [c for c in columns if form_in(layout, c).written is not Written.NATIVE]


def _is_odd(layout: Layout, column: Profile) -> str:
    return f"(nullif({column.text}, '') IS NOT NULL AND {_expression(layout, column)} IS NULL)"


def _telling(file: File) -> Iterator[str]:
    """The columns in which two rows must be the same to be one row written twice: all but a number of the row itself,
    where times are fine enough to tell rows apart without it.
    """
    layout = file.layout
    used = {c.name for c in (*layout.roles.values(), *(c for _, c in layout.dates))}
    fine = not any(form_in(layout, c).day_only for r, c in layout.roles.items() if r is Role.TIME)
    for column in file.table.columns:
        if not (fine and layout.is_log and column.name not in used and column.name in layout.unique):
            yield quoted(column.name)


def _quoted(file: File) -> Iterable[str]:
    return (quoted(c.name) for c in file.table.columns)


def _steps(layout: Layout) -> Iterator[str]:
    """The events of a row of a table: its dates, and its state."""
    dates = [_expression(layout, column) for _, column in layout.dates]
    for (key, _), at in zip(layout.dates, dates, strict=True):
        yield f"{{'raw': {literal(key)}, 'ts': {at}, 'dated': TRUE}}"
    if layout.has(Role.EVENT):
        latest = f"greatest({', '.join(dates)})"
        changed = _time(layout, Role.TIME) if layout.has(Role.TIME) else "NULL::TIMESTAMP"
        state = _text(layout, Role.EVENT)
        yield f"{{'raw': {state}, 'ts': coalesce({changed}, {latest}), 'dated': {changed} IS NOT NULL}}"


def _text(layout: Layout, role: Role) -> str:
    column = layout.roles.get(role)
    return f"nullif({column.text}, '')" if column is not None else "NULL::VARCHAR"


def _time(layout: Layout, role: Role) -> str:
    column = layout.roles.get(role)
    return _expression(layout, column) if column is not None else "NULL::TIMESTAMP"


def _expression(layout: Layout, column: Profile) -> str:
    form = form_in(layout, column)
    text = column.raw if form.written is Written.NATIVE else column.text
    return f"({form.expression(text, layout.zone)})::TIMESTAMP"


def form_in(layout: Layout, column: Profile) -> TimeForm:
    """How a column's times are read in this file; a column without times gives none."""
    form = column.form or TimeForm(Written.ISO)
    turn = form.ambiguous and layout.day_first is not None and _day_first(form) != layout.day_first
    return form.swapped() if turn else form


def _number(layout: Layout, role: Role) -> str:
    column = layout.roles.get(role)
    return f"TRY_CAST(replace({column.text}, ',', '.') AS DOUBLE)" if column is not None else "NULL::DOUBLE"


def _truth(layout: Layout) -> str:
    column = layout.roles.get(Role.DISCONTINUED)
    if column is None:
        return "NULL::BOOLEAN"
    return f"lower({column.text}) IN ('1', 'true', 'yes', 'y', 't', 'ja')"


def _unread(engine: Engine, file: File, inserted: int) -> Iterator[LeftOut]:
    """What of a file was left out, by its reader and here, with the number of rows and an example."""
    yield from file.table.left_out
    layout = file.layout
    if not layout.is_log or inserted < file.table.rows:
        yield from _whole_rows(engine, file)
    odd = _may_be_odd(layout)
    if not odd or engine.connection.execute(statement("scan/any_odd")).fetchone() is None:
        return
    for column in odd:
        wrong = literal(f"{column.name}: {_NO_TIME}; the rest of the row was used")
        why = f"CASE WHEN {_is_odd(layout, column)} AND {_is_used(layout)} THEN {wrong} END"
        yield from _counted(engine, file, why, f"left({column.text}, 60)")


def _is_used(layout: Layout) -> str:
    """Whether anything of a row became an event, as SQL."""
    times = [_time(layout, Role.TIME)] if layout.is_log else [_expression(layout, c) for _, c in layout.dates]
    return f"{_text(layout, Role.ORDER)} IS NOT NULL AND coalesce({', '.join(times)}) IS NOT NULL"


def _whole_rows(engine: Engine, file: File) -> Iterator[LeftOut]:
    layout = file.layout
    order = _text(layout, Role.ORDER)
    example = f"left(concat_ws(', ', {', '.join(_quoted(file))}), 120)"
    cases = [f"WHEN {order} IS NULL THEN 'no order number'"]
    if layout.is_log:
        column = layout.roles[Role.TIME]
        cases += [
            f"WHEN nullif({column.text}, '') IS NULL THEN 'no time'",
            f"WHEN {_time(layout, Role.TIME)} IS NULL THEN {literal(f'{column.name}: {_NO_TIME}')}",
        ]
    else:
        known = [f"{_expression(layout, c)} IS NOT NULL" for _, c in layout.dates]
        cases += [f"WHEN NOT ({' OR '.join(known)}) THEN 'no date that can be read'"]
    yield from _counted(engine, file, f"CASE {' '.join(cases)} END", example)


def _counted(engine: Engine, file: File, why: str, example: str) -> Iterator[LeftOut]:
    text = statement("scan/count_unread", why=why, example=example, relation=file.table.relation)
    for reason, rows, one in engine.connection.execute(text).fetchall():
        yield LeftOut(f"{file.table.place}: {reason}", rows, (one,) if one else ())
