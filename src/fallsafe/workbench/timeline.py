"""The timeline of a case: the journal of its order as a person reads it, newest first.

Records of one transaction that say the same verb for the same reason (a command moves its task with it) are one
entry; nothing is left out but by the reader's own choice of what to show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from fallsafe.core.events import event_name
from fallsafe.store.ids import PREFIX, outside
from fallsafe.store.trail import JournalLine

SHOWN_MAX = 60
SHOWN_MAX_ALL = 1_000
CHOICES = (("all", "All"), ("people", "People"), ("systems", "Systems"), ("states", "State changes"))

# (thing, verb) → words, icon, tone. What is not here is shown under its public name.
WORDS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("order", "acknowledge"): ("Order taken in", "inbox", ""),
    ("order", "start"): ("Order started", "player-play", ""),
    ("order", "plan"): ("Order planned", "sitemap", ""),
    ("order", "hold"): ("Order held", "player-pause", "warn"),
    ("order", "go_on"): ("Order goes on", "player-play", ""),
    ("order", "complete"): ("Order completed", "check", "good"),
    ("item", "add"): ("Item added", "package", ""),
    ("item", "hold"): ("Item blocked", "player-pause", "warn"),
    ("item", "go_on"): ("Item goes on", "player-play", ""),
    ("item", "complete"): ("Item completed", "check", "good"),
    ("task", "plan"): ("Task planned", "sitemap", ""),
    ("task", "dependencies_met"): ("Task ready", "player-play", ""),
    ("task", "count"): ("One task less to wait for", "clock", ""),
    ("task", "keep_result"): ("Result kept", "database", ""),
    ("command", "intend"): ("Command written down, with its key", "pencil", ""),
    ("command", "send"): ("Sent", "send", ""),
    ("command", "accept"): ("Accepted, the result comes later", "clock", ""),
    ("command", "complete"): ("Done", "check", "good"),
    ("command", "reject"): ("Rejected", "x", "bad"),
    ("command", "not_sent"): ("Not sent: nothing can have happened", "clock", "warn"),
    ("command", "lose"): ("No answer: the outcome is unknown", "help-hexagon", "unknown"),
    ("command", "look"): ("Look-up began", "search", ""),
    ("command", "look_again"): ("Nothing decided yet, look again", "search", ""),
    ("command", "count"): ("Look counted", "search", ""),
    ("command", "find_done"): ("Found out: it is done", "check", "good"),
    ("command", "find_rejected"): ("Found out: it was rejected", "x", "bad"),
    ("command", "find_pending"): ("Found out: it is under way", "clock", ""),
    ("command", "find_absent"): ("Found out: it never happened", "search-off", "warn"),
    ("command", "send_again"): ("The same command may go out again", "refresh", ""),
    ("command", "recover"): ("Next step decided", "refresh", ""),
    ("command", "reconcile"): ("Asked to find out now", "user-search", ""),
    ("case", "detect"): ("Fallout detected", "alert-triangle", "bad"),
    ("case", "classify"): ("Classified", "adjustments", ""),
    ("case", "assign"): ("Assigned", "users", ""),
    ("case", "score"): ("Severity derived", "gauge", ""),
    ("case", "claim"): ("Taken", "user-search", ""),
    ("case", "transfer"): ("Given away", "users", ""),
    ("case", "accept"): ("Accepted", "users", ""),
    ("case", "return"): ("Returned", "users", "warn"),
    ("case", "consult"): ("Another group was asked", "message", ""),
    ("case", "reply"): ("A group answered", "message", ""),
    ("case", "refer"): ("Ticket elsewhere", "message", ""),
    ("case", "follow_up"): ("To be seen again", "clock", ""),
    ("case", "relate"): ("Linked", "message", ""),
    ("case", "part"): ("A failure of it got a case of its own", "alert-triangle", ""),
    ("case", "comment"): ("Comment", "message", ""),
    ("case", "attach"): ("Put to the evidence", "message", ""),
    ("case", "lapse"): ("Free again: its claim was over", "clock", ""),
    ("case", "wait"): ("Waits", "clock", ""),
    ("case", "go_on"): ("Waits no longer", "clock", ""),
    ("case", "escalate"): ("Escalated", "alert-triangle", "bad"),
    ("case", "withdraw"): ("Withdrawn", "ban", ""),
    ("case", "diagnose"): ("Diagnosis began", "stethoscope", ""),
    ("case", "advise"): ("Next step changed", "arrow-right", ""),
    ("case", "join"): ("Seen again", "alert-triangle", "warn"),
    ("case", "heal"): ("Resolved, and proved", "check", "good"),
    ("case", "resolve"): ("Resolved", "check", "good"),
    ("case", "reopen"): ("Reopened", "alert-triangle", "bad"),
    ("case", "close"): ("Closed", "check", ""),
}
QUERY_WORDS = {
    "intend": ("Question written down", "pencil", ""),
    "send": ("Asked", "search", ""),
    "complete": ("Answer to the question", "message", ""),
    "lose": ("No answer to the question", "clock", "warn"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A state that moved: of what, from, to (words of the code)."""

    thing: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry. `events` are the ids of its records; `first` marks the first entry of its time."""

    anchor: str
    at: datetime
    first: bool
    who: str
    person: bool
    title: str
    about: str
    body: str
    changes: tuple[Change, ...]
    events: tuple[str, ...]
    rule: str
    evidence: tuple[str, ...]
    icon: str
    tone: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is shown of how many, by which choice."""

    moments: tuple[Moment, ...]
    show: str
    total: int
    cut: int


