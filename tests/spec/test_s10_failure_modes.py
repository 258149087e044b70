"""§10, row by row and through the doors: each failure mode is made to happen at a real system in another process; the
safe default follows by itself, and the dangerous one is refused, or there is no way to it. Beside them the example of
§3, and what §12.2 says of networks and shipments.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from tests.crash.outside import PROCESS_OF, Installation, forge, installation, order, until
from tests.spec.at_real_systems import (
    PARCEL,
    WAIT_SECONDS,
    case,
    command,
    effects,
    goes_wrong,
    is_completed,
    is_refused,
    rows,
    task,
    times_sent,
    told,
)
from typer.testing import CliRunner

from fallsafe.cli.main import app
from fallsafe.security.signature import sign

GOES_WRONG = (
    goes_wrong("busy", "WFM.book", "busy", times=2),
    goes_wrong("spent", "PRV.configureIp", "throttle", times=None),
    goes_wrong("invalid", "PRV.activateService", "refuse", code="PARAM_MISSING", text="line"),
    goes_wrong("silent", "PRV.activateService", "callback_never"),
    goes_wrong("twice", "PRV.activateService", "callback_twice"),
    goes_wrong("part", "PRV.activateService", "refuse", code="PARTIAL_CONFIG", text="data yes, voice no"),
    goes_wrong("amount", "BIL.createSubscription", "refuse", code="BC-2409 AMOUNT_MISMATCH", text="4500, not 4900"),
    goes_wrong("stale", "WHS.reserve", "refuse", code="SKU_DISCONTINUED"),
    goes_wrong("nobody", "BIL.createAccount", "refuse", code="BC-1422 TAX_ID_INVALID", text="check digit"),
    goes_wrong("parcel", "WHS.ship", "refuse", code="ALREADY_SHIPPED"),
    goes_wrong("late", "WHS.ship", "answer_lost_before_effect"),
    goes_wrong("both", "PRV.activateService", "refuse", code="ADDR_INVALID", text="house number missing"),
    goes_wrong("both", "WHS.reserve", "refuse", code="SKU_OUT_OF_STOCK"),
)
BOTH = (("fiber", "FIBER-HOME-1G"), ("router", "WIFI-ROUTER-DELIVERED"), ("billing", "MONTHLY-BILLING"))
ITEMS = {"parcel": PARCEL, "late": PARCEL, "both": BOTH}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with two workers, and one order for each failure mode."""
    script: dict[str, list[dict[str, object]]] = {}
    for fault in GOES_WRONG:
        script.setdefault(PROCESS_OF[str(fault["operation"])[:3]], []).append(fault)
    with installation(tmp_path_factory.mktemp("modes") / "home", script) as made, forge(made.environment) as smith:
        for name in ("api", "worker-1", "worker-2"):
            smith.start(name, made.home / "log" / f"{name}.log", made.environment)
        until(made.answers, 30, "the API does not answer")
        for name in dict.fromkeys(str(fault["match"]).strip("/") for fault in GOES_WRONG):
            asked = order(name)
            if name in ITEMS:
                items = [{"externalId": i, "offer": o, "action": "add", "currency": "EUR"} for i, o in ITEMS[name]]
                asked["items"] = [items[0], *({**item, "parent": "fiber"} for item in items[1:])]
            made.ask("/orders", asked)
        yield made


class WhenASystemIsBusy:
    def test_the_same_command_goes_out_again_and_nobody_is_bothered(self, there: Installation) -> None:
        is_completed(there, "busy")
        sent = command(there, "busy", "fiber.scheduleInstallation")
        assert times_sent(sent) == 3
        assert told(there, "busy")["cases"] == []
        assert rows(there, "busy") == {"transient"}

    def test_it_is_not_tried_for_ever(self, there: Installation) -> None:
        found = case(there, "spent", "RETRY_EXHAUSTED")
        sent = command(there, "spent", "static-ip.activateStaticIp")
        assert times_sent(sent) <= 3
        assert found["owner"]["group"] == "NETWORK_OPERATIONS"
        assert "static-ip.activateStaticIp" not in str(effects(there, "spent"))


