"""Repairs on the command line: what may be done about a case, what it would do, who agrees, and doing it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from fallsafe.cli.client import client, fail
from fallsafe.cli.verbs import AsJson, Reason, table, told

Row = Mapping[str, Any]
Case = Annotated[str, typer.Argument(help="The case, F-…")]
Name = Annotated[str, typer.Argument(help="The repair, RA-…")]
Hash = Annotated[str, typer.Option("--hash", help="The hash of the preview that you read.")]
Given = Annotated[list[str], typer.Option("--set", help="name=value of what the action must be given; repeat it.")]
Whole = Annotated[str, typer.Option("--input", help="What the action must be given, as JSON.")]

repair = typer.Typer(no_args_is_help=True, help="Repairs: actions, preview, approve, decline, run, list, show.")


@repair.command("actions")
def repair_actions(case: Case, as_json: AsJson = False) -> None:
    """What may be done about a case, and why the rest may not."""

    def people(answer: Row) -> None:
        for one in answer["items"]:
            typer.echo(f"{one['code']}: {one['title']} ({one['risk']} risk)")
            for field, said in one["input"].get("properties", {}).items():
                typer.echo(f"    {field}: {said.get('title', field)}. {said.get('description', '')}".rstrip())
            for why in one["locked"]:
                typer.echo(f"    locked: {why}")

    told(client().get(f"/fallout-cases/{case}/actions"), as_json, people)


@repair.command("preview")
def repair_preview(
    case: Case,
    action: Annotated[str, typer.Argument(help="A code of `fallsafe repair actions`.")],
    given: Given = [],  # noqa: B006 safe because typer makes a list of its own
    whole: Whole = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Show what an action would do. Nothing is sent; exit 1 where it cannot be run."""
    body = {"action": action, "input": _given(given, whole), **({"reason": reason} if reason else {})}
    answer = client().post(f"/fallout-cases/{case}/repairs/preview", body)
    told(answer, as_json, _shown)
    if not answer["ready"]:
        raise typer.Exit(1)


def _given(pairs: list[str], whole: str) -> dict[str, Any]:
    """What was given in words: numbers, true and false are what they look like."""
    try:
        found = json.loads(whole) if whole else {}
    except ValueError as error:
        fail(f"--input is not JSON: {error}", 2)
    if not isinstance(found, dict):
        fail("--input is no JSON object", 2)
    for pair in pairs:
        name, is_there, value = pair.partition("=")
        if not is_there or not name:
            fail(f"--set {pair}: write name=value", 2)
        at, _, below = name.partition("/")
        if below:
            found.setdefault(at, {})[below] = value
        else:
            found[at] = value
    return found


def _shown(one: Row) -> None:
    typer.echo(f"{one['id'] or 'not to be run'}  {one['title']}  {one['state']} {one['progress']}".rstrip())
    for condition in one["conditions"]:
        said = "" if condition["met"] else f" But {condition['why']}."
        typer.echo(f"  {'ok  ' if condition['met'] else 'FAIL'} {condition['sentence']}{said}")
    for change in one["changes"]:
        typer.echo(f"  {change['title']}: {change['old']} → {change['new']} ({change['fieldClass']})")
    for sent in one["sends"]:
        typer.echo(
            f"  {'sends' if sent['effect'] else 'asks'} {sent['operation']} with key {sent['key']}: {sent['what']}"
        )
    for after in one["after"]:
        typer.echo(f"  {after['thing']} {after['name']}: {after['was']} → {after['then']}")
    for check in one["checks"]:
        typer.echo(f"  asks again: {check['title']} ({check['result'].replace('_', ' ')})")
    if one["customer"]:
        hears = one["customer"]
        typer.echo(f"  the customer may hear now: {hears['now'] or 'nothing'}")
        typer.echo(f"  once it has helped: {hears['then'] or 'nothing'}")
    if one["approval"]:
        by, roles = one["approval"]["by"], ", ".join(one["approval"]["roles"])
        who = f"a second person ({roles})" if roles else "a second person"
        typer.echo(f"  {who} has to agree: {one['approval']['why']}" + (f" ({by} did)" if by else ""))
    if one["endedBecause"]:
        typer.echo(f"  {one['endedBecause']}")
    if one["runBy"]:
        typer.echo(f"  {one['runBy']} ran it at {one['runAt']}")
    elif one["id"] and one["state"] in ("previewed", "approved", "awaited"):
        verb = "approve" if one["state"] == "awaited" else "run"
        typer.echo(f"next: fallsafe repair {verb} {one['caseId']} {one['id']} --hash {one['hash']}")


