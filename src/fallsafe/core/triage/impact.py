"""Whom a failure hurts most (§5.3), which decides with its recoverability what the customer hears where its code does
not (§17).
"""

from collections.abc import Mapping
from enum import StrEnum

SECOND_EFFECT, MISMATCH = "idempotency", ("mismatch", "silent_change")
LACKING = ("missing", "policy")


class Impact(StrEnum):
    """The kinds of impact of §5.3."""

    CUSTOMER = "customer"
    REVENUE = "revenue"
    COST = "cost"
    COMPLIANCE = "compliance"
    OPERATIONAL = "operational"
    DATA_QUALITY = "data_quality"


OF_DOMAIN: Mapping[str, Impact] = {
    "Billing": Impact.REVENUE,
    "Pricing": Impact.REVENUE,
    "Platform": Impact.OPERATIONAL,
}


def impact_of(domain: str, cause: str, *, regulated: bool) -> Impact:
    """The impact of a failure by its domain and cause; `regulated` says that proof is owed for the item. What no row
    names is felt by the customer.
    """
    if regulated and cause in LACKING:
        return Impact.COMPLIANCE
    if cause == SECOND_EFFECT:
        return Impact.COST
    if domain in OF_DOMAIN:
        return OF_DOMAIN[domain]
    return Impact.DATA_QUALITY if cause in MISMATCH else Impact.CUSTOMER