class WhenAPayloadIsRejected:
    def test_it_is_a_repair_case_and_the_same_payload_is_not_sent_again(self, there: Installation) -> None:
        found = case(there, "invalid", "PAYLOAD_INCOMPLETE")
        sent = command(there, "invalid", "fiber.activateFiberService")
        assert found["classification"]["rawCode"] == "PARAM_MISSING"
        assert (sent["state"], times_sent(sent)) == ("rejected", 1)
        assert is_refused(there, f"/commands/{sent['id']}/resend") == "ALREADY_DECIDED"
        assert rows(there, "invalid") == {"validation_reject"}


class WhenACallbackIsMissing:
    def test_the_other_side_is_asked_and_nothing_is_sent_a_second_time(self, there: Installation) -> None:
        is_completed(there, "silent")
        sent = command(there, "silent", "fiber.activateFiberService")
        assert (sent["state"], times_sent(sent), bool(sent["looks"])) == ("done", 1, True)
        assert effects(there, "silent")[sent["key"]] == 1
        assert "missing_callback" in rows(there, "silent")


class WhenACallbackComesTwice:
    def test_the_second_one_moves_nothing(self, there: Installation) -> None:
        is_completed(there, "twice")
        assert task(there, "twice", "activateFiberService")["state"] == "completed"
        assert told(there, "twice")["cases"] == []
        assert rows(there, "twice") == set()
        sent = command(there, "twice", "fiber.activateFiberService")
        assert [(o["source"], o["says"]) for o in sent["outcomes"] if o["says"] == "done"] == [("callback", "done")]


class WhenSomethingIsDoneInPart:
    def test_it_is_found_out_first_and_the_order_does_not_fail(self, there: Installation) -> None:
        case(there, "part", "PARTIAL_COMPLETION")
        sent = command(there, "part", "fiber.activateFiberService")
        assert rows(there, "part") == {"partial_completion"}
        assert told(there, "part")["order"]["state"] == "held"
        assert is_refused(there, f"/commands/{sent['id']}/resend")
        assert task(there, "part", "createBillingAccount")["state"] == "completed"


class WhenBillingSaysAnotherAmount:
    def test_billing_gets_nothing_more_and_nobody_edits_it_there(self, there: Installation) -> None:
        found = case(there, "amount", "PRICE_MISMATCH")
        sent = command(there, "amount", "billing.createSubscription")
        assert rows(there, "amount") == {"billing_mismatch"}
        assert found["classification"]["recoverability"] == "policy_exception"
        assert is_refused(there, f"/commands/{sent['id']}/resend") == "ALREADY_DECIDED"
        assert sent["key"] not in effects(there, "amount")


class WhenTheCatalogMappingIsStale:
    def test_it_stops_and_is_classified_and_no_other_mapping_is_taken(self, there: Installation) -> None:
        found = case(there, "stale", "SKU_DISCONTINUED")
        assert found["classification"]["domain"] == "Catalog"
        assert rows(there, "stale") == {"stale_catalog_mapping"}
        tasks = [t for t in told(there, "stale")["tasks"] if t["step"] == "reserveRouter"]
        assert [t["state"] for t in tasks] == ["failed"]
        sent = command(there, "stale", "router.reserveRouter")
        assert is_refused(there, f"/commands/{sent['id']}/resend") == "ALREADY_DECIDED"
        assert told(there, "stale")["order"]["state"] == "held"


class WhenDataOfTheCustomerAreMissing:
    def test_the_customer_is_asked_and_nothing_is_made_up(self, there: Installation) -> None:
        case(there, "nobody", "TAX_ID_MISSING")
        sent = command(there, "nobody", "billing.createBillingAccount")
        assert rows(there, "nobody") == {"customer_data_missing"}
        assert is_refused(there, f"/commands/{sent['id']}/resend") == "ALREADY_DECIDED"
        assert times_sent(sent) == 1


class WhenSomethingMayHaveBeenShippedAlready:
    def test_the_task_is_frozen_until_it_is_verified(self, there: Installation) -> None:
        case(there, "parcel", "DUPLICATE_SHIPMENT_RISK")
        sent = command(there, "parcel", "router.shipmentRequest")
        assert "duplicate_shipment_risk" in rows(there, "parcel")
        assert task(there, "parcel", "shipmentRequest")["frozen"]
        assert is_refused(there, f"/commands/{sent['id']}/resend")
        assert times_sent(sent) == 1
        assert task(there, "parcel", "deliverParcel")["state"] == "planned"


