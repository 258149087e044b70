"""The shop's policy set at its own systems: an order of each offer runs from end to end, and where the answer of a
payment is lost on the way nothing is paid twice (§3, §11, §26).
"""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.crash.outside import Installation, forge, installation, until
from tests.spec.at_real_systems import WAIT_SECONDS, case, effects, goes_wrong, is_completed, rows, told
from tests.spec.test_s09_repair_journeys import by, does

from fallsafe.policyset import load, shipped

SHOP = "SHOP"
# name, offer, action, beside it
ORDERS = (
    ("goods", "GOODS", "add", "GIFT-CARD"),
    ("return", "GOODS", "delete", ""),
    ("licence", "DIGITAL-GOODS", "add", ""),
    ("vendor", "VENDOR-GOODS", "add", ""),
    ("market", "MARKETPLACE-GOODS", "add", ""),
    ("lost", "DIGITAL-GOODS", "add", ""),
    ("poor", "DIGITAL-GOODS", "add", ""),
    ("sold-out", "GOODS", "add", ""),
)
GOES_WRONG = (
    goes_wrong("lost", "PAY.capture", "answer_lost_after_effect"),
    goes_wrong("poor", "PAY.authorize", "refuse"),
    goes_wrong("sold-out", "WMS.reserve", "refuse", code="OUT_OF_STOCK"),
)

PEOPLE = {"ben": ["operator"], "fay": ["manager", "finance"]}


def bought(name: str, offer: str, action: str, beside: str) -> dict[str, Any]:
    """An order of the shop."""
    more = {"action": action, "currency": "EUR", "oneOffMinor": 4_200}
    items = [{"externalId": "cart", "offer": offer, **more}]
    items += [{"externalId": "card", "offer": beside, "parent": "cart", **more}] if beside else []
    return {"source": SHOP, "externalId": name, "customerRef": f"CU-{name}", "items": items}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A shop's installation with two workers and an order of each kind."""
    home = tmp_path_factory.mktemp("shop") / "home"
    with (
        installation(home, {"commerce": [*GOES_WRONG]}, policy="commerce") as made,
        forge(made.environment) as smith,
    ):
        for name in ("api", "worker-1", "worker-2"):
            smith.start(name, made.home / "log" / f"{name}.log", made.environment)
        until(made.answers, 30, "the API does not answer")
        for name, roles in PEOPLE.items():
            (made.home / f"{name}.token").write_text(made.token_of(name, roles))
        for one in ORDERS:
            made.ask("/orders", bought(*one))
        yield made


def once(there: Installation, name: str) -> dict[str, int]:
    """What was done for an order, each thing once."""
    done = effects(there, name, SHOP)
    assert set(done.values()) == {1}
    return done


class WhenTheShopSells:
    def test_every_offer_that_can_be_planned_is_tried(self) -> None:
        planned = {offer for offer, _ in load(shipped("commerce")).plans}
        assert {word for _, offer, _, beside in ORDERS for word in (offer, beside) if word} == planned

    @pytest.mark.parametrize("name", [name for name, *_ in ORDERS[:5]])
    def test_an_order_runs_from_end_to_end(self, there: Installation, name: str) -> None:
        is_completed(there, name, SHOP)
        steps = told(there, name, SHOP)["tasks"]
        assert {step["state"] for step in steps} == {"completed"}
        commands = there.ask(f"/orders/{SHOP}:{name}/commands?limit=200")["items"]
        asks_only = {"FRD.screen", "TAX.quote"}
        wanted = {c["key"] for c in commands if c["operation"] not in asks_only and c["purpose"] == "fulfill"}
        assert set(once(there, name)) == wanted

    def test_a_payment_whose_answer_is_lost_is_found_out_and_not_taken_twice(self, there: Installation) -> None:
        is_completed(there, "lost", SHOP)
        assert len(once(there, "lost")) == 3
        assert "missing_callback" in rows(there, "lost", SHOP)
        found = [c for c in there.ask(f"/orders/{SHOP}:lost/commands?limit=200")["items"] if c["purpose"] == "query"]
        assert {query["operation"] for query in found} == {"PAY.queryCapture"}
        until(
            lambda: case(there, "lost", "UNKNOWN_OUTCOME", SHOP)["state"] == "resolved", WAIT_SECONDS, "it stays open"
        )

    def test_a_payment_that_is_declined_is_a_case_and_nothing_is_delivered(self, there: Installation) -> None:
        refused = case(there, "poor", "PAYMENT_DECLINED", SHOP)
        assert refused["owner"]["group"] == "CUSTOMER_CARE"
        assert effects(there, "poor", SHOP) == {}

    def test_an_article_that_is_sold_out_is_replaced_by_its_like_once_the_buyer_is_screened_again(
        self, there: Installation
    ) -> None:
        found = case(there, "sold-out", "SKU_OUT_OF_STOCK", SHOP)
        does(there, found["id"], "OVERRIDE_CLASSIFICATION", code="DUPLICATE_EFFECT", because="it seems paid twice")
        for who, action in (("fay", "REVERSE_CHARGE"), ("ben", "COMPENSATE_TASK")):
            refused = by(there, who, "repair", "preview", found["id"], action, code=1)
            assert "authorizePayment (voidAuthorization) would have to be undone, and this release" in refused
        does(there, found["id"], "OVERRIDE_CLASSIFICATION", code="SKU_OUT_OF_STOCK", because="it was not")
        added = does(there, found["id"], "ADD_TASK", taskType="screenFraud")["sends"][0]["key"]
        seen = does(there, found["id"], "SELECT_REPLACEMENT", sku="SHIRT-BLUE-2", stock="Jakarta, aisle 4")
        is_completed(there, "sold-out", SHOP)
        assert once(there, "sold-out")[seen["sends"][-1]["key"]] == 1
        commands = there.ask(f"/orders/{SHOP}:sold-out/commands?limit=200")["items"]
        assert {c["key"]: c["state"] for c in commands}[added] == "done"
        ended = there.ask(f"/fallout-cases/{found['id']}")["resolution"]
        assert (ended["type"], ended["verified"], ended["repair"]) == ("DataCorrected", True, seen["id"])
