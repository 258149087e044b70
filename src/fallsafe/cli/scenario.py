"""What the drill of §26 plays: the order, its steps, and what may go wrong outside; light to import."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

TIME_SCALE = 60.0
SECONDS_MAX = 55.0
SOURCE = "CRM"
ZONE = "Asia/Jakarta"
STEPS = (
    "createBillingAccount", "createSubscription", "reserveRouter", "scheduleInstallation", "activateFiberService",
    "activateStaticIp",
)  # fmt: skip
TAKEN_ON = ("activateFiberService", "activateStaticIp")  # steps that their system works on after it has answered
PENDING_SECONDS = 12.0
VARIANTS: dict[str, dict[str, Any]] = {  # what is true outside while nobody knows
    "done": {"fault": "answer_lost_after_effect"},
    "absent": {"fault": "answer_lost_before_effect"},
    "pending": {"fault": "answer_lost_while_pending", "seconds": PENDING_SECONDS},
    "silent": {"fault": "answer_lost_after_effect"},  # and at first the system cannot be asked
}


def order(external_id: str, now: datetime) -> dict[str, Any]:
    """The order of §26 as it is handed in: promised tomorrow at 17:00 in Jakarta."""
    there = now.astimezone(ZoneInfo(ZONE)) + timedelta(days=1)
    promised = there.replace(hour=17, minute=0, second=0, microsecond=0)
    place = {"id": "PL-1", "street": "Jalan Melati 8", "city": "Jakarta"}
    fiber: dict[str, Any] = {
        "externalId": "fiber",
        "offer": "FIBER-HOME-1G",
        "place": place,
        "monthlyMinor": 4500,
        "oneOffMinor": 6000,
    }
    added = [("static-ip", "STATIC-IP"), ("router", "WIFI-ROUTER"), ("billing", "MONTHLY-BILLING")]
    rest: list[dict[str, Any]] = [{"externalId": name, "offer": offer, "parent": "fiber"} for name, offer in added]
    return {
        "source": SOURCE,
        "externalId": external_id,
        "timeZone": ZONE,
        "customerRef": f"CU-{external_id}",
        "segment": "consumer",
        "channel": "web",
        "catalogVersion": "2026.11",
        "committedAt": promised.astimezone(UTC).isoformat(),
        "quote": {"id": f"Q-{external_id}"},
        "parties": [{"role": "customer", "ref": f"CU-{external_id}", "person": {"name": "Sari Wulandari"}}],
        "items": [{"action": "add", "currency": "EUR", "termMonths": 24, **item} for item in [fiber, *rest]],
    }
