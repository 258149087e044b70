"""Requests to change the deal on the command line: what was handed off, and what those who sell say about it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from fallsafe.cli.client import client
from fallsafe.cli.verbs import AsJson, Reason, table, told

Row = Mapping[str, Any]
Name = Annotated[str, typer.Argument(help="The request, AM-…")]
Reference = Annotated[str, typer.Option("--reference", help="Theirs: the quote, the contract, the ticket.")]

amendment = typer.Typer(no_args_is_help=True, help="Changes of the deal: list, show, accept, decline.")


@amendment.command("list")
def amendment_list(
    state: Annotated[str, typer.Option(help="handed_off, accepted, declined, expired or superseded.")] = "",
    as_json: AsJson = False,
) -> None:
    """The requests, newest first."""

    def people(answer: Row) -> None:
        rows = [(r["id"], r["kind"], r["state"], r["orderId"], r["item"], r["expiresAt"]) for r in answer["items"]]
        table("", ("request", "kind", "state", "order", "item", "open until"), rows)

    told(client().get("/amendments", state=state), as_json, people)


@amendment.command("show")
def amendment_show(name: Name, as_json: AsJson = False) -> None:
    """Show one request: what it asks for and needs, what exists, what came back."""
    told(client().get(f"/amendments/{name}"), as_json, _shown)


def _shown(one: Row) -> None:
    typer.echo(f"{one['id']}  {one['kind']} of {one['orderId']} {one['item']}  {one['state']}".rstrip())
    for clause in one["diff"]:
        typer.echo(f"  {clause['path']}: {clause['old']} → {clause['new']} ({clause['title']})")
    for effect in one["effects"]:
        typer.echo(f"  {effect['step']} {effect['reference']}: {effect['then']}")
    if one["state"] == "handed_off":
        typer.echo(f"next: fallsafe amendment accept {one['id']} --reference THEIRS")
    else:
        typer.echo(f"  {one['answeredBy']} {one['answeredAt'] or ''} {one['reference']} {one['endedBecause']}".rstrip())


@amendment.command("accept")
def amendment_accept(name: Name, reference: Reference, reason: Reason = "", as_json: AsJson = False) -> None:
    """The change was agreed to: the new content supersedes, both are kept, the order goes on."""
    _answer(name, "accept", reference, reason, as_json)


@amendment.command("decline")
def amendment_decline(name: Name, reference: Reference, reason: Reason = "", as_json: AsJson = False) -> None:
    """It will not be: the deal stays as it was, and the case goes on."""
    _answer(name, "decline", reference, reason, as_json)


def _answer(name: str, verb: str, reference: str, reason: str, as_json: bool) -> None:
    body = {"reference": reference, **({"reason": reason} if reason else {})}
    answer = client().post(f"/amendments/{name}/{verb}", body)
    told(answer, as_json, lambda a: typer.echo(f"{a['id']}: {verb}" + (" (it was before)" if a["already"] else "")))
