"""Reading an answer by its contract: the first row that fits decides, and every doubt is lost (§11, §12.1)."""

import pytest

from fallsafe.core.commands.contract import AnswerRule
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, Rejected, Says
from fallsafe.core.commands.reading import found, read, read_look_up
from fallsafe.core.events import Json

KEY, ABOUT = "CRM/777/fiber.activate/fulfill/1", "CRM/777/fiber"
ASKED = {"key": KEY, "object": ABOUT}
SAME = (("/commandId", "key"), ("/object", "object"))


def row(says: Says, *statuses: int, where: dict[str, list[str]] | None = None, **more: str) -> AnswerRule:
    """A row that compares nothing with what was asked."""
    wanted = tuple((pointer, frozenset(values)) for pointer, values in (where or {}).items())
    return AnswerRule(frozenset(statuses), wanted, says, **more)


ROWS = (
    AnswerRule(
        frozenset({200, 202}), (("/result/status", frozenset({"ACCEPTED"})),), Says.ACCEPTED, SAME, "/result/serviceRef"
    ),
    AnswerRule(frozenset({200}), (("/state", frozenset({"ACTIVE"})),), Says.DONE, SAME, "/serviceRef"),
    row(Says.LOST, 200, where={"/state": ["CANCELLED"]}, lost_because="cancelled_object"),
    row(Says.LOST, 409, where={"/code": ["DUPLICATE"]}, lost_because="already_done", code="/code"),
    row(Says.REJECTED, 422, code="/result/code", message="/result/text"),
    row(Says.NOT_SENT, 423, code="/code"),
    row(Says.ABSENT, 404),
    row(Says.LOST, 418),
    row(Says.PROGRESS, 102),
)
NAMED: dict[str, Json] = {"commandId": KEY, "object": ABOUT}
ACTIVE: dict[str, Json] = {**NAMED, "state": "ACTIVE", "serviceRef": "SRV-1"}
ACCEPTED: dict[str, Json] = {**NAMED, "result": {"status": "ACCEPTED", "serviceRef": "SRV-1"}}


class WhenAnAnswerIsReadByItsContract:
    # status, body, outcome without its words
    @pytest.mark.parametrize(
        ("status", "body", "outcome"),
        [
            (202, ACCEPTED, Accepted("SRV-1", ACCEPTED)),
            (200, ACTIVE, Done("SRV-1", ACTIVE)),
            (102, {}, Accepted("", {})),
            (422, {"result": {"code": "NO_DROP", "text": "80 m"}}, Rejected("NO_DROP", "80 m")),
            (422, None, Rejected("http_422")),
            (423, {"code": "LOCKED"}, NotSent("http_423", "LOCKED")),
            (409, {"code": "DUPLICATE"}, Lost("already_done", "DUPLICATE")),
            (200, {**ACTIVE, "state": "CANCELLED"}, Lost("cancelled_object")),
            (418, {}, Lost("unreadable")),
        ],
    )
    def test_the_first_row_that_fits_says_what_it_means(self, status: int, body: Json, outcome: Outcome) -> None:
        assert read(ROWS, status, body, ASKED, effect=True) == outcome

    # body, reason
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({**ACTIVE, "commandId": f"{KEY}1"}, "other_key"),
            ({**ACTIVE, "object": "CRM/778/fiber"}, "other_object"),
            ({"object": ABOUT, "state": "ACTIVE"}, "other_key"),
            ({**ACTIVE, "object": None}, "other_object"),
            ({**ACTIVE, "commandId": {"is": KEY}}, "other_key"),
        ],
    )
    def test_a_success_about_something_else_is_lost(self, body: Json, reason: str) -> None:
        outcome = read(ROWS, 200, body, ASKED, effect=True)
        assert isinstance(outcome, Lost)
        assert outcome.reason == reason

    def test_a_row_that_fits_but_names_another_key_does_not_leave_it_to_the_rows_below(self) -> None:
        rows = (ROWS[1], row(Says.DONE, 200))
        outcome = read(rows, 200, {**ACTIVE, "commandId": "other"}, ASKED, effect=True)
        assert isinstance(outcome, Lost)

    def test_a_fact_that_nobody_asked_about_proves_nothing(self) -> None:
        rows = (AnswerRule(frozenset(), (), Says.DONE, (("/line", "line"),)),)
        assert isinstance(read(rows, 200, {"line": "1"}, ASKED, effect=True), Lost)

    # status, reason
    @pytest.mark.parametrize(
        ("status", "reason"), [(200, "unreadable"), (500, "http_500"), (504, "http_504"), (499, "unreadable")]
    )
    @pytest.mark.parametrize("effect", [True, False])
    def test_what_no_row_reads_is_lost_with_or_without_an_effect(self, status: int, reason: str, effect: bool) -> None:
        outcome = read((), status, {"fine": True}, ASKED, effect)
        assert isinstance(outcome, Lost)
        assert (outcome.reason, outcome.raw_code) == (reason, f"http_{status}")

    def test_not_found_in_answer_to_an_effect_is_no_absence(self) -> None:
        assert isinstance(read(ROWS, 404, {}, ASKED, effect=True), Lost)

    @pytest.mark.parametrize("body", [None, [], "ACTIVE", 7, True, {}, {"state": ["ACTIVE"]}, {"result": "ACCEPTED"}])
    def test_bodies_of_any_shape_are_no_success(self, body: Json) -> None:
        assert isinstance(read(ROWS, 200, body, ASKED, effect=True), Lost)


