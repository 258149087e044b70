"""P5: what was altered, dropped, swapped, flipped or edited behind the journal's back is named by its place."""

import psycopg
import pytest
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Looked, Lost, Says
from fallsafe.flows.context import Context
from fallsafe.store.audit import verify
from fallsafe.store.tx import Database

# What somebody with the owner's rights does behind the product's back, and where it must be found.
HARM = {
    "an altered event": (
        "UPDATE journal SET payload = replace(payload, 'taken in', 'slipped in') WHERE lane = 0 AND seq = 1",
        "seq 1",
    ),
    "a dropped event": ("DELETE FROM journal WHERE lane = 0 AND seq = 3", "seq 4"),
    "two swapped events": (
        "UPDATE journal a SET payload = b.payload FROM journal b WHERE a.seq IN (5, 6) AND b.seq = 11 - a.seq",
        "seq 5",
    ),
    "a flipped byte of evidence": (
        "UPDATE evidence SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20)) WHERE kind = 'order'",
        "evidence",
    ),
    "an edited row": ("UPDATE orders SET segment = 'business'", "order"),
}


async def play(store: Database, context: Context) -> None:
    """An order up to its first claimed commands, one of them lost and found."""
    await world.submit(store, context, world.drill())
    first, *_ = await world.claim(store, context)
    await world.answer(store, context, first, Lost("timeout"))
    for question in await world.look(store, context):
        await world.answer(store, context, question, Looked(Says.DONE, "R-1"))


class WhenTheJournalIsVerified:
    """§9.1, §20."""

    async def test_an_untouched_one_has_no_finding(self, store: Database, context: Context, owner_url: str) -> None:
        await play(store, context)
        report = verify(owner_url)
        assert report.findings == ()
        assert report.records > 40
        assert report.evidence >= 4

    @pytest.mark.parametrize("harm", HARM)
    async def test_the_place_of_what_was_changed_is_named(
        self, store: Database, context: Context, owner_url: str, harm: str
    ) -> None:
        await play(store, context)
        statement, place = HARM[harm]
        with psycopg.connect(owner_url, autocommit=True) as owner:
            for table in ("journal", "evidence"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            assert owner.execute(statement.encode()).rowcount > 0
        found = verify(owner_url).findings
        assert any(place in finding.where for finding in found), found
