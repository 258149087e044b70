"""P5: what was altered, dropped, swapped, flipped or edited behind the journal's back is named by its place."""

from dataclasses import replace

import psycopg
import pytest
from tests.flows import orders as world

from fallsafe.core.access import system
from fallsafe.core.commands.outcome import Looked, Lost, Says
from fallsafe.flows import installation
from fallsafe.flows.context import Context
from fallsafe.store.anchors import Anchor, anchors_after
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
    "an event moved to another time": ("UPDATE journal SET at = at - interval '1 day' WHERE seq = 2", "seq 2"),
    "a disguised piece of evidence": ("UPDATE evidence SET source = 'CRM' WHERE kind = 'answer'", "evidence"),
    "a forgotten attempt": ("DELETE FROM attempts", "order"),
    "an attempt of another worker": ("UPDATE attempts SET worker = 'nobody'", "attempt 1 of command"),
    "an answer with another reading": ("UPDATE outcomes SET says = 'done' WHERE says = 'lost'", "outcome"),
}
CUT = """
WITH gone AS (DELETE FROM journal WHERE thing = 'anchor' RETURNING lane, seq),
     last AS (SELECT j.lane, j.seq, j.link FROM journal j JOIN gone g ON j.lane = g.lane AND j.seq = g.seq - 1)
UPDATE lanes SET seq = last.seq, link = last.link FROM last WHERE lanes.lane = last.lane
"""


async def play(store: Database, context: Context) -> None:
    """An order up to its first claimed commands, one of them lost and found."""
    await world.submit(store, context, world.drill())
    first, *_ = await world.claim(store, context)
    await world.answer(store, context, first, Lost("timeout"))
    for question in await world.look(store, context):
        await world.answer(store, context, question, Looked(Says.DONE, "R-1"))


async def set_anchor(store: Database) -> Anchor:
    """The next anchor, as every home keeps it."""
    await store.transact(lambda tx: installation.anchor(tx, system("keeper"), 0))
    (anchor,) = await anchors_after(store, 0)
    return anchor


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
            for table in ("journal", "evidence", "attempts", "outcomes"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            assert owner.execute(statement.encode()).rowcount > 0
        found = verify(owner_url).findings
        assert any(place in finding.where for finding in found), found


class WhenAnAnchorWasKeptOutside:
    """P5: a journal whose end was rewritten as a whole is right in itself."""

    async def test_it_covers_what_was_written_before_it(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        await play(store, context)
        anchor = await set_anchor(store)
        report = verify(owner_url, [anchor])
        assert (report.findings, report.anchored, report.records) == ((), anchor.total, anchor.total + 1)

    async def test_an_end_that_was_cut_off_is_seen(self, store: Database, context: Context, owner_url: str) -> None:
        await play(store, context)
        anchor = await set_anchor(store)
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("ALTER TABLE journal DISABLE TRIGGER ALL")
            assert owner.execute(CUT).rowcount == 1
        assert verify(owner_url).findings == ()
        assert [f.where for f in verify(owner_url, [anchor]).findings] == [f"anchor {anchor.number}"]

    async def test_records_that_were_forged_link_by_link_are_seen(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        await play(store, context)
        anchor = await set_anchor(store)
        forged = replace(anchor, root="00" * 32)
        assert [f.where for f in verify(owner_url, [forged]).findings] == [f"anchor {anchor.number}"]