class WhenALookUpIsRead:
    # status, body, outcome
    @pytest.mark.parametrize(
        ("status", "body", "outcome"),
        [
            (200, ACTIVE, Looked(Says.DONE, "SRV-1", result=ACTIVE)),
            (202, ACCEPTED, Looked(Says.PENDING, "SRV-1", result=ACCEPTED)),
            (
                422,
                {"result": {"code": "NO_DROP"}},
                Looked(Says.REJECTED, "", "NO_DROP", "", {"result": {"code": "NO_DROP"}}),
            ),
            (404, {}, Looked(Says.ABSENT, result={})),
            (423, {"code": "LOCKED"}, NotSent("http_423", "LOCKED")),
            (200, {**ACTIVE, "state": "CANCELLED"}, Lost("cancelled_object")),
        ],
    )
    def test_it_says_done_pending_rejected_or_absent_or_is_lost(
        self, status: int, body: Json, outcome: Outcome
    ) -> None:
        assert read_look_up(ROWS, status, body, ASKED) == outcome

    def test_an_answer_about_another_command_says_nothing_about_this_one(self) -> None:
        outcome = read_look_up(ROWS, 200, {**ACTIVE, "commandId": "other"}, ASKED)
        assert isinstance(outcome, Lost)
        assert outcome.reason == "other_key"

    def test_what_no_row_reads_is_lost(self) -> None:
        assert isinstance(read_look_up((), 200, ACTIVE, ASKED), Lost)


class WhenAPointerIsFollowed:
    # body, pointer, text
    @pytest.mark.parametrize(
        ("body", "pointer", "text"),
        [
            ({"a": {"b": "c"}}, "/a/b", "c"),
            ({"a": [{"b": 1}]}, "/a/0/b", "1"),
            ({"a/b": {"~": True}}, "/a~1b/~0", "true"),
            ({"a": False}, "/a", "false"),
            ({"a": 1.5}, "/a", "1.5"),
            ("all", "", "all"),
            ({"a": None}, "/a", None),
            ({"a": {}}, "/a", None),
            ({"a": [1]}, "/a/1", None),
            ({"a": [1]}, "/a/-1", None),
            ({"a": [1]}, "/a/²", None),
            ({"a": "b"}, "/a/b", None),
            ({"": "empty"}, "/", "empty"),
        ],
    )
    def test_it_leads_to_a_single_value_or_nowhere(self, body: Json, pointer: str, text: str | None) -> None:
        assert found(body, pointer) == text

    def test_a_row_may_ask_only_that_something_is_there(self) -> None:
        rows = (row(Says.DONE, 200, where={"/id": []}),)
        assert isinstance(read(rows, 200, {"id": "x"}, ASKED, effect=True), Done)
        assert isinstance(read(rows, 200, {"id": None}, ASKED, effect=True), Lost)


class WhenAnAnswerHoldsWhatCannotBeWrittenDown:
    """No answer of another system may stop a worker: the whole stands in its evidence, the words are made fit."""

    def test_control_characters_in_code_and_words_become_spaces(self) -> None:
        said = read(ROWS, 422, {"result": {"code": "A\0B", "text": "no\tport\ud800"}}, ASKED, effect=True)
        assert said == Rejected("A B", "no port ")

    def test_words_without_end_are_cut(self) -> None:
        said = read(ROWS, 422, {"result": {"code": "A" * 9_000, "text": "x" * 90_000}}, ASKED, effect=True)
        assert isinstance(said, Rejected)
        assert (len(said.raw_code), len(said.message)) == (200, 1_000)

    @pytest.mark.parametrize("reference", ["SRV-\0", "S" * 257, "a\nb"])
    def test_a_reference_that_nobody_could_ask_by_makes_the_answer_lost(self, reference: str) -> None:
        said = read(ROWS, 200, {**ACTIVE, "serviceRef": reference}, ASKED, effect=True)
        assert isinstance(said, Lost)
        looked = read_look_up(ROWS, 200, {**ACTIVE, "serviceRef": reference}, ASKED)
        assert isinstance(looked, Lost)

    def test_what_a_wrong_answer_names_is_cut_too(self) -> None:
        said = read(ROWS, 200, {**ACTIVE, "commandId": "k" * 9_000}, ASKED, effect=True)
        assert isinstance(said, Lost)
        assert len(said.message) < 300
