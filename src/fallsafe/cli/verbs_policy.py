"""The verbs of policy sets: what is wrong with one is said without an installation, all else is asked of one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fallsafe.cli.client import client, fail
from fallsafe.cli.verbs import AsJson, Row, table, told

if TYPE_CHECKING:
    from fallsafe.policyset import Problem

policy = typer.Typer(
    no_args_is_help=True, help="Policy sets: list, show, check, diff, draft, publish, activate, move, discard."
)
Why = Annotated[str, typer.Option("--reason", help="Why; it stands in the journal.")]
NotYet = Annotated[bool, typer.Option("--not-yet", help="Publish it, and leave the one that is in force in force.")]
SAMPLES = 20
COUNTS = {"at_once": "for every order at once", "when_planned": "for orders that are planned from then on"}


@policy.command("list")
def policy_list(as_json: AsJson = False) -> None:
    """List the policy sets that were published, which is in force, and those that are being written."""
    sets, drafts = client().get("/policy-sets"), client().get("/policy-drafts")

    def people(answer: Row) -> None:
        columns = ("set", "in force", "published", "by", "reason")
        rows = [_listed(one) for one in answer["items"]]
        table("", columns, rows)
        for one in answer["drafts"]:
            typer.echo(f"draft of {one['name']}: version {one['version']}, saved by {one['editedBy']}")
            typer.echo(f"     see what is wrong with it: fallsafe policy show {one['name']}")

    told({**sets, "drafts": drafts["items"]}, as_json, people)


def _listed(one: Row) -> tuple[Any, ...]:
    since = f"since {one['activatedAt']}" if one.get("inForce") else ""
    return one["id"], since, one.get("publishedAt"), one.get("publishedBy"), one.get("reason")


@policy.command("show")
def policy_show(
    name: Annotated[str, typer.Argument(help="A set (telco@2026-11-01+…), or the name of a draft (telco).")],
    file: Annotated[str, typer.Option(help="Print this file of it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the files of a policy set or of a draft, and what is wrong with the draft."""

    def people(answer: Row) -> None:
        if file and file not in answer["files"]:
            fail(f"{name} has no {file}; it has {', '.join(sorted(answer['files']))}", 2)
        typer.echo(answer["files"][file] if file else "\n".join(sorted(answer["files"])))
        for problem in answer.get("problems") or ():
            typer.echo(_said(problem), err=True)

    told(client().get(f"/policy-sets/{name}" if "@" in name else f"/policy-drafts/{name}"), as_json, people)


@policy.command("check")
def policy_check(directory: Path, as_json: AsJson = False) -> None:
    """Say what is wrong with a policy set, each with file, line and what would be right."""
    if as_json:
        found = [_problem(p) for p in problems_of(directory)]
        typer.echo(json.dumps({"ok": not found, "problems": found}, indent=2))
        raise typer.Exit(1 if found else 0)
    _checked(directory)
    typer.echo(f"{directory}: nothing is wrong")


