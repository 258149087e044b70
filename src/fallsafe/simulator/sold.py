"""What the people of a world order: one family of items for each plan of the policy set, some more often than
others.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One item: its name, offer, the item that it is below, and its monthly amount in minor units."""

    name: str
    offer: str
    parent: str = ""
    monthly_minor: int = 0


@dataclass(frozen=True, slots=True)
class Sold:
    """What is ordered together, with one action, and how many of a hundred orders are of this kind."""

    action: str
    share: int
    lines: tuple[Line, ...]


FIBER = (
    Line("fiber", "FIBER-HOME-1G", "", 4_500),
    Line("static-ip", "STATIC-IP", "fiber", 500),
    Line("router", "WIFI-ROUTER", "fiber"),
    Line("billing", "MONTHLY-BILLING", "fiber"),
)
SOLD = (
    Sold("add", 50, FIBER),
    Sold("delete", 5, FIBER),
    Sold("modify", 5, FIBER[:1]),
    Sold(
        "add",
        10,
        (
            Line("fiber", "FIBER-HOME-COMPLETE", "", 5_900),
            Line("static-ip", "STATIC-IP", "fiber", 500),
            Line("router", "WIFI-ROUTER-DELIVERED", "fiber"),
            Line("billing", "SERVICE-BILLING", "fiber"),
        ),
    ),
    Sold(
        "add",
        10,
        (
            Line("plan", "MOBILE-PORT-IN", "", 2_500),
            Line("esim", "ESIM", "plan"),
            Line("number", "NUMBER-PORT-IN", "plan"),
            Line("billing", "SERVICE-BILLING", "plan"),
            Line("films", "CONTENT-ADDON", "plan", 990),
        ),
    ),
    Sold("add", 8, (Line("films", "CONTENT-ADDON", "", 990),)),
    Sold("delete", 2, (Line("films", "CONTENT-ADDON", "", 990),)),
    Sold(
        "add",
        10,
        (
            Line("network", "BUSINESS-NETWORK"),
            Line("site-1", "BUSINESS-ACCESS", "network", 19_000),
            Line("line-1", "ACCESS-LINE", "site-1"),
            Line("billing-1", "SERVICE-BILLING", "site-1"),
            Line("site-2", "BUSINESS-ACCESS", "network", 24_000),
            Line("line-2", "ACCESS-LINE-BY-FILE", "site-2"),
            Line("router-2", "WIFI-ROUTER-DELIVERED", "site-2"),
            Line("billing-2", "SERVICE-BILLING", "site-2"),
        ),
    ),
    Sold(
        "add",
        8,
        (
            Line("network", "BUSINESS-NETWORK"),
            Line("site", "BUSINESS-ACCESS", "network", 21_000),
            Line("works", "CIVIL-WORKS", "site"),
            Line("line", "ACCESS-LINE-BY-FILE", "site"),
            Line("billing", "SERVICE-BILLING", "site"),
        ),
    ),
)


def sold(seed: int, number: int) -> Sold:
    """What the order of this number is about; the same for the same seed and number."""
    dice = random.Random(f"{seed}/sold/{number}")  # noqa: S311  safe because a seed must give the same
    return dice.choices(SOLD, [kind.share for kind in SOLD])[0]