@repair.command("list")
def repair_list(case: Case, as_json: AsJson = False) -> None:
    """The repairs of a case, newest first."""

    def people(answer: Row) -> None:
        rows = [
            (r["id"], r["action"], r["state"], r["progress"], r["askedBy"], r["runBy"], r["endedBecause"])
            for r in answer["items"]
        ]
        table("", ("repair", "action", "state", "came to", "asked by", "run by", "because"), rows)

    told(client().get(f"/fallout-cases/{case}/repairs"), as_json, people)


@repair.command("show")
def repair_show(case: Case, name: Name, as_json: AsJson = False) -> None:
    """Show one repair: what it does, who agreed, what it came to."""
    told(client().get(f"/fallout-cases/{case}/repairs/{name}"), as_json, _shown)


def _decide(case: str, name: str, verb: str, seen: str, reason: str, as_json: bool) -> None:
    body = {"hash": seen, **({"reason": reason} if reason else {})}
    told(client().post(f"/fallout-cases/{case}/repairs/{name}/{verb}", body), as_json, _decided)


def _decided(answer: Row) -> None:
    by = f" by {answer['runBy']} at {answer['runAt']}" if answer["runBy"] else ""
    typer.echo(f"{answer['id']}: {answer['state']}{by}" + (" (it was before)" if answer["already"] else ""))
    typer.echo(f"what comes of it: {answer['href']}")


@repair.command("approve")
def repair_approve(case: Case, name: Name, seen: Hash, reason: Reason = "", as_json: AsJson = False) -> None:
    """Agree, as a second person, to the preview that you read."""
    _decide(case, name, "approve", seen, reason, as_json)


@repair.command("decline")
def repair_decline(case: Case, name: Name, seen: Hash, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say no to a preview, or take back your own."""
    _decide(case, name, "decline", seen, reason, as_json)


@repair.command("run")
def repair_run(case: Case, name: Name, seen: Hash, reason: Reason = "", as_json: AsJson = False) -> None:
    """Run what was previewed, once."""
    _decide(case, name, "run", seen, reason, as_json)


automation = typer.Typer(no_args_is_help=True, help="What runs by itself: list, on, off.")
Code = Annotated[str, typer.Argument(help="The action, for example RESEND_SAME_KEY.")]


@automation.command("list")
def automation_list(as_json: AsJson = False) -> None:
    """What may run by itself, and what came of it in the last day."""

    def people(answer: Row) -> None:
        rows = [
            (a["action"], a["state"], a["ran"], a["proved"], a["failed"], a["perHour"], a["why"])
            for a in answer["items"]
        ]
        table("", ("action", "state", "ran", "proved", "failed", "per hour", "because"), rows)
        share = "nothing was mended" if answer["rate"] is None else f"{answer['rate']:.0%} of what was mended"
        typer.echo(f"by itself in the last day: {share}")

    told(client().get("/automations"), as_json, people)


def _switch(code: str, verb: str, reason: str, as_json: bool) -> None:
    answer = client().post(f"/automations/{code}/{verb}", {"reason": reason} if reason else {})
    told(answer, as_json, lambda a: typer.echo(f"{code} is {verb}" + (" (it was before)" if a["already"] else "")))


@automation.command("on")
def automation_on(code: Code, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let an action run by itself, within the budget of policy."""
    _switch(code, "on", reason, as_json)


@automation.command("off")
def automation_off(code: Code, reason: Reason = "", as_json: AsJson = False) -> None:
    """Stop an action from running by itself, at once."""
    _switch(code, "off", reason, as_json)
