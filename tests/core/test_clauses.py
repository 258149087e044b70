"""What of a deal a request may change, who may agree to it, and what was done for the former one (§9.3, §18)."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core.test_repairs import a_scene, refusals
from tests.core.things import MINUTE, NOW, a_command, a_task, an_item, an_order

from fallsafe.core.access import Actor, system
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import stored_approvals
from fallsafe.core.orders.snapshot import fingerprint
from fallsafe.core.orders.task import TaskState
from fallsafe.core.repair import clauses
from fallsafe.core.repair.actions import cancel_and_reorder, correct, request_amendment, resend_same_key, thaw
from fallsafe.core.repair.amendment import REORDER, Amendment, AmendmentState
from fallsafe.core.repair.approval import is_same
from fallsafe.core.repair.catalogue import RepairAction

CONTENT: dict[str, Json] = {
    "customerRef": "CU-1",
    "committedAt": "2027-03-01T10:00:00.000000Z",
    "quote": {"id": "Q-1", "discountPercent": 5},
    "parties": [{"role": "customer", "ref": "CU-1", "person": {"personal": "parties/0/person", "digest": "d"}}],
    "items": [
        {"externalId": "fiber", "offer": "FIBER", "monthlyMinor": 4_500, "oneOffMinor": -100, "quantity": 1},
        {"externalId": "router", "offer": "ROUTER", "monthlyMinor": 8_999_999_999_990_000},
    ],
}
SOLD = frozenset({"FIBER", "FIBER-2G", "ROUTER"})


class WhenAClauseIsToChange:
    """An accepted change stands in the columns of an order: what no order may say is refused before it is asked for."""

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("offer", True, "the name of an offer"),
            ("offer", "NO-SUCH", "the catalog does not sell"),
            ("quantity", 3_000_000_000, "from 1 to 1,000,000"),
            ("quantity", -3, "from 1 to 1,000,000"),
            ("quantity", 1.5, "from 1 to 1,000,000"),
            ("quantity", True, "from 1 to 1,000,000"),
            ("termMonths", 2**40, "from 0 to 1,200"),
            ("termMonths", -5, "from 0 to 1,200"),
            ("monthlyMinor", -4_500, "does not become a credit"),
            ("monthlyMinor", "45", "minor units"),
            ("monthlyMinor", 9_000_000_000_000_000, "add up to more than"),
            ("currency", 7, "three capital letters"),
            ("currency", "Euro", "three capital letters"),
            ("regulated", "perhaps", "true or false"),
            ("committedAt", "2027-04-01T00:00:00", "an instant with its zone"),
            ("committedAt", "2016-12-31T23:59:60Z", "an instant with its zone"),
            ("timeZone", "Mars/Base", "a name like"),
            ("customerRef", " ", "the reference of a customer"),
            ("quote.discountPercent", 101, "from 0 to 100"),
            ("customer.name", 7, "has to be a text"),
            ("oneOffMinor", -200, ""),
            ("offer", "FIBER-2G", ""),
            ("quantity", 1_000_000, ""),
            ("regulated", True, ""),
            ("committedAt", "2027-04-01T00:00:00+07:00", ""),
            ("customerRef", "CU-9", ""),
            ("customer.name", "Other Ltd", ""),
            ("quote.discountPercent", 12.5, ""),
            ("characteristics.profile", "2G", ""),
        ],
    )
    def test_it_may_be_what_an_order_may_say(self, name: str, value: Json, says: str) -> None:
        assert clauses.is_clause(name)
        wrong = clauses.wrong({name: value}, CONTENT, "fiber", SOLD)
        assert len(wrong) == bool(says) and all(says in one and one.startswith(("the amounts", name)) for one in wrong)

    @pytest.mark.parametrize(
        "name", ["place.", "characteristics.", "characteristics.a.b", "parties", "action", "items"]
    )
    def test_what_is_no_clause_is_named_with_those_that_are(self, name: str) -> None:
        scene = a_scene(order=an_order(snapshot=CONTENT), offers=SOLD)
        plan = request_amendment(scene, MEND, {"changes": {name: "x"}})
        (strange,) = [c for c in plan.conditions if c.code == "NO_SUCH_CLAUSE"]
        assert name in strange.why and "customerRef" in strange.hint and "quote.<name>" in strange.hint

    def test_one_of_the_order_needs_no_item_and_stands_in_the_order(self) -> None:
        wanted: dict[str, Json] = {
            "customerRef": "CU-9", "committedAt": "2027-04-01T00:00:00+07:00", "quote.discountPercent": 25,
        }  # fmt: skip
        scene = a_scene(order=an_order(snapshot=CONTENT), item=None, offers=SOLD)
        plan = request_amendment(scene, MEND, {"changes": wanted, "item": "none"})
        assert all(c.met for c in plan.conditions)
        assert {c.name: c.new for c in plan.changes} == {
            "customerRef": "CU-9", "committedAt": "2027-03-31T17:00:00.000000Z",
            "quote": {"id": "Q-1", "discountPercent": 25},
        }  # fmt: skip
        assert {c.title.rpartition("needs ")[2] for c in plan.changes} == {
            "contract amendment", "customer re-acceptance", "quote revision",
        }  # fmt: skip
        person = {"personal": "parties/0/person/AM-1", "digest": "e"}
        other = clauses.amended(CONTENT, "", {"customer.name": "Other Ltd"}, None, person)
        assert other["parties"][0] == {"role": "customer", "ref": "CU-1", "person": person}  # type: ignore[index, call-overload]

    def test_a_name_is_that_of_the_person_who_was_accepted_however_often_it_was_corrected(self) -> None:
        action = replace(MEND, corrects={"name": "customer.name"}, fields={"customer.name": "sensitive"})
        for now, wanted, refused in (
            ("Sari Wulandri", "Sari Wulandari", False),
            ("Marin Wulandono", "Marin Wurandono", True),
        ):
            command = a_command(order_id=1)
            scene = a_scene(command, values={"customer.name": now}, accepted_name="Sari Wulandri")
            codes = refusals(correct, scene, {"name": wanted}, action)
            assert (codes.get("same_person") == "BUSINESS_CORRECTION") is refused


MEND = RepairAction("X", "Mend it", "business", "medium", ("operator",), "", False, True, does="X")
READS = {
    "PRV.activateService": frozenset({"item.characteristics.profile", "results.normalizeAddress.reference"}),
    "ADR.normalize": frozenset({"item.place.street"}),
    "CRM.createAccount": frozenset({"order.customerRef"}),
    "WHS.reserve": frozenset({"item.offer"}),
}


class WhenSomethingWasDoneForTheFormerDeal:
    """§18.2: what exists outside is what was agreed before."""

    @pytest.mark.parametrize(
        ("paths", "found"),
        [
            (["items/fiber/characteristics/profile"], {"activate"}),
            (["items/fiber/place"], {"normalizeAddress", "activate"}),
            (["customerRef"], {"account"}),
            (["items/router/offer"], {"reserve"}),
            (["items/fiber/offer", "items/fiber/termMonths", "committedAt"], set()),
        ],
    )
    def test_it_is_found_by_what_its_request_said_and_by_what_that_came_from(
        self, paths: list[str], found: set[str]
    ) -> None:
        items = {1: an_item("fiber"), 2: an_item("router", id=2)}
        done: dict[str, Any] = {"completed_at": NOW}
        tasks = {
            1: a_task(1, TaskState.COMPLETED, step="normalizeAddress", operation="ADR.normalize", **done),
            2: a_task(2, TaskState.UNKNOWN, step="activate", depends_on=(1,)),
            3: a_task(3, TaskState.COMPLETED, step="account", operation="CRM.createAccount", item_id=2, **done),
            4: a_task(4, TaskState.READY, step="reserve", operation="WHS.reserve", item_id=2),
            5: a_task(5, TaskState.FAILED, step="again", item_id=1),
        }
        begun = clauses.done_for(paths, items, tasks, {4}, READS)
        assert {t.step for t in begun} == found
        assert all(t.id != 4 for t in clauses.done_for(paths, items, tasks, (), READS))

    def test_what_was_written_for_it_is_not_sent_again(self) -> None:
        command = a_command(order_id=1, attempts=1, request_evidence_id=7)
        assert refusals(resend_same_key, a_scene(command, outdated=an_amendment()), {})["current"] == "AGREED_ANEW"
        accepted, after = an_amendment(), NOW + 2 * MINUTE
        later = replace(command, intended_at=after, first_sent_at=None)
        sent_later, unwritten = replace(command, first_sent_at=after), replace(command, request_evidence_id=None)
        for one, changed in ((command, accepted), (later, None), (sent_later, None), (unwritten, None)):
            assert clauses.outdated_by(one, a_task(), an_item(), [accepted], READS) is changed


def an_amendment(state: AmendmentState = AmendmentState.ACCEPTED, **changes: Any) -> Amendment:
    """A change of the profile, answered a minute after NOW."""
    known: dict[str, Any] = dict.fromkeys(Amendment.__dataclass_fields__)
    known |= {"id": 5, "kind": "amend", "state": state, "answered_at": NOW + MINUTE}
    return Amendment(**{**known, "diff": [{"name": "items/fiber/characteristics/profile"}], **changes})


class WhenAChangeNamesItsQuote:
    """What was approved for one content is not approved for another, whatever the request says that it is called."""

    @pytest.mark.parametrize(
        ("named", "counts"), [("q1", False), (fingerprint(CONTENT), False), ("q2", True), (None, False)]
    )
    def test_an_approval_counts_for_it_unless_that_named_what_was_agreed_before(
        self, named: Json, counts: bool
    ) -> None:
        quote: Json = {"id": "Q-2", "fingerprint": named}
        before = [CONTENT, {**CONTENT, "quote": {"fingerprint": "q1"}}]
        assert clauses.quoted_anew(quote, before) == (quote if counts else None)


class WhenTheOrderIsToBeOrderedAnew:
    """P2: what is left of it never goes on beside the other order."""

    @pytest.mark.parametrize("state", [AmendmentState.HANDED_OFF, AmendmentState.ACCEPTED])
    def test_nobody_lets_it_go_on_before_that_was_declined(self, state: AmendmentState) -> None:
        by: Json = {"source": "CRM", "externalId": "778"}
        one = an_amendment(state, kind=REORDER, replaced_by=by)
        for mark in ("reorder", "upstream"):
            scene = a_scene(order=an_order(frozen={"by": mark}), reorder=one)
            (wrong,) = [c for c in thaw(scene, MEND, {"what": "order"}).conditions if not c.met]
            assert wrong.code == "REORDERED" and "CRM:778" in wrong.why and wrong.hint
        assert refusals(cancel_and_reorder, a_scene(reorder=one), {"newOrder": "779"}) == {"not_reordered": "REORDERED"}
        closed = refusals(request_amendment, a_scene(reorder=one), {"changes": {"termMonths": 12}})
        assert ("still_here" in closed) is (state is AmendmentState.ACCEPTED)


class WhenTwoAreOne:
    """Model rule 5: who asks does not approve, under whatever token."""

    @pytest.mark.parametrize(
        ("actor", "who", "same"),
        [
            (Actor("person", "mei"), "person:mei", True),
            (Actor("person", "mei"), "machine:mei", True),
            (Actor("machine", "Mei"), "person:mei", True),
            (Actor("person", "mei"), "person:may", False),
            (Actor("person", "automation"), "system:automation", False),
            (system("mei"), "person:mei", False),
        ],
    )
    def test_they_are_told_apart_by_their_names(self, actor: Actor, who: str, same: bool) -> None:
        assert is_same(actor, who) is same


class WhenAnApprovalIsKept:
    def test_its_end_is_kept_with_it(self) -> None:
        rows: Json = [{"what": "discount", "fingerprint": "f", "by": "boss", "expiresAt": "2026-07-02T03:00:00Z"}]
        (kept,) = stored_approvals(rows)
        assert (kept.what, kept.fingerprint, kept.by, kept.expires_at) == ("discount", "f", "boss", NOW)
