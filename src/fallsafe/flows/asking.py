"""What somebody asks for in the language of the queue, read with the words that the policy sets in force know.

A word counts that any set knows by which something here was judged: cases of an older set stay to be found.
"""

from collections.abc import Iterable, Mapping

from fallsafe.core.cases.query import CaseQuery, Known, Wrong, parse, token_text
from fallsafe.flows.context import Context
from fallsafe.store.queue import Asked


def known_of(context: Context) -> Known:
    """The words of the policy sets, by the key that they are values of."""
    sets = (*context.policies.values(), context.newest)
    return Known(
        {
            "owner": frozenset(word for each in sets for word in each.owners),
            "code": frozenset(word for each in sets for word in each.codes),
            "system": frozenset(word for each in sets for word in each.systems),
        }
    )


def ask(text: str, context: Context, me: str) -> Asked | tuple[Wrong, ...]:
    """A query as its text was given; what is wrong with it, where something is. `me` is the one who asks."""
    query = parse(text, known_of(context))
    return asked(query, context, me) if isinstance(query, CaseQuery) else query


def asked(query: CaseQuery, context: Context, me: str) -> Asked:
    """A query with all that it takes to find what it asks for."""
    return Asked(query, me, {code: known.title for code, known in context.newest.codes.items()})


def shorthand(given: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The parameters of §19 as tokens of the language: (the parameter's key, the token). `state=open` and `state=any`
    are the scope.
    """
    for key, text in given.items():
        values = [value.strip() for value in text.split(",") if value.strip()]
        if key == "state" and values in (["open"], ["any"]):
            yield key, f"is:{values[0]}"
        elif values:
            yield key, token_text(key, values)
