"""The kinds of things that the systems of the sandbox make, one row each, and which process plays which systems.

Written from what such systems do, not from the policy that speaks to them: that the two fit is what tests find out.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from fallsafe.core.commands.contract import Repeat
from fallsafe.simulator.sandbox.dialects import (
    ACCESS,
    BILLING,
    CARRIER,
    CONTENT,
    CREDIT,
    ENGINE,
    FILES,
    MESSAGES,
    PAPERS,
    PAYMENT,
    PORTING,
    PROVISIONING,
    REGISTER,
    SCREENING,
    SHOP,
    SHOP_PAYMENT,
    SUBSCRIBERS,
    VERDICT,
    WAREHOUSE,
    WORKFORCE,
    Dialect,
    Kind,
)

KEY_HEADER = "Idempotency-Key"
SAME, DUPLICATE = Repeat.SAME_RESULT, Repeat.REJECTS_DUPLICATE
SAVED, UNSUPPORTED = Repeat.REPLAYS_SAVED_ERROR, Repeat.UNSUPPORTED
ABOUT: Mapping[str, type] = {"object": str}
BACK: Mapping[str, type] = {"object": str, "callbackUrl": str}


def _kind(
    operation: str,
    path: str,
    identity: str,
    state: str,
    repeat: Repeat,
    refusal: str,
    dialect: Dialect,
    required: Mapping[str, type] = MappingProxyType({}),
    *,
    query: str = "",
    key_in: str = "",
    echoed: tuple[str, ...] = (),
    calls_back: bool = False,
    effect: bool = True,
    tells_end: bool = True,
) -> Kind:
    """A row. `identity` is prefix and field (`BA accountId`); without `key_in` the key goes in a header."""
    prefix, _, field = identity.partition(" ")
    keyed = {key_in: str} if key_in else {}
    return Kind(
        operation, query, path, prefix, field, state, key_in, {**keyed, **(BACK if calls_back else ABOUT), **required},
        repeat, refusal, dialect, "" if key_in else KEY_HEADER, echoed, calls_back, effect,
        tells_end,
    )  # fmt: skip


ACCOUNT = _kind(
    "BIL.createAccount", "/accounts", "BA accountId", "OPEN", SAME, "BC-1422 TAX_ID_INVALID", BILLING,
    {"customerRef": str}, query="BIL.queryAccount", echoed=("customerRef",),
)  # fmt: skip
SUBSCRIPTION = _kind(
    "BIL.createSubscription", "/subscriptions", "SUB subscriptionId", "ACTIVE", SAVED, "BC-1404 ACCOUNT_NOT_FOUND",
    BILLING, {"accountId": str, "offer": str, "monthlyMinor": int, "currency": str}, query="BIL.querySubscription",
    echoed=("accountId",),
)  # fmt: skip

BIL = (
    ACCOUNT,
    SUBSCRIPTION,
    _kind("BIL.activateCharges", "/charges", "CH chargeId", "CHARGING", SAME, "BC-3422 BACKDATE_LIMIT", BILLING,
          {"subscriptionId": str}, query="BIL.queryCharges", key_in="requestId"),
    _kind("BIL.reverseCharges", "/reversals", "RV reversalId", "REVERSED", DUPLICATE, "BC-3409 PERIOD_LOCKED", BILLING,
          {"chargeId": str}, query="BIL.queryReversal", key_in="requestId"),
    _kind("BIL.closeAccount", "/account-closures", "CL closureId", "CLOSED", SAME, "BC-1409 BALANCE_OPEN", BILLING,
          {"accountId": str}, query="BIL.queryClosure"),
    _kind("BIL.cancelSubscription", "/subscription-endings", "SE endingId", "ENDED", SAME,
          "BC-1404 SUBSCRIPTION_NOT_FOUND", BILLING, {"subscriptionId": str}, query="BIL.queryEnding"),
)  # fmt: skip
PAY = (
    _kind("PAY.authorize", "/authorizations", "PA authorization", "AUTHORIZED", SAVED, "INSUFFICIENT_FUNDS", PAYMENT,
          {"amountMinor": int, "currency": str}, query="PAY.queryAuthorization"),
    _kind("PAY.capture", "/captures", "PC capture", "CAPTURED", SAVED, "AUTHORIZATION_EXPIRED", PAYMENT,
          {"amountMinor": int, "authorization": str}, query="PAY.queryCapture"),
    _kind("PAY.refund", "/refunds", "PR refund", "REFUNDED", SAVED, "NOT_CAPTURED", PAYMENT,
          {"amountMinor": int, "capture": str}, query="PAY.queryRefund"),
    _kind("PAY.void", "/voids", "PV void", "VOIDED", SAME, "ALREADY_CAPTURED", PAYMENT, {"authorization": str},
          query="PAY.queryVoid"),
)  # fmt: skip
TAX_AREA = _kind(
    "TAX.resolve", "/jurisdictions", "TJ jurisdiction", "FOUND", SAME, "JURISDICTION_AMBIGUOUS", VERDICT, key_in="ref",
    effect=False,
)  # fmt: skip
TAX = (TAX_AREA,)
CRD = (
    _kind("CRD.assess", "/assessments", "AS assessment", "APPROVED", SAME, "FRAUD_SUSPECT", CREDIT,
          {"customerRef": str}, key_in="applicationId", effect=False),
)  # fmt: skip
WHS = (
    _kind("WHS.reserve", "/reservations", "RS reservationId", "RESERVED", SAME, "SKU_OUT_OF_STOCK", WAREHOUSE,
          {"sku": str, "quantity": int}, query="WHS.queryReservation", key_in="reference"),
    _kind("WHS.extend", "/reservation-extensions", "RX extensionId", "EXTENDED", SAME, "RESERVATION_EXPIRED",
          WAREHOUSE, {"reservation": str}, query="WHS.queryExtension", key_in="reference"),
    _kind("WHS.ship", "/shipments", "SH shipmentId", "HANDED_TO_CARRIER", UNSUPPORTED, "SKU_OUT_OF_STOCK", WAREHOUSE,
          {"sku": str, "quantity": int}, query="WHS.queryShipment", key_in="reference", calls_back=True),
    _kind("WHS.releaseStock", "/stock-releases", "SR releaseId", "FREE", SAME, "ALREADY_PACKED", WAREHOUSE,
          {"reservation": str}, query="WHS.queryStockRelease", key_in="reference"),
    _kind("WHS.cancel", "/shipment-stops", "ST stopId", "STOPPED", SAME, "ALREADY_HANDED_OVER", WAREHOUSE,
          {"shipment": str}, query="WHS.queryStop", key_in="reference"),
    _kind("WHS.createReturn", "/returns", "RT returnId", "RECEIVED", SAME, "ARTICLE_UNKNOWN", WAREHOUSE,
          query="WHS.queryReturn", key_in="reference", calls_back=True),
)  # fmt: skip
SHP = (
    _kind("SHP.createLabel", "/labels", "LB label", "PRINTED", SAME, "ADDRESS_UNDELIVERABLE", CARRIER,
          query="SHP.queryLabel"),
    _kind("SHP.track", "/trackings", "TR tracking", "DELIVERED", SAME, "TRACKING_UNKNOWN", CARRIER,
          {"shipment": str}, query="SHP.queryTracking", calls_back=True, tells_end=False),
)  # fmt: skip
WFM = (
    _kind("WFM.book", "/appointments", "AP appointmentId", "BOOKED", DUPLICATE, "SLOT_TAKEN", WORKFORCE,
          {"site": str}, query="WFM.queryAppointment", key_in="reference"),
    _kind("WFM.dispatch", "/jobs", "J job", "DONE", DUPLICATE, "NO_CREW", WORKFORCE, {"appointment": str},
          query="WFM.queryJob", key_in="reference", calls_back=True),
    _kind("WFM.cancel", "/appointment-endings", "AE endingId", "FREED", SAME, "TOO_LATE", WORKFORCE,
          {"appointment": str}, query="WFM.queryEnding", key_in="reference"),
)  # fmt: skip


def _service(verb: str, path: str, prefix: str, state: str, refusal: str, query: str, *fields: str) -> Kind:
    """A row of provisioning; it names its services itself, and tells the result later."""
    return _kind(
        f"PRV.{verb}", path, f"{prefix} serviceRef", state, DUPLICATE, refusal, PROVISIONING,
        dict.fromkeys(fields, str), query=f"PRV.{query}", key_in="commandId", calls_back=True,
    )  # fmt: skip


PRV = (
    _service("activateService", "/activations", "ACT", "ACTIVE", "ADDRESS_NOT_SERVICEABLE", "queryActivation",
             "serviceRef", "profile"),
    _service("configureIp", "/ip-configurations", "IP", "ACTIVE", "IP_POOL_EXHAUSTED", "queryIp", "line"),
    _service("activateVoice", "/voice-activations", "VOICE", "ACTIVE", "PROFILE_NOT_SUPPORTED", "queryVoice", "line"),
    _service("switch", "/switches", "SWITCH", "ACTIVE", "CONFIG_LOCKED", "querySwitch", "site"),
    _service("deactivate", "/deactivations", "CEASE", "CEASED", "SERVICE_NOT_FOUND", "queryDeactivation", "service"),
    _service("deactivateVoice", "/voice-deactivations", "VOICE-CEASE", "CEASED", "SERVICE_NOT_FOUND",
             "queryVoiceDeactivation", "service"),
    _service("removeIp", "/ip-removals", "IP-CEASE", "CEASED", "SERVICE_NOT_FOUND", "queryIpRemoval", "service"),
)  # fmt: skip
RIN = (
    _kind("RIN.reservePort", "/ports", "PO id", "RESERVED", SAME, "NO_FREE_PORT", REGISTER, {"line": str},
          query="RIN.queryPort"),
    _kind("RIN.reserveAddress", "/addresses", "IA id", "RESERVED", SAME, "POOL_EMPTY", REGISTER,
          query="RIN.queryAddress"),
    _kind("RIN.release", "/port-releases", "PF id", "FREE", SAME, "STILL_IN_SERVICE", REGISTER, {"port": str},
          query="RIN.queryRelease"),
    _kind("RIN.releaseAddress", "/address-releases", "IF id", "FREE", SAME, "STILL_IN_SERVICE", REGISTER,
          {"address": str}, query="RIN.queryAddressRelease"),
    _kind("RIN.extend", "/extensions", "EX id", "EXTENDED", SAME, "RESERVATION_EXPIRED", REGISTER,
          {"reservation": str}, query="RIN.queryExtension"),
)  # fmt: skip
NUM = (
    _kind("NUM.reserve", "/numbers", "NU id", "RESERVED", SAME, "NUMBER_QUARANTINED", REGISTER,
          query="NUM.queryNumber"),
    _kind("NUM.release", "/number-releases", "NF id", "QUARANTINED", SAME, "NUMBER_IN_USE", REGISTER,
          {"number": str}, query="NUM.queryRelease"),
)  # fmt: skip
SIM = (
    _kind("SIM.createSubscriber", "/subscribers", "SB subscriber", "PROVISIONED", UNSUPPORTED, "CARD_IN_USE",
          SUBSCRIBERS, {"number": str}, query="SIM.querySubscriber", key_in="txn"),
    _kind("SIM.orderProfile", "/profiles", "ES profile", "READY", SAME, "PROFILE_CONSUMED", SUBSCRIBERS,
          query="SIM.queryProfile", key_in="txn", calls_back=True),
    _kind("SIM.removeSubscriber", "/subscriber-removals", "SX removal", "REMOVED", SAME, "SUBSCRIBER_UNKNOWN",
          SUBSCRIBERS, {"subscriber": str}, query="SIM.queryRemoval", key_in="txn"),
    _kind("SIM.releaseProfile", "/profile-releases", "EX release", "FREE", SAME, "PROFILE_CONSUMED", SUBSCRIBERS,
          {"profile": str}, query="SIM.queryRelease", key_in="txn"),
)  # fmt: skip
PIN = (
    _kind("PIN.upsertProduct", "/products", "PD id", "RECORDED", SAME, "PRODUCT_UNKNOWN", REGISTER,
          {"productId": str, "status": str}, query="PIN.queryProduct", key_in="requestRef"),
)  # fmt: skip
ENT = (
    _kind("ENT.grant", "/entitlements", "EN id", "GRANTED", SAME, "LIMIT_REACHED", REGISTER,
          {"subscriber": str, "right": str}, query="ENT.queryRight", key_in="requestRef"),
    _kind("ENT.revoke", "/entitlement-endings", "EE id", "REVOKED", SAME, "RIGHT_UNKNOWN", REGISTER,
          {"subscriber": str, "right": str}, query="ENT.queryEnding", key_in="requestRef"),
)  # fmt: skip
EMG = (
    _kind("EMG.register", "/emergency-addresses", "EM entry", "REGISTERED", SAME, "ADDRESS_NOT_ACCEPTED", VERDICT,
          {"number": str}, query="EMG.queryEntry", key_in="ref"),
    _kind("EMG.remove", "/emergency-address-removals", "ER removal", "REMOVED", SAME, "VOICE_STILL_ACTIVE", VERDICT,
          {"number": str}, query="EMG.queryRemoval", key_in="ref"),
)  # fmt: skip
NORMALIZE = _kind(
    "ADR.normalize", "/normalizations", "AD address", "NORMALIZED", SAME, "ADDRESS_NOT_FOUND", VERDICT, key_in="ref",
    effect=False,
)  # fmt: skip
QUALIFY = _kind(
    "ADR.qualify", "/qualifications", "QU qualification", "SERVICEABLE", SAME, "ADDRESS_NOT_SERVICEABLE", VERDICT,
    key_in="ref", effect=False,
)  # fmt: skip
ADR = (NORMALIZE, QUALIFY)
PRT = (
    _kind("PRT.submit", "/port-requests", "P portRequest", "ACKNOWLEDGED", DUPLICATE, "ACCOUNT_MISMATCH", PORTING,
          {"number": str}, query="PRT.queryRequest", key_in="request", calls_back=True),
    _kind("PRT.confirmDate", "/port-dates", "PT portDateId", "DATE_CONFIRMED", DUPLICATE, "DATE_NOT_AVAILABLE",
          PORTING, {"portRequest": str}, query="PRT.queryDate", key_in="request", calls_back=True,
          echoed=("portDate",)),
    _kind("PRT.activate", "/port-executions", "PX execution", "PORTED", DUPLICATE, "DATE_NOT_AVAILABLE", PORTING,
          {"portRequest": str}, query="PRT.queryExecution", key_in="request", calls_back=True),
    _kind("PRT.cancel", "/port-stops", "PS stop", "STOPPED", DUPLICATE, "AFTER_CUT_OFF", PORTING,
          {"portRequest": str}, query="PRT.queryStop", key_in="request", calls_back=True),
)  # fmt: skip
WHA = (
    _kind("WHA.order", "/access-orders", "WH order", "COMPLETED", DUPLICATE, "ADDRESS_KEY_INVALID", ACCESS,
          {"addressKey": str}, query="WHA.queryOrder", key_in="yourRef", calls_back=True),
    _kind("WHA.cancel", "/access-stops", "WS stop", "STOPPED", DUPLICATE, "TOO_LATE", ACCESS, {"order": str},
          query="WHA.queryStop", key_in="yourRef", calls_back=True),
)  # fmt: skip
WHF = (
    _kind("WHF.line", "/lines", "FL lineId", "OK", DUPLICATE, "ADDRESS_KEY_INVALID", FILES, {"addressKey": str},
          query="WHF.queryLine", key_in="line", calls_back=True),
    _kind("WHF.cancel", "/line-stops", "FS stopId", "STOPPED", DUPLICATE, "TOO_LATE", FILES, {"lineId": str},
          query="WHF.queryStop", key_in="line", calls_back=True),
)  # fmt: skip
OTT = (
    _kind("OTT.subscribe", "/content-subscriptions", "CT subscription", "ACTIVE", SAME, "SUBSCRIBER_EXISTS", CONTENT,
          {"product": str}),
    _kind("OTT.unsubscribe", "/content-endings", "CE ending", "ENDED", SAME, "SUBSCRIBER_UNKNOWN", CONTENT,
          {"subscription": str}),
)  # fmt: skip
DOC = (
    _kind("DOC.send", "/envelopes", "EV envelope", "SIGNED", DUPLICATE, "RECIPIENT_UNKNOWN", PAPERS,
          {"signer": str}, query="DOC.queryEnvelope", key_in="reference", calls_back=True),
    _kind("DOC.withdraw", "/envelope-withdrawals", "EW withdrawal", "WITHDRAWN", SAME, "ALREADY_SIGNED", PAPERS,
          {"envelope": str}, query="DOC.queryWithdrawal", key_in="reference"),
)  # fmt: skip
NTF = (
    _kind("NTF.send", "/messages", "MSG message", "DELIVERED", SAME, "RECIPIENT_INVALID", MESSAGES,
          {"recipient": str, "template": str}, query="NTF.queryMessage", calls_back=True),
)  # fmt: skip

CIV = (_kind("CIV.build", "/works", "CW order", "ORDERED", UNSUPPORTED, "PERMIT_MISSING", PAPERS, key_in="reference"),)
ENG = (
    _kind("ENG.steer", "/words", "W wordId", "TAKEN", SAME, "STEP_UNKNOWN", ENGINE, {"verb": str, "step": str},
          query="ENG.queryWord", key_in="commandId", echoed=("verb", "step")),
)  # fmt: skip


def _paid(verb: str, path: str, prefix: str, state: str, repeat: Repeat, refusal: str, **fields: type) -> Kind:
    """A row of the shop's payment provider."""
    query = f"PAY.query{verb.capitalize()}"
    return _kind(
        f"PAY.{verb}", path, f"{prefix} id", state, repeat, refusal, SHOP_PAYMENT, fields, query=query
    )  # fmt: skip