@policy.command("diff")
def policy_diff(
    was: Annotated[str, typer.Argument(help="A folder, or a published set.")],
    now: Annotated[
        str, typer.Argument(help="Another one; left out: the set in force is compared with the first.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say in words what one policy set has that another has not, and from when each change counts."""

    def people(answer: Row) -> None:
        for counts, words in COUNTS.items():
            changes = [change for change in answer["changes"] if change["counts"] == counts]
            if changes:
                typer.echo(f"{words}:")
            for change in changes:
                typer.echo(f"  {change['sentence']}")
        if not answer["changes"]:
            typer.echo(f"{answer['was']} and {answer['now']} say the same")

    was, now = (was, now) if now else ("", was)
    if all("@" in name for name in (was, now) if name):
        told(client().get(f"/policy-sets/{now}/diff", against=was), as_json, people)
    else:
        told(_compared(was, now), as_json, people)


def _compared(was: str, now: str) -> Row:
    from fallsafe.policyset import PolicyError, differences

    try:
        changes = differences(_files(was), _files(now))
    except PolicyError as error:
        fail(str(error))
    told = [
        {
            "kind": one.kind,
            "thing": one.thing,
            "name": one.name,
            "turn": one.turn.value,
            "counts": one.counts.value,
            "sentence": one.sentence,
        }
        for one in changes
    ]
    return {"was": was or "the set in force", "now": now, "changes": told}


def _files(name: str) -> Mapping[str, bytes]:
    """The files of a folder, or of a published set; of the one in force where there is no name."""
    if name and "@" not in name:
        from fallsafe.policyset import read_folder

        return read_folder(Path(name))
    found = name or next(one["id"] for one in client().get("/policy-sets")["items"] if one["inForce"])
    return {file: text.encode() for file, text in client().get(f"/policy-sets/{found}")["files"].items()}


@policy.command("draft")
def policy_draft(directory: Path, reason: Why = "saved from the command line", as_json: AsJson = False) -> None:
    """Save a folder as the draft of its set, whatever is wrong with it."""
    name, files = directory.resolve().parent.name, _texts(directory)
    listed = client().get("/policy-drafts")["items"]
    version = next((str(one["version"]) for one in listed if one["name"] == name), "")

    def people(answer: Row) -> None:
        typer.echo(f"saved: the draft of {answer['name']}, version {answer['version']}")
        typer.echo(f"publish it: fallsafe policy publish {answer['name']}")

    body = {"files": files, "reason": reason}
    told(client().put(f"/policy-drafts/{name}", body, version), as_json, people)


@policy.command("publish")
def policy_publish(
    what: Annotated[str, typer.Argument(help="A folder, or the name of a draft (telco).")],
    reason: Why = "published from the command line",
    not_yet: NotYet = False,
    as_json: AsJson = False,
) -> None:
    """Publish a policy set and put it in force; it is checked first, here and there."""

    def people(answer: Row) -> None:
        typer.echo(f"published: {answer['id']}" + (", in force" if answer["inForce"] else ""))
        if not answer["inForce"]:
            typer.echo(f"put it in force: fallsafe policy activate {answer['id']}")

    more = {"reason": reason, "activate": not not_yet}
    if Path(what).is_dir() or "/" in what:
        _checked(Path(what))
        told(client().post("/policy-sets", {"files": _texts(Path(what)), **more}), as_json, people)
    else:
        told(client().post(f"/policy-drafts/{what}/publish", more), as_json, people)


@policy.command("activate")
def policy_activate(
    name: Annotated[str, typer.Argument(help="A published set, newer or older than the one in force.")],
    reason: Why = "put in force from the command line",
    as_json: AsJson = False,
) -> None:
    """Put a published policy set in force, for new orders and for the judgement of all."""
    told(
        client().post(f"/policy-sets/{name}/activate", {"reason": reason}),
        as_json,
        lambda answer: typer.echo(f"in force: {answer['id']}"),
    )


@policy.command("move")
def policy_move(
    name: Annotated[str, typer.Argument(help="The published set that running orders go to.")],
    order: Annotated[list[str], typer.Option(help="An order (O-…); as often as one likes.")] = [],  # noqa: B006 safe because typer makes a list of its own
    origin: Annotated[str, typer.Option("--from", help="All running orders of this set, the oldest first.")] = "",
    run: Annotated[bool, typer.Option("--run", help="Move them as shown; without it they are only shown.")] = False,
    reason: Why = "moved from the command line",
    as_json: AsJson = False,
) -> None:
    """Show what moving running orders to another set would do to each, and move them with --run."""
    if bool(order) == bool(origin):
        fail("name the orders with --order, or their set with --from", 2)
    which = {"orderIds": order} if order else {"from": origin}
    shown = client().post(f"/policy-sets/{name}/moves/preview", which)
    if run:
        more = {"hash": shown["hash"], "reason": reason}
        told(client().post(f"/policy-sets/{name}/moves", {**which, **more}), as_json, lambda a: _moved(a, done=True))
    else:
        told(shown, as_json, lambda a: _moved(a, done=False))


def _moved(answer: Row, *, done: bool) -> None:
    moved, would = answer["moves"], "" if done else "would "
    typer.echo(f"{moved} {would}move to {answer['to']}, {answer['stays']} stay, {answer['refused']} may not")
    for word in ("added", "removed", "changed"):
        typer.echo(f"  tasks {word}: {answer[f'tasks{word.capitalize()}']}")
    for one in answer["orders"][:SAMPLES]:
        typer.echo(f"{one['id']} {one['verdict']}" + (f": {one['why']}" if one["why"] else ""))
        lines = [*(f"+ {step}" for step in one["added"]), *(f"- {step}" for step in one["removed"]), *one["changes"]]
        for line in lines:
            typer.echo(f"    {line}")
    if answer["left"]:
        typer.echo(f"{answer['left']} more run by that set; ask again for them")
    if moved and not done:
        typer.echo("move them as shown: the same with --run")


@policy.command("discard")
def policy_discard(name: str, reason: Why = "given up from the command line", as_json: AsJson = False) -> None:
    """Give up the draft of a set."""
    told(
        client().post(f"/policy-drafts/{name}/discard", {"reason": reason}),
        as_json,
        lambda answer: typer.echo(f"given up: the draft of {answer['name']}, version {answer['version']}"),
    )


def problems_of(directory: Path) -> "Sequence[Problem]":
    """What is wrong with a set, an empty list where nothing is."""
    from fallsafe import policyset

    try:
        return policyset.check(directory)
    except policyset.PolicyError as error:
        return error.problems


def _texts(directory: Path) -> dict[str, str]:
    """The files of a folder as text."""
    from fallsafe.policyset import PolicyError, read_folder

    try:
        return {name: body.decode() for name, body in read_folder(directory).items()}
    except PolicyError as error:
        fail(str(error), 2)
    except UnicodeDecodeError as error:
        fail(f"a file of {directory} is not UTF-8: {error.reason}", 2)


def _problem(p: "Problem") -> Row:
    where = {"file": p.file, "line": p.line, "pointer": p.pointer}
    return {**where, "what": p.what, "wouldBeRight": p.would_be_right}


def _said(problem: Row) -> str:
    """A problem that the API told, as `check` says it."""
    place = f"{problem['file']}:{problem['line']}" if problem["line"] else problem["file"]
    return f"{place}: {problem['what']} (at {problem['pointer']}); {problem['wouldBeRight']}"


def _checked(directory: Path) -> None:
    found = problems_of(directory)
    for problem in found:
        typer.echo(str(problem), err=True)
    if found:
        raise typer.Exit(1)
