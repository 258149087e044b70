"""Times, lengths and money in words; the table has the value first and the answer last."""

from datetime import UTC, datetime, timedelta

import pytest

from fallsafe.workbench.words import clock, lowered, many, money, promised, size, span, until, words

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 m"),
        (200, "3 m 20 s"),
        (300, "5 m"),
        (3599, "59 m"),
        (3600, "1 h"),
        (13_200, "3 h 40 m"),
        (172_799, "47 h 59 m"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_length_of_time_is_said_in_its_two_largest_units(seconds: int, said: str):
    assert span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(("minutes", "said"), [(40, "40 m left"), (-50, "50 m over"), (0, "0 s over")])
def test_a_due_time_is_left_or_over(minutes: int, said: str):
    assert until(NOW + timedelta(minutes=minutes), NOW) == said


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (4500, "EUR", "45.00 EUR"),
        (183_900, "IDR", "1,839.00 IDR"),
        (500, "JPY", "500 JPY"),
        (1500, "KWD", "1.500 KWD"),
        (0, "EUR", "—"),
    ],
)
def test_money_is_said_in_the_units_of_its_currency(minor: int, currency: str, said: str):
    assert money(minor, currency) == said


@pytest.mark.parametrize(
    ("at", "zone", "said"),
    [
        (datetime(2026, 11, 26, 10, tzinfo=UTC), "Asia/Jakarta", "tomorrow 17:00 (Asia/Jakarta)"),
        (datetime(2026, 11, 25, 16, tzinfo=UTC), "Asia/Jakarta", "today 23:00 (Asia/Jakarta)"),
        (datetime(2026, 11, 25, 18, tzinfo=UTC), "Asia/Jakarta", "tomorrow 01:00 (Asia/Jakarta)"),
        (datetime(2026, 12, 3, 8, tzinfo=UTC), "Nowhere/Land", "Thu 03 Dec 08:00 (UTC)"),
    ],
)
def test_a_promise_is_said_in_the_zone_in_which_it_was_given(at: datetime, zone: str, said: str):
    assert promised(at, zone, NOW) == said


def test_a_time_of_another_day_has_its_day():
    assert clock(NOW - timedelta(days=1), NOW) == "24 Nov 10:00:00"
    assert clock(NOW, NOW) == "10:00:00"


def test_a_word_that_no_table_has_is_shown_as_it_is():
    assert words("held_back") == "Held back"
    assert words("held", {"held": "Blocked"}) == "Blocked"


def test_one_is_one_and_many_are_many():
    assert (many(1, "task"), many(1200, "task"), size(512), size(2310)) == ("1 task", "1,200 tasks", "512 B", "2.3 KiB")


def test_a_title_in_a_sentence_begins_small_and_keeps_its_capitals():
    assert lowered("Activate static IP") == "activate static IP"
