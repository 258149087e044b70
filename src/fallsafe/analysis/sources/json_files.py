"""JSON lines, or an array of objects: each object is a row, each of its names a column, in the order they appear.

Every value becomes a text, as in delimited files, so that long numbers keep all their digits; objects and lists stay
JSON. A line that is no object is left out and counted.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from fallsafe.analysis.sources.delimited import unique
from fallsafe.analysis.sources.delimited_files import rows_of_lines, rows_of_pipe
from fallsafe.analysis.sources.encoded import NAMES, Decoded, Head
from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.json_stream import Broken, JsonStream, lines
from fallsafe.analysis.sources.kinds import columns_of
from fallsafe.analysis.sources.table import LeftOut, Table, Unreadable
from fallsafe.analysis.sql import listed, literal, quoted, statement

NAMES_MAX = 1000


def read(engine: Engine, path: Path, head: Head, encoding: str) -> Table:
    """The rows of a file of JSON. `Unreadable` where no line of it is an object."""
    decoded = Decoded(path, head.compression, encoding)
    broken: list[LeftOut] = []
    if _a_line_each(head, encoding):
        raw = rows_of_lines(engine, path, head.compression, encoding)
        form = "json lines"
    elif head.compression == "zstd":
        raise Unreadable(f"{path} is compressed with zstd and has no object a line; unpack it first: unzstd {path}")
    else:
        raw = rows_of_pipe(engine, path, lambda: lines(_values(decoded, broken)))
        form = "json"
    said = (f"read as {NAMES.get(encoding, encoding)}",) if encoding != "utf-8" else ()
    return table_of_objects(engine, path, raw, form, said, broken)


def _a_line_each(head: Head, encoding: str) -> bool:
    first = head.data.decode(encoding, "replace").lstrip("\ufeff \r\n\t").split("\n", 1)[0]
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _values(decoded: Decoded, broken: list[LeftOut]) -> Iterator[object]:
    stream = JsonStream(iter(decoded))
    try:
        if stream.peek() == "[":
            yield from stream.elements()
        else:
            while stream.peek():
                yield stream.value()
    except Broken as error:
        broken.append(LeftOut(f"what comes after the last row: it is no JSON ({error})", 0))


def table_of_objects(
    engine: Engine, path: Path, raw: Table, form: str, understood: Sequence[str], broken: Sequence[LeftOut]
) -> Table:
    """A table of the objects in the lines of `raw`, which is dropped."""
    con = engine.connection
    wrong, examples = con.execute(statement("sources/count_no_objects", relation=raw.relation)).fetchone() or (0, [])
    names = [name for (name,) in con.execute(statement("sources/names_in_json", relation=raw.relation)).fetchall()]
    if not names:
        raise Unreadable(f"{path} has no line that is a JSON object")
    if len(names) > NAMES_MAX:
        raise Unreadable(f"the objects of {path} have {len(names)} different names; {NAMES_MAX} columns are the most")
    called, renamed = unique(names)
    relation = engine.new_relation()
    con.execute(
        statement(
            "sources/rows_of_json",
            relation=relation,
            lines=raw.relation,
            paths=listed(literal(pointer(name)) for name in names),
            values=listed(f"found[{n}] AS {quoted(name)}" for n, name in enumerate(called, 1)),
        )
    )
    engine.drop(raw.relation)
    columns, said = columns_of(engine, relation, names)
    left_out = [*raw.left_out, *([LeftOut("lines that are no JSON object", wrong, tuple(examples))] if wrong else [])]
    sentences = (*understood, f"{len(names)} columns", *renamed, *said)
    rows = engine.count(relation)
    return Table(relation, str(path), form, columns, rows, sentences, (*left_out, *broken))


def pointer(name: str) -> str:
    """A name as a JSON pointer, which has an answer for every character."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
