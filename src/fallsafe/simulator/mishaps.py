"""What goes wrong in a world, how often, and how often it did: every fault is drawn from the seed and counted.

A profile says how likely each fault is. Some worlds of every profile are healthy, since a promise that holds only in a
storm is not kept either. When a world is to settle, all of it stops.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# By name, how likely each is at its place in a `default` world. Places: a request that leaves, a look-up that arrives,
# a callback, a statement, a commit, a step of a process, a moment of the world.
REQUEST = {
    "answer_lost_before_effect": 0.03,
    "answer_lost_after_effect": 0.04,
    "reset_before_effect": 0.01,
    "reset_after_effect": 0.015,
    "effect_late": 0.03,
    "delivered_twice": 0.02,
    "connection_refused": 0.015,
    "answer_slow": 0.03,
    "answer_too_slow": 0.02,
    "refused": 0.03,
    "partly_done": 0.01,
    "amount_differs": 0.02,
    "saved_error": 0.03,
    "busy": 0.02,
    "throttled": 0.01,
    "busy_and_refused": 0.01,
    "http_500_before": 0.01,
    "http_500_after": 0.015,
    "unreadable": 0.01,
    "unreadable_after_effect": 0.01,
    "other_key": 0.008,
    "other_object": 0.008,
    "cancelled_object": 0.008,
}
LOOK = {
    "look_not_found": 0.05,
    "look_lies": 0.03,
    "look_broken": 0.04,
    "look_lost": 0.04,
    "look_slow": 0.03,
    "look_busy": 0.02,
}
CALLBACK = {
    "callback_twice": 0.08,
    "callback_out_of_order": 0.05,
    "callback_late": 0.05,
    "callback_very_late": 0.02,
    "callback_never": 0.04,
    "callback_rejected": 0.05,
    "callback_rejected_twice": 0.03,
    "callback_changes_its_mind": 0.03,
    "callback_of_a_second_effect": 0.02,
    "callback_of_progress": 0.1,
    "callback_of_progress_late": 0.04,
    "callback_of_delay": 0.25,
    "callback_forged": 0.04,
    "callback_about_other": 0.02,
    "callback_unmatched": 0.02,
}
STATEMENT = {"connection_lost": 0.0006}
COMMIT = {"commit_not_sent": 0.006, "commit_unanswered": 0.006}
STEP = {"crash": 0.0012, "halt": 0.0005}
WORLD = {
    "database_restored": 0.12,
    "database_away": 0.25,
    "clock_forward": 0.3,
    "clock_back": 0.3,
    "system_slow": 0.25,
    "system_down": 0.25,
    "system_storm": 0.2,
    "storm_comes_back": 0.5,
    "key_expired": 0.06,
}
PEOPLE = {
    "submitted_twice": 0.15,
    "submitted_otherwise": 0.04,
    "submitted_unreadable": 0.04,
    "submitted_as_another": 0.5,
    "two_operators": 0.3,
    "operator_without_right": 0.1,
    "poison_order": 0.02,
    "unplannable_order": 0.06,
}
SIGNALS = {
    "signal_early": 0.25,
    "signal_stray": 0.15,
    "signal_twice": 0.2,
    "signal_otherwise": 0.12,
    "signal_alike": 0.35,
    "signal_ended": 0.35,
    "signal_end_first": 0.1,
}
REPORTS = {
    "engine_step_fails": 0.3,
    "engine_told_twice": 0.2,
    "report_late": 0.2,
    "report_twice": 0.2,
    "report_never": 0.08,
    "report_of_all": 0.15,
    "report_otherwise": 0.08,
}
FILES = {
    "file_lost": 0.02,
    "file_refused": 0.04,
    "file_never_acknowledged": 0.05,
    "answers_in_halves": 0.15,
    "answers_lost": 0.1,
}
FOLDER = {
    "folder_is_not_there": 0.06,
    "killed_while_writing": 0.06,
}
LETTERS = {
    "reply_twice": 0.2,
    "reply_of_delay": 0.3,
}
REPAIRS = {
    "repair_of_anything": 0.2,
    "repair_changes_the_deal": 0.5,
    "repair_stops_all": 0.06,
    "repair_without_right": 0.1,
    "preview_left_lying": 0.2,
    "approver_is_the_asker": 0.5,
    "run_unapproved": 0.6,
    "run_twice": 0.4,
    "run_by_two": 0.3,
    "revised": 0.08,
    "revised_twice": 0.4,
    "seen_by_a_person": 0.12,
    "seen_twice": 0.3,
}
ALL: Mapping[str, float] = {
    **REQUEST, **LOOK, **CALLBACK, **STATEMENT, **COMMIT, **STEP, **WORLD, **PEOPLE, **SIGNALS, **REPORTS, **FILES,
    **FOLDER, **LETTERS, **REPAIRS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """How harsh worlds are: the share of healthy ones, and the factor on every likelihood of the others."""

    name: str
    healthy: float
    factor: float


PROFILES = {
    "calm": Profile("calm", 0.6, 0.35),
    "default": Profile("default", 0.34, 1.0),
    "hell": Profile("hell", 0.34, 2.5),
}


@dataclass(slots=True)
class Mishaps:
    """Draws faults for one world. After `stop` nothing goes wrong any more."""

    dice: random.Random
    profile: Profile
    healthy: bool
    count: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    def strikes(self, name: str, dice: random.Random | None = None) -> bool:
        """Whether this fault strikes here and now, by the dice of the world or of somebody; if so it is counted."""
        if self.healthy or self.stopped:
            return False
        if (dice or self.dice).random() >= min(0.9, ALL[name] * self.profile.factor):
            return False
        self.count[name] += 1
        return True

    def one_of(self, faults: Mapping[str, float]) -> str:
        """At most one of several faults; empty for none."""
        if self.healthy or self.stopped:
            return ""
        at = self.dice.random()
        for name, likely in faults.items():
            at -= likely * self.profile.factor
            if at < 0:
                self.count[name] += 1
                return name
        return ""

    def stop(self) -> None:
        """From now on the world behaves."""
        self.stopped = True