class WhenAShipmentTimesOut:
    def test_it_is_sent_once_and_looked_for_by_reference(self, there: Installation) -> None:
        case(there, "late", "UNKNOWN_OUTCOME")
        sent = command(there, "late", "router.shipmentRequest")
        until(lambda: command(there, "late", "router.shipmentRequest")["looks"], WAIT_SECONDS, "nobody looks")
        asked = [c for c in there.ask("/orders/CRM:late/commands")["items"] if c["purpose"] == "query"]
        assert {(c["operation"], c["method"]) for c in asked} == {("WHS.queryShipment", "reference")}
        assert is_refused(there, f"/commands/{sent['id']}/resend") == "OUTCOME_UNKNOWN"
        assert times_sent(sent) == 1


class WhenOneOrderHasTwoFallouts:
    def test_each_is_a_case_of_its_own_and_what_neither_blocks_goes_on(self, there: Installation) -> None:
        address, stock = case(there, "both", "ADDRESS_REJECTED"), case(there, "both", "SKU_OUT_OF_STOCK")
        assert (address["owner"]["group"], stock["owner"]["group"]) == ("ORDER_DESK", "SUPPLY_CHAIN")
        assert [f"{b['item']}.{b['step']}" for b in address["blockedTasks"]] == ["billing.createSubscription"]
        blocked = {f"{b['item']}.{b['step']}" for b in stock["blockedTasks"]}
        assert blocked == {"router.shipmentRequest", "router.deliverParcel"}
        until(
            lambda: task(there, "both", "createBillingAccount")["state"] == "completed",
            WAIT_SECONDS,
            lambda: str(told(there, "both")["tasks"]),
        )
        found = told(there, "both")
        assert found["order"]["state"] == "held"
        assert {i["externalId"]: i["state"] for i in found["items"]} == {
            "fiber": "held",
            "router": "held",
            "billing": "held",
        }
        assert {c["code"] for c in found["cases"]} == {"ADDRESS_REJECTED", "SKU_OUT_OF_STOCK"}


class WhenPeopleAreLate:
    def test_it_is_shown_to_those_who_must_see_it(self, there: Installation) -> None:
        late = {"task": "dig", "item": "site", "state": "in_progress"}
        late |= {"dueAt": "2026-11-20T10:00:00Z"}
        there.ask(
            "/reports",
            {"source": "FIELD", "reports": [{"eventId": "1", "orderId": "D-1", "revision": 1, "tasks": [late]}]},
        )
        until(lambda: told(there, "D-1", "FIELD")["cases"], WAIT_SECONDS, lambda: str(told(there, "D-1", "FIELD")))
        assert rows(there, "D-1", "FIELD") == {"manual_task_overdue"}


class WhenTheSecretOfASystemsCallbacksChanges:
    def test_both_count_while_one_gives_way_to_the_other_and_no_callback_is_lost(self, there: Installation) -> None:
        old, command_line = there.wiring.secrets["PRV"], CliRunner(env=there.environment)

        def status(secret: str, event: str) -> int:
            body = json.dumps({"eventId": event, "commandId": "CRM/nobody/x.y/fulfill/1", "status": "ACTIVE"}).encode()
            headers = {"X-Signature": sign(secret, body), "Content-Type": "application/json"}
            request = urllib.request.Request(f"{there.wiring.api}/api/v1/downstreams/PRV/callbacks", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as refused:
                return refused.code

        new = command_line.invoke(app, ["secret", "add", "PRV"], catch_exceptions=False).stdout.strip()
        assert [status(old, "R-1"), status(new, "R-2"), status("somebody else's", "R-3")] == [202, 202, 401]
        assert command_line.invoke(app, ["secret", "drop", "PRV"], catch_exceptions=False).exit_code == 0
        assert [status(old, "R-4"), status(new, "R-5")] == [202, 401]
        assert command_line.invoke(app, ["secret", "add", "NOBODY"], catch_exceptions=False).exit_code == 2
