"""The timeline is the journal: nothing is lost, what was committed together stands together, refusals are seen."""

import pytest
from tests.workbench import drill

from fallsafe.workbench.timeline import SHOWN_MAX, Timeline, timeline_of

NAMES = {drill.COMMANDS[drill.ACTIVATE]: "Activate fiber service, C-1", drill.ACTIVATE: "Activate fiber service"}


def shown(show: str = "all") -> Timeline:
    return timeline_of(drill.journal(), NAMES, frozenset({drill.QUERY}), show, False)


class WhenTheJournalIsRead:
    def test_the_newest_entry_is_the_first(self):
        times = [m.at for m in shown().moments]
        assert times == sorted(times, reverse=True)

    def test_no_record_is_lost(self):
        events = [event for m in shown().moments for event in m.events]
        assert sorted(events) == sorted(line.event_id for line in drill.journal())

    def test_a_command_and_its_task_that_move_together_are_one_entry(self):
        entry = next(m for m in shown().moments if m.title == "No answer: the outcome is unknown")
        assert [(c.thing, c.was, c.now) for c in entry.changes] == [
            ("command", "sending", "unknown"),
            ("task", "sending", "unknown"),
        ]

    def test_a_refusal_stands_there_with_its_reason_and_what_would_work(self):
        entry = shown().moments[0]
        assert entry.title == "Refused: resend"
        assert "is unknown since 10:20:31 UTC" in entry.body
        assert "first find out: fallsafe command reconcile" in entry.body

    def test_an_answer_to_a_question_is_not_called_done(self):
        titles = [m.title for m in shown().moments]
        assert "Answer to the question" in titles
        assert "Done" not in titles

    def test_a_verb_without_words_is_shown_under_its_public_name(self):
        line = drill.line(1, drill.NOW, "system:x", "order", drill.ORDER, "mark_stuck")
        (moment,) = timeline_of([line], {}, frozenset(), "all", False).moments
        assert moment.title == "Order marked stuck"


class WhenOnlyAPartIsAskedFor:
    def test_people_are_people(self):
        assert {m.who for m in shown("people").moments} == {"you"}

    def test_people_and_systems_together_are_all(self):
        assert shown("people").total + shown("systems").total == shown().total

    def test_state_changes_have_a_change_each(self):
        moments = shown("states").moments
        assert moments
        assert all(m.changes for m in moments)

    @pytest.mark.parametrize("whole", [False, True])
    def test_a_long_timeline_is_cut_and_says_by_how_much(self, whole: bool):
        lines = [drill.line(n, drill.NOW, "system:x", "task", n, "count", reason=str(n)) for n in range(200)]
        timeline = timeline_of(lines, {}, frozenset(), "all", whole)
        assert len(timeline.moments) == (200 if whole else SHOWN_MAX)
        assert timeline.total == 200
        assert timeline.cut == 200 - len(timeline.moments)
