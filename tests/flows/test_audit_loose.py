"""P5 beyond the orders: whoever edits a token, a policy set, a callback or a personal value behind the journal is found
out, and so is a state that no lifecycle leads to.
"""

import json
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from tests.flows.test_callbacks import apply, every_try, loose_cases, receive, said
from tests.flows.test_s26_thread import OPERATOR, lost

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CaseState
from fallsafe.core.cases.work import Refer
from fallsafe.core.commands.ledger import CommandState
from fallsafe.flows import access, casework, policy
from fallsafe.flows.context import Context
from fallsafe.security.tokens import digest_of
from fallsafe.store.audit import verify
from fallsafe.store.audit_loose import in_order
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Why

ADMIN = Actor("person", "boss", frozenset({"admin"}))
LONG_AGO = "2020-01-01T00:00:00Z"
HARM = {
    "a callback that was taken away": ("DELETE FROM inbox", "callback"),
    "a callback that is to be forgotten": ("UPDATE inbox SET state = 'applied'", "callback"),
    "a callback that nobody sent": (
        """INSERT INTO inbox SELECT id + 1, system, 'EV-X', key, order_id, evidence_id, evidence_order_id, received_at,
           0, state FROM inbox LIMIT 1""",
        "callback",
    ),
    "a token with more rights": ("UPDATE tokens SET roles = '{admin}' WHERE person = 'reader'", "token"),
    "a token that lives again": ("UPDATE tokens SET revoked_at = NULL", "token"),
    "a token of somebody else": ("UPDATE tokens SET digest = 'ab' WHERE person = 'reader'", "token"),
    "a token that nobody made": (
        "INSERT INTO tokens SELECT 7, kind, 'nobody', actor_kind, roles, 'cd', created_at FROM tokens LIMIT 1",
        "token 7",
    ),
    "a person with more rights": ("UPDATE people SET roles = '{admin}'", "person you"),
    "other rules under the same name": (
        """UPDATE policy_sets SET files = jsonb_set(files, '{retry.yaml}', '"policies: {}"')""",
        "policy set telco",
    ),
    "an installation that is made to send": ("UPDATE installation SET rewinds = 3", "installation"),
    "a personal value of another order": (
        "UPDATE personal SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20)) WHERE path LIKE 'parties%%'",
        "order",
    ),
    "a personal value that was taken away": ("DELETE FROM personal WHERE path LIKE 'items%%'", "order"),
    "an order that is put back": ("UPDATE orders SET version = version - 1", "order"),
    "an order with another last record": (f"UPDATE orders SET last_at = '{LONG_AGO}'", "order"),
}


async def play(store: Database, context: Context) -> int:
    """An order with an unknown outcome, two callbacks, two tokens, a person, and a published set."""
    order_id, _ = await lost(store, context)
    await receive(store, context, said(status="IN_PROGRESS"), said("EV-2", key="CRM/0/x"))
    await apply(store, context)

    async def people(tx: Tx) -> None:
        for name in ("reader", "gone"):
            made = await access.create_token(
                tx,
                context,
                person=name,
                actor_kind="machine",
                roles=["support"],
                digest=digest_of(name),
                expires_at=await tx.now(),
                actor=ADMIN,
            )
        await access.revoke_token(tx, made.id, ADMIN, "left")
        await access.ensure_person(tx, "you", "You", ["operator"], ADMIN)
        await policy.publish(tx, context.newest, ADMIN, "first")

    await store.transact(people)
    return order_id


class WhenWhatStandsWithoutAnOrderIsVerified:
    async def test_untouched_it_has_no_finding(self, store: Database, context: Context, owner_url: str) -> None:
        await play(store, context)
        assert verify(owner_url).findings == ()

    @pytest.mark.parametrize("harm", HARM)
    async def test_the_place_of_what_was_changed_is_named(
        self, store: Database, context: Context, owner_url: str, harm: str
    ) -> None:
        await play(store, context)
        statement, place = HARM[harm]
        with psycopg.connect(owner_url, autocommit=True) as owner:
            assert owner.execute(statement.replace("%%", "%").encode()).rowcount > 0
        found = verify(owner_url).findings
        assert found and all(place in finding.where for finding in found), found


class WhenAStateComesFromNowhere:
    """The journal is folded through the lifecycle tables, not only through its own words."""

    async def test_a_command_that_no_verb_leads_there_is_named(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        order_id = await play(store, context)

        async def forge(tx: Tx) -> None:
            (order,) = await tx.lock([order_id])
            command = next(c for c in order.commands.values() if c.state is CommandState.ACCEPTED)
            order.put(replace(command, state=CommandState.INTENDED), "send_again", Why(OPERATOR, "once more"))

        await store.transact(forge)
        (found,) = verify(owner_url).findings
        assert f"order {order_id} version" in found.where
        assert "send_again leads from accepted to intended" in found.what

    async def test_nor_is_a_case_ended_by_a_verb_that_does_not_end_it(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        order_id = await play(store, context)

        async def forge(tx: Tx) -> None:
            (order,) = await tx.lock([order_id])
            (case, *_) = order.cases.values()
            order.put(replace(case, state=CaseState.CLOSED), "close", Why(OPERATOR, "done with it"))

        await store.transact(forge)
        assert any("close leads from" in finding.what for finding in verify(owner_url).findings)


class WhenTheClockWasSetBack:
    async def test_the_records_of_a_case_without_an_order_keep_their_order(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        await receive(store, context, said("EV-8", key="CRM/404/x"))
        await every_try(store, context)
        (case,) = await loose_cases(store)
        for n in range(3):

            async def refer(tx: Tx, n: int = n) -> None:
                tx._now = await tx.now() - timedelta(hours=n)
                await casework.work(tx, context, [case.id], OPERATOR, Refer("JIRA", f"NET-{n}"), "they know")

            await store.transact(refer)
        with psycopg.connect(owner_url) as connection:
            told = connection.execute("SELECT payload FROM journal WHERE order_id = 0 ORDER BY seq DESC").fetchall()
        backwards = [
            json.loads(payload) | {"at": f"2026-01-01T{n:02}:00:00.000000Z"} for n, (payload,) in enumerate(told)
        ]
        handled = [one["delta"]["handling"] for one in in_order(backwards) if one["verb"] == "refer"]
        assert [len(handling["tickets"]) for handling in handled] == [1, 2, 3]