def timeline_of(
    lines: Sequence[JournalLine], names: Mapping[int, str], queries: frozenset[int], show: str, whole: bool
) -> Timeline:
    """The timeline of these records (oldest first). `names` say what a thing is called, `queries` are the commands that
    only ask.
    """
    entries = [_moment(group, names, queries) for group in _together(lines)]
    chosen = [entry for entry in reversed(entries) if _shows(entry, show)]
    kept = chosen[: SHOWN_MAX_ALL if whole else SHOWN_MAX]
    return Timeline(tuple(_firsts(kept)), show, len(chosen), len(chosen) - len(kept))


def _together(lines: Iterable[JournalLine]) -> list[list[JournalLine]]:
    return [list(group) for _, group in groupby(lines, key=lambda x: (x.transaction, x.verb, x.reason))]


def _shows(entry: Moment, show: str) -> bool:
    match show:
        case "people":
            return entry.person
        case "systems":
            return not entry.person
        case "states":
            return bool(entry.changes)
        case _:
            return True


def _firsts(entries: Iterable[Moment]) -> list[Moment]:
    out, last = list[Moment](), None
    for entry in entries:
        second = entry.at.replace(microsecond=0)
        out.append(replace(entry, first=second != last))
        last = second
    return out


def _moment(group: Sequence[JournalLine], names: Mapping[int, str], queries: frozenset[int]) -> Moment:
    head = group[0]
    kind, _, name = head.actor.partition(":")
    title, icon, tone = _words(head, queries)
    return Moment(
        anchor=f"ev-{head.event_id}",
        at=head.at,
        first=True,
        who=name or head.actor,
        person=kind == "person",
        title=title,
        about=", ".join(dict.fromkeys(_about(x, names) for x in group if x.thing == head.thing)),
        body=_body(head),
        changes=_changes(group, names),
        events=tuple(x.event_id for x in group),
        rule=" · ".join(part for part in (head.policy_set, head.rule) if part),
        evidence=tuple(sorted({outside("evidence", i) for x in group for i in x.evidence})),
        icon=icon,
        tone=tone,
    )


def _changes(group: Sequence[JournalLine], names: Mapping[int, str]) -> tuple[Change, ...]:
    """What moved, by its kind; by its name as well where the entry speaks of several of a kind."""
    many = {x.thing for x in group if sum(y.thing == x.thing for y in group) > 1}
    moved = (x for x in group if x.was and x.was != x.now)
    return tuple(Change(names.get(x.thing_id, x.thing) if x.thing in many else x.thing, x.was, x.now) for x in moved)


def _words(line: JournalLine, queries: frozenset[int]) -> tuple[str, str, str]:
    if line.is_refusal:
        return f"Refused: {line.verb.removeprefix('refuse_').replace('_', ' ')}", "ban", "bad"
    if line.thing == "command" and line.thing_id in queries and line.verb in QUERY_WORDS:
        return QUERY_WORDS[line.verb]
    if line.verb.startswith("keep_"):
        return f"Kept, nothing moves ({line.verb.removeprefix('keep_').replace('_', ' ')})", "archive", ""
    return WORDS.get((line.thing, line.verb)) or (_spoken(event_name(line.thing, line.verb)), "circle-dot", "")


def _spoken(name: str) -> str:
    spoken = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return spoken[:1].upper() + spoken[1:]


def _about(line: JournalLine, names: Mapping[int, str]) -> str:
    known = names.get(line.thing_id)
    if known:
        return known
    return outside(line.thing, line.thing_id) if line.thing in PREFIX else f"{line.thing} {line.thing_id}"


def _body(line: JournalLine) -> str:
    if not line.is_refusal:
        return line.reason
    said = [str(line.facts.get(part) or "") for part in ("why", "hint")]
    return f"{line.reason}: " + " — ".join(part for part in said if part)
