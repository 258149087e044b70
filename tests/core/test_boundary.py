"""The customer boundary (§17): true, plain, and never our inner workings."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from tests.core.things import DAY, HOUR, NOW, TOMORROW_17_IN_JAKARTA, a_case, a_task, an_item, an_order

from fallsafe.core.cases.case import CaseState
from fallsafe.core.comms.boundary import customer_view, day_words, time_words
from fallsafe.core.comms.messages import MessageText
from fallsafe.core.orders.item import ItemState
from fallsafe.core.orders.order import OrderState
from fallsafe.core.orders.task import TaskState


def text(key: str, en: str, otherwise: str = "", **others: str) -> MessageText:
    return MessageText(key, {"en": en, **others}, (), otherwise)


MESSAGES = {
    m.key: m
    for m in (
        text("hidden", ""),
        text(
            "on_track", "Your order is on track. Planned date: {date}.", "in_progress", de="Geplanter Termin: {date}."
        ),
        text("in_progress", "We are working on your order. Next update by {next_update}."),
        text("confirming", "We are confirming your activation status. Next update by {next_update}.", "in_progress"),
        text("verify_address", "We need to verify your service address: {link}", "in_progress"),
        text("shipment_delayed", "Your shipment is delayed. New expected date: {date}.", "no_date"),
        text("no_date", "Your shipment is delayed. We will give you a new date by {next_update}."),
        text("not_possible", "We cannot provide {item}.", "checking_order"),
        text("checking_order", "We are checking a detail of your order. Next update by {next_update}.", "in_progress"),
        text("completed", "{item} is active and ready to use.", "confirming"),
        text("cancelled", "{item} is cancelled.", "in_progress"),
        text("loop", "{nothing}", "loop"),
    )
}
TITLES = {"FIBER-HOME-1G": "Fiber Home 1 Gbit/s", "STATIC-IP": "Static IP address"}
UPDATE = NOW + 2 * HOUR  # 12:00 in Jakarta


def view(*cases, order=None, items=None, tasks=(), locale="en", next_update=UPDATE, titles=TITLES, **more):
    return customer_view(
        order or an_order(),
        items or [an_item("fiber", id=1), an_item("static-ip", id=2, parent_id=1, offer="STATIC-IP")],
        tasks,
        cases,
        MESSAGES,
        locale,
        NOW,
        next_update,
        titles=titles,
        **more,
    )


UNKNOWN = a_case(code="UNKNOWN_OUTCOME", message_key="confirming", severity="critical", system="PRV", raw_code="E-17")


class WhenTheActivationOfTheDrillIsUnknown:
    def test_the_customer_hears_that_we_are_confirming_it(self):
        sentence = view(UNKNOWN)
        assert sentence.text == "We are confirming your activation status. Next update by 2 July 2026, 12:00."
        assert (sentence.key, sentence.because) == ("confirming", "case F-100 is open")

    def test_so_it_is_before_its_case_is_read(self):
        assert view(tasks=[a_task(4, TaskState.UNKNOWN)]).key == "confirming"

    def test_once_it_is_known_the_order_is_on_track_again(self):
        assert view().text == "Your order is on track. Planned date: 3 July 2026."

    def test_in_the_end_it_is_active(self):
        done = an_order(state=OrderState.COMPLETED)
        sentence = view(order=done, tasks=[a_task(4, TaskState.COMPLETED)])
        assert sentence.text == "Fiber Home 1 Gbit/s is active and ready to use."


class WhenSomethingIsNotProved:
    @pytest.mark.parametrize("state", [s for s in TaskState if s not in (TaskState.COMPLETED, TaskState.SKIPPED)])
    def test_nobody_says_completed_while_a_step_is_open(self, state):
        sentence = view(order=an_order(state=OrderState.COMPLETED), tasks=[a_task(4, state)])
        assert sentence.key == "confirming"

    def test_nobody_says_completed_while_a_case_is_open(self):
        assert view(UNKNOWN, order=an_order(state=OrderState.COMPLETED)).key == "confirming"

    def test_nobody_says_completed_while_a_step_is_done_on_somebodys_word_alone(self):
        """P9: until its case was watched for long enough."""
        over, tasks = an_order(state=OrderState.COMPLETED), [a_task(4, TaskState.COMPLETED)]
        said = {"type": "ReconciledDone", "verified": False, "repair": "RA-1", "by": "person:mei"}
        declared = a_case(state=CaseState.RESOLVED, task_id=4, resolution=said, touched_at=NOW - DAY)
        assert view(declared, order=over, tasks=tasks).key == "confirming"
        assert view(replace(declared, touched_at=NOW - 8 * DAY), order=over, tasks=tasks).key == "completed"
        for proved in ({**said, "verified": True}, {"type": "HandedOff", "verified": False}):
            assert view(replace(declared, resolution=proved), order=over, tasks=tasks).key == "completed"

    def test_nobody_says_not_possible_before_it_was_decided(self):
        refused = a_case(message_key="not_possible")
        assert view(refused).key == "checking_order"
        assert view(refused, items=[an_item(state=ItemState.FAILED)]).key == "not_possible"

    def test_a_delay_has_no_new_date_before_somebody_gives_one(self):
        late = a_case(message_key="shipment_delayed")
        assert view(late).key == "no_date"
        assert view(late, values={"date": "9 July 2026"}).text.endswith("New expected date: 9 July 2026.")

    def test_a_text_whose_evidence_is_missing_gives_way(self):
        wrong_address = a_case(message_key="verify_address")
        assert view(wrong_address).key == "in_progress"
        assert view(wrong_address, values={"link": "https://x.example/1"}).key == "verify_address"

    def test_where_nothing_can_be_proved_nothing_is_said(self):
        sentence = view(UNKNOWN, next_update=None)
        assert (sentence.key, sentence.text) == ("hidden", "")

    def test_an_update_that_should_have_come_already_is_not_promised(self):
        assert view(UNKNOWN, next_update=NOW - HOUR).text == ""

    def test_a_text_that_gives_way_to_itself_ends(self):
        assert view(a_case(message_key="loop")).text == ""

    def test_a_name_that_the_catalog_does_not_have_is_not_made_up(self):
        done = an_order(state=OrderState.COMPLETED)
        assert "FIBER" not in view(order=done, titles={}).text


class WhenSeveralFailuresAreOpen:
    def test_the_worst_one_speaks(self):
        address = a_case(id=1, message_key="verify_address", severity="low", points=50)
        assert view(address, UNKNOWN, values={"link": "x"}).key == "confirming"

    def test_a_hidden_one_leaves_the_word_to_the_next(self):
        hidden = a_case(id=1, message_key="hidden", severity="critical")
        assert view(hidden, a_case(id=2, message_key="checking_order", severity="low")).key == "checking_order"

    def test_one_that_would_say_that_all_is_well_leaves_the_word_to_the_next_too(self):
        well = a_case(id=101, message_key="on_track", severity="critical")
        assert view(well).key == "in_progress"
        assert view(well, UNKNOWN).key == "confirming"

    def test_a_hidden_one_alone_does_not_make_it_on_track(self):
        assert view(a_case(message_key="hidden")).key == "in_progress"


class WhenTheDateCannotBeKept:
    @pytest.mark.parametrize(
        "changes",
        [
            {"committed_at": NOW - DAY},
            {"committed_at": None},
            {"forecast_at": TOMORROW_17_IN_JAKARTA + DAY},
            {"supplier_at": TOMORROW_17_IN_JAKARTA + DAY},
            {"frozen": {"why": "suspected duplicate"}},
        ],
    )
    def test_nobody_says_on_track(self, changes):
        assert view(order=an_order(**changes)).key == "in_progress"


class WhenAnOrderIsOver:
    def test_a_cancelled_one_is_cancelled(self):
        assert view(order=an_order(state=OrderState.CANCELLED)).text == "Fiber Home 1 Gbit/s is cancelled."

    @pytest.mark.parametrize("state", [OrderState.FAILED, OrderState.PARTIAL, OrderState.REJECTED])
    def test_nobody_says_that_we_are_still_working_on_it(self, state):
        assert view(order=an_order(state=state)).text == ""


class WhenOurInnerWorkingsAreLookedFor:
    def test_no_code_system_or_raw_word_is_ever_in_a_sentence(self):
        for key, state, locale in product(MESSAGES, OrderState, ("en", "de", "xx")):
            case = a_case(message_key=key, code="UNKNOWN_OUTCOME", system="PRV", raw_code="E-17", raw_message="drop")
            said = view(case, order=an_order(state=state), locale=locale).text
            assert not any(word in said for word in ("UNKNOWN_OUTCOME", "PRV", "E-17", "drop", "FIBER-HOME", "{"))


class WhenADateIsSaid:
    @pytest.mark.parametrize(
        ("locale", "said"),
        [("en", "3 July 2026"), ("de", "3. Juli 2026"), ("id", "3 Juli 2026"), ("xx", "2026-07-03")],
    )
    def test_it_is_in_the_customers_language_and_zone(self, locale, said):
        late = TOMORROW_17_IN_JAKARTA + timedelta(hours=6)  # 23:00 in Jakarta
        assert day_words(late, "Asia/Jakarta", locale) == said
        assert time_words(late, "Asia/Jakarta", locale) == f"{said}, 23:00"

    def test_a_language_that_the_text_is_not_in_gives_the_english_one(self):
        assert view(UNKNOWN, locale="de").locale == "en"
        assert view(locale="de").text == "Geplanter Termin: 3. Juli 2026."