def _sold(
    operation: str, path: str, prefix: str, state: str, repeat: Repeat = SAME, refusal: str = "REFUSED",
    *, asked: bool = True, calls_back: bool = False, header: bool = False, **fields: type,
) -> Kind:  # fmt: skip
    """A row of the systems behind a web shop: they all name things alike."""
    system, _, verb = operation.partition(".")
    query = f"{system}.query{verb[0].upper()}{verb[1:]}" if asked else ""
    return _kind(
        operation, path, f"{prefix} id", state, repeat, refusal, SHOP, fields, query=query,
        key_in="" if header else "key", calls_back=calls_back, effect=asked,
    )  # fmt: skip


COMMERCE = (
    _kind("FRD.screen", "/screenings", "FS id", "CLEAR", SAME, "REVIEW", SCREENING, {"customer": str}, key_in="key",
          effect=False),
    _sold("TAX.quote", "/quotes", "TQ", "QUOTED", refusal="ADDRESS_NOT_RESOLVED", asked=False, amountMinor=int),
    _paid("authorize", "/authorizations", "AU", "AUTHORIZED", SAVED, "INSUFFICIENT_FUNDS", amountMinor=int),
    _paid("capture", "/captures", "CA", "CAPTURED", SAVED, "AUTHORIZATION_EXPIRED", authorization=str),
    _paid("refund", "/refunds", "RF", "REFUNDED", SAVED, "NOT_CAPTURED", capture=str),
    _paid("void", "/voids", "VO", "VOIDED", SAME, "ALREADY_CAPTURED", authorization=str),
    _sold("GFT.redeem", "/redemptions", "GR", "REDEEMED", refusal="BALANCE_CHANGED", card=str),
    _sold("GFT.credit", "/credits", "GC", "CREDITED", refusal="CARD_UNKNOWN", card=str),
    _sold("TAX.commit", "/documents", "TD", "COMMITTED", refusal="DOCUMENT_EXISTS", document=str),
    _sold("TAX.void", "/document-voids", "TV", "VOIDED", refusal="DOCUMENT_UNKNOWN", document=str),
    _sold("WMS.reserve", "/reservations", "SR", "RESERVED", DUPLICATE, "OUT_OF_STOCK", sku=str, quantity=int),
    _sold("WMS.release", "/picks", "PK", "PACKED", DUPLICATE, "UNKNOWN_ITEM", calls_back=True, reservation=str),
    _sold("WMS.releaseStock", "/stock-releases", "RL", "FREE", refusal="ALREADY_PACKED", reservation=str),
    _sold("WMS.cancel", "/stops", "SC", "STOPPED", refusal="ALREADY_SHIPPED", pick=str),
    _sold("WMS.return", "/returns", "RN", "INSPECTED", calls_back=True, order=str),
    _sold("CAR.label", "/labels", "LA", "PRINTED", refusal="ADDRESS_INVALID", header=True, place=str),
    _sold("CAR.track", "/trackings", "TK", "DELIVERED", refusal="LABEL_UNKNOWN", calls_back=True, label=str),
    _sold("CAR.void", "/label-voids", "LV", "VOIDED", refusal="ALREADY_HANDED_OVER", header=True, label=str),
    _sold("DIG.assign", "/assignments", "LI", "ASSIGNED", refusal="POOL_EMPTY", product=str),
    _sold("DIG.revoke", "/revocations", "LR", "REVOKED", refusal="LICENCE_UNKNOWN", licence=str),
    _sold("INV.issue", "/invoices", "IN", "ISSUED", refusal="PERIOD_LOCKED", document=str),
    _sold("INV.creditNote", "/credit-notes", "CN", "ISSUED", refusal="INVOICE_UNKNOWN", document=str),
    _sold("MKT.confirmShipment", "/shipments", "MC", "CONFIRMED", refusal="CANCELLED_BY_BUYER", order=str),
    _sold("DSV.order", "/purchase-orders", "PU", "DISPATCHED", UNSUPPORTED, "SOLD_OUT", calls_back=True, sku=str),
    _sold("DSV.cancel", "/purchase-stops", "PS", "STOPPED", refusal="ALREADY_SHIPPED", purchase=str),
    _sold("NTF.send", "/messages", "MG", "DELIVERED", refusal="RECIPIENT_INVALID", calls_back=True, header=True,
          recipient=str, template=str),
)  # fmt: skip

PROCESSES: Mapping[str, tuple[Kind, ...]] = {
    "billing": (*BIL, *PAY, *TAX, *CRD),
    "logistics": (*WHS, *SHP, *WFM),
    "provisioning": (*PRV, *RIN, *NUM, *SIM, *PIN, *ENT, *EMG, *ADR),
    "partners": (*PRT, *WHA, *WHF, *CIV, *OTT, *DOC, *NTF),
    "engine": ENG,
}


SHOPS: Mapping[str, tuple[Kind, ...]] = {"commerce": COMMERCE}
"""The processes of a web shop, whose systems share codes with the others: they stand in their place."""
EVERY = {**PROCESSES, **SHOPS}


def systems_of(name: str) -> tuple[str, ...]:
    """The codes of the systems that a process plays: `logistics` is WHS, SHP and WFM."""
    return tuple(dict.fromkeys(kind.system for kind in EVERY[name]))


def all_kinds() -> Iterator[Kind]:
    """Every kind of thing of every system of an operator."""
    for kinds in PROCESSES.values():
        yield from kinds
