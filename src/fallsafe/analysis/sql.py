"""How statements of the analysis are found and filled in: one a file under `queries/`, named by its verb.

Tables and columns come from other people's files, so statements have gaps, `{like_this}`, that are filled with text
made by `quoted` and `literal` or with expressions built from them; nothing else may be put into a gap.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

QUERIES = Path(__file__).with_name("queries")
GAP = re.compile(r"\{([a-z_]+)\}")


def quoted(name: str) -> str:
    """A name of a table or column as SQL writes it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def listed(parts: Iterable[str]) -> str:
    """Parts of a list, a line each, so that a statement that fails can be read."""
    return ",\n    ".join(parts)


@cache
def _template(name: str) -> str:
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def statement(name: str, **gaps: str) -> str:
    """The statement in `queries/<name>.sql` with its gaps filled. A gap without a filling is a `KeyError`."""
    return GAP.sub(lambda gap: gaps[gap[1]], _template(name))
