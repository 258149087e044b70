"""Reading a callback: its address at the door, and what it says when the command is known (§11)."""

from datetime import UTC, datetime

import pytest

from fallsafe.core.commands.callback import Address, Callback, Unreadable, address, read_callback
from fallsafe.core.commands.contract import AnswerRule, CallbackContract
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.events import Json

KEY, ABOUT = "CRM/777/fiber.activate/fulfill/1", "CRM/777/fiber"
ASKED = {"key": KEY, "object": ABOUT}
SAME = (("/commandId", "key"), ("/object", "object"))
CONTRACT = CallbackContract(
    signature_header="X-Signature",
    event_id="/eventId",
    key="/commandId",
    occurred_at="/occurredAt",
    reference="/serviceRef",
    answers=(
        AnswerRule(frozenset(), (("/status", frozenset({"ACTIVE"})),), Says.DONE, SAME),
        AnswerRule(
            frozenset(), (("/status", frozenset({"REJECTED"})),), Says.REJECTED, SAME, code="/code", message="/text"
        ),
        AnswerRule(
            frozenset(), (("/status", frozenset({"CANCELLED"})),), Says.LOST, SAME, lost_because="cancelled_object"
        ),
    ),
)
# Both are instants, and neither can be brought to UTC by every clock.
BEYOND_ALL_YEARS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
BODY: dict[str, Json] = {
    "eventId": "EV-1",
    "commandId": KEY,
    "object": ABOUT,
    "status": "ACTIVE",
    "serviceRef": "SRV-1",
    "occurredAt": "2026-07-02T03:04:05.000006Z",
}


class WhenACallbackArrives:
    def test_it_has_an_address(self) -> None:
        assert address(CONTRACT, BODY) == Address("EV-1", KEY)

    # body, reason, pointer at fault
    @pytest.mark.parametrize(
        ("body", "reason", "pointer"),
        [
            (None, "not_an_object", ""),
            ([BODY], "not_an_object", ""),
            ({**BODY, "eventId": ""}, "no_event_id", "/eventId"),
            ({**BODY, "eventId": {"id": 1}}, "no_event_id", "/eventId"),
            ({"eventId": "EV-1"}, "no_key", "/commandId"),
            ({**BODY, "commandId": "x" * 513}, "too_long", "/commandId"),
            ({**BODY, "eventId": "x" * 513}, "too_long", "/eventId"),
        ],
    )
    def test_one_without_an_address_is_refused_with_the_place(self, body: Json, reason: str, pointer: str) -> None:
        refused = address(CONTRACT, body)
        assert isinstance(refused, Unreadable)
        assert (refused.reason, refused.pointer) == (reason, pointer)
        assert read_callback(CONTRACT, body, ASKED) == refused


class WhenACallbackIsApplied:
    def test_a_success_is_a_fact_with_reference_and_the_senders_time(self) -> None:
        at = datetime(2026, 7, 2, 3, 4, 5, 6, UTC)
        fact = Fact(Says.DONE, "callback", "SRV-1", occurred_at=at, result=BODY)
        assert read_callback(CONTRACT, BODY, ASKED) == Callback("EV-1", KEY, fact)

    def test_a_refusal_keeps_code_and_words(self) -> None:
        read = read_callback(CONTRACT, {**BODY, "status": "REJECTED", "code": "PORT", "text": "no"}, ASKED)
        assert isinstance(read, Callback)
        assert (read.fact.says, read.fact.raw_code, read.fact.message) == (Says.REJECTED, "PORT", "no")

    def test_a_cancelled_object_is_no_success(self) -> None:
        read = read_callback(CONTRACT, {**BODY, "status": "CANCELLED"}, ASKED)
        assert isinstance(read, Callback)
        assert (read.fact.says, read.fact.raw_code) == (Says.LOST, "cancelled_object")

    # change, reason
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"commandId": "other"}, "other_key"),
            ({"object": "CRM/778/fiber"}, "other_object"),
            ({"object": None}, "other_object"),
            ({"status": "SHINY"}, "unknown_status"),
        ],
    )
    def test_one_that_is_about_something_else_or_says_nothing_known_is_not_applied(
        self, change: dict[str, Json], reason: str
    ) -> None:
        refused = read_callback(CONTRACT, {**BODY, **change}, ASKED)
        assert isinstance(refused, Unreadable)
        assert refused.reason == reason

    def test_a_reference_that_nobody_could_ask_by_is_not_believed(self) -> None:
        refused = read_callback(CONTRACT, {**BODY, "serviceRef": "SRV-\0"}, ASKED)
        assert isinstance(refused, Unreadable)
        assert refused.reason == "unreadable"

    @pytest.mark.parametrize("time", ["", "yesterday", "2026-07-02T03:04:05", 7, None, *BEYOND_ALL_YEARS])
    def test_a_time_that_cannot_be_read_is_left_out_and_the_fact_stands(self, time: Json) -> None:
        read = read_callback(CONTRACT, {**BODY, "occurredAt": time}, ASKED)
        assert isinstance(read, Callback)
        assert (read.fact.says, read.fact.occurred_at) == (Says.DONE, None)
