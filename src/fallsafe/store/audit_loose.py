"""What stands without an order, compared with its records: received callbacks, signals and reports, the health of
downstreams, tokens, people, policy sets, and whether this installation sends.

Whoever edits one of these behind the journal gives a role, changes the rules, or takes a callback away. Tokens are
never in the journal; the digest of their digest is, which opens nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from fallsafe.store.canonical import canonical, digest, plain
from fallsafe.store.rows import Inbox, StoredReport, StoredSignal, columns, read_row

Row = Mapping[str, Any]
Found = tuple[str, str]
TABLES = (
    "downstreams", "inbox", "signals", "reports", "tokens", "people", "policy_sets", "policy_activations",
    "policy_drafts", "installation", "automations",
)  # fmt: skip
THINGS = frozenset(
    {
        "downstream", "inbox", "signal", "report", "token", "person", "policy_set", "policy_draft", "installation",
        "automation",
    }
)  # fmt: skip
INSTALLATION = ("sending", "stopped_because", "stopped_at", "rewinds")


def token_seal(token_digest: str) -> str:
    """What the record of a token says of its digest."""
    return sha256(token_digest.encode()).hexdigest()


def files_seal(files: Mapping[str, str]) -> str:
    """What the record of a policy set says of its files."""
    return digest(canonical(dict(files))).hex()


def in_order(records: Iterable[Row]) -> Iterator[Row]:
    """The records of things without an order, each thing's as they were made: by when it was last touched, which
    never goes back, else by their own, and where a clock was set back by the state in which each transaction found it.
    """
    things: dict[tuple[str, int], dict[tuple[int, int], list[Row]]] = {}
    for said in records:
        lane, first = said["transaction"]
        things.setdefault((said["thing"], said["thingId"]), {}).setdefault((lane, first), []).append(said)
    for transactions in things.values():
        left, state = sorted(transactions.values(), key=_touched), ""
        while left:
            following = next((part for part in left if part[0]["was"] == state), left[0])
            left.remove(following)
            yield from following
            state = following[-1]["now"] or state


def _touched(records: Sequence[Row]) -> str:
    return str(next((r["delta"]["touched_at"] for r in records if "touched_at" in r["delta"]), records[0]["at"]))


def compare(table: str, rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    """Each place where rows of a table and their records differ, with what is wrong."""
    done = [said for said in records if not said["verb"].startswith("refuse_")]
    return _COMPARED[table](rows, done)


def _inbox(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    return _folded("inbox", "callback", {row["id"]: columns(read_row(Inbox, row)) for row in rows}, records)


def _signals(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    return _folded("signal", "signal", {row["id"]: columns(read_row(StoredSignal, row)) for row in rows}, records)


def _reports(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    return _folded("report", "report", {row["id"]: columns(read_row(StoredReport, row)) for row in rows}, records)


def _folded(thing: str, name: str, standing: Mapping[int, Row], records: Iterable[Row]) -> Iterator[Found]:
    """Rows that are what the deltas of their records come to."""
    written: dict[int, dict[str, Any]] = {}
    for said in records:
        if said["thing"] == thing:
            written.setdefault(said["thingId"], {}).update(said["delta"])
    for number in sorted(standing.keys() | written.keys()):
        row, wanted = standing.get(number), written.get(number)
        if row is None or wanted is None:
            yield f"{name} {number}", "is gone" if row is None else "has no record"
        elif row != wanted:
            names = ", ".join(column for column in sorted(row) if row[column] != wanted.get(column))
            yield f"{name} {number}", f"column {names} was changed behind the journal"


def _tokens(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    made: dict[int, Row] = {}
    verbs: dict[int, set[str]] = {}
    for said in records:
        if said["thing"] == "token":
            verbs.setdefault(said["thingId"], set()).add(said["verb"])
            made |= {said["thingId"]: said["facts"]} if said["verb"] == "create" else {}
    for row in rows:
        facts = made.pop(row["id"], None)
        if facts is None or _token(row) != _token_said(facts, verbs[row["id"]]):
            yield f"token {row['id']}", "has no record" if facts is None else "was changed behind the journal"
    yield from ((f"token {number}", "is gone") for number in sorted(made))


def _token(row: Row) -> Row:
    return {
        "kind": row["kind"],
        "person": row["person"],
        "actorKind": row["actor_kind"],
        "roles": list(row["roles"]),
        "groups": list(row["groups"]),
        "expiresAt": plain(row["expires_at"]),
        "seal": token_seal(row["digest"]),
        "revoked": row["revoked_at"] is not None,
        "used": row["used_at"] is not None,
    }


def _token_said(facts: Row, verbs: set[str]) -> Row:
    return {**facts, "revoked": "revoke" in verbs, "used": "use" in verbs}


def _people(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    known: dict[str, Row] = {}
    for said in records:
        if said["thing"] == "person" and said["verb"] in ("add", "change"):
            was = known.get(said["delta"]["name"], {"seal": token_seal("")})
            known[said["delta"]["name"]] = {**was, **said["delta"]}
        elif said["thing"] == "person" and said["verb"] == "set_password":
            known[said["facts"]["name"]] = {**known[said["facts"]["name"]], "seal": said["facts"]["seal"]}
    for row in rows:
        if known.pop(row["name"], None) != _person(row):
            yield f"person {row['name']}", "is not what its records say"
    yield from ((f"person {name}", "is gone") for name in sorted(known))


def _person(row: Row) -> Row:
    lists = {name: list(row[name]) for name in ("roles", "groups")}
    left, seal = row["left_at"] is not None, token_seal(row["password"])
    return {"name": row["name"], "title": row["title"], **lists, "left": left, "seal": seal}


def _policy_sets(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    known = {said["thingId"]: said["facts"] for said in _about(records, "policy_set", "publish")}
    for row in rows:
        facts = known.pop(row["serial"], {})
        if [row["id"], row["digest"], files_seal(row["files"])] != [facts.get(n) for n in ("set", "digest", "seal")]:
            yield f"policy set {row['id']}", "is not what was published"
    yield from ((f"policy set {facts['set']}", "is gone") for facts in known.values())


def _about(records: Iterable[Row], thing: str, *verbs: str) -> Iterator[Row]:
    return (said for said in records if said["thing"] == thing and (not verbs or said["verb"] in verbs))


def _policy_activations(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    """Before activations were written down by themselves, whatever was published was in force."""
    told = [*_about(records, "policy_set", "publish", "activate")]
    wanted = {said["facts"]["serial"]: said for said in told if said["verb"] == "activate"}
    published = {said["thingId"]: said for said in told if said["verb"] == "publish"}
    for row in rows:
        written = wanted.pop(row["serial"], published.get(row["serial"], {"facts": {}}))
        said = [written["facts"].get("set"), written.get("actor"), written.get("reason")]
        if said != [row["set_id"], row["by"], row["reason"]]:
            yield f"activation {row['serial']}", "is not what its record says"
    yield from ((f"activation {serial}", "is gone") for serial in sorted(wanted))


def _policy_drafts(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    newest: dict[int, Row] = {}
    for said in _about(records, "policy_draft"):
        known = newest.get(said["thingId"])
        if known is None or said["facts"]["version"] > known["facts"]["version"]:
            newest[said["thingId"]] = said
    for row in rows:
        written = newest.pop(row["id"], {"facts": {}, "now": ""})
        stands = [row["name"], row["version"], files_seal(row["files"]), row["state"]]
        if stands != [*(written["facts"].get(n) for n in ("name", "version", "seal")), written["now"]]:
            yield f"draft {row['name']}", "is not what its record says"
    yield from ((f"draft {number}", "is gone") for number in sorted(newest))


def _installation(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    wanted: dict[str, Any] = {"sending": True, "stopped_because": "", "stopped_at": None, "rewinds": 0}
    told = [said["delta"] for said in records if said["thing"] == "installation"]
    # Each rewind stops it, and a person lets it go on; whatever the clock of the server that it was restored to said.
    for delta in sorted(told, key=lambda delta: (delta["rewinds"], delta["sending"])):
        wanted |= delta
    for row in rows:
        if {name: plain(row[name]) for name in INSTALLATION} != wanted:
            yield "installation", "whether it sends is not what its records say"


def _downstreams(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    """A row has no record before it moves; its moves are counted, since a clock may be set back between them."""
    told: dict[int, list[Row]] = {}
    for said in records:
        if said["thing"] == "downstream":
            told.setdefault(said["thingId"], []).append(said["delta"])
    for row in rows:
        wanted: dict[str, Any] = {"state": "clear", "since": None, "changed_at": None, "why": "", "probes": 0}
        wanted |= {"canary": None, "moves": 0}
        for delta in sorted(told.pop(row["gate"], []), key=lambda delta: delta["moves"]):
            wanted |= delta
        if {name: plain(row[name]) for name in wanted} != wanted:
            yield f"downstream {row['system']}", "is not what its records say"
    yield from ((f"downstream of gate {gate}", "is gone") for gate in sorted(told))


def _automations(rows: Sequence[Row], records: Iterable[Row]) -> Iterator[Found]:
    """A switch has no record before it is moved; its moves are counted."""
    told: dict[int, list[Row]] = {}
    for said in records:
        if said["thing"] == "automation":
            told.setdefault(said["thingId"], []).append(said["delta"])
    for row in rows:
        wanted: dict[str, Any] = {"state": "off", "why": "", "switched_by": "", "moves": 0}
        for delta in sorted(told.pop(row["id"], []), key=lambda delta: delta["moves"]):
            wanted |= {name: delta[name] for name in wanted}
        if {name: plain(row[name]) for name in wanted} != wanted:
            yield f"automation of {row['action']}", "is not what its records say"
    yield from ((f"automation {number}", "is gone") for number in sorted(told))


_COMPARED: Mapping[str, Callable[[Sequence[Row], Iterable[Row]], Iterator[Found]]] = {
    "downstreams": _downstreams,
    "inbox": _inbox,
    "signals": _signals,
    "reports": _reports,
    "tokens": _tokens,
    "people": _people,
    "policy_sets": _policy_sets,
    "policy_activations": _policy_activations,
    "policy_drafts": _policy_drafts,
    "installation": _installation,
    "automations": _automations,
}
