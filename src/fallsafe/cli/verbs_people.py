"""People and tokens on the command line: who may sign in, what they may do, and what opens the API."""

import getpass
import sys
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from fallsafe.cli.client import client
from fallsafe.cli.verbs import After, AsJson, Limit, Reason, table, told

Row = Mapping[str, Any]
Name = Annotated[str, typer.Argument(help="Their name, as in mei.lin; it stands in every record of what they do.")]
Roles = Annotated[list[str], typer.Option("--role", help="A role; repeat it. A wrong one names those that there are.")]
Groups = Annotated[list[str], typer.Option("--group", help="An owner group they work for; repeat it. * is all.")]

person = typer.Typer(no_args_is_help=True, help="People: list, put, password, may.")
token = typer.Typer(no_args_is_help=True, help="API tokens: list, create, revoke.")


@person.command("list")
def person_list(as_json: AsJson = False) -> None:
    """Everybody who may sign in, and what they may do."""

    def people(answer: Row) -> None:
        rows = [
            (one["name"], one["title"], ", ".join(one["roles"]), ", ".join(one["groups"]), _state(one))
            for one in answer["items"]
        ]
        table("people", ("name", "title", "roles", "groups", "state"), rows)

    told(client().get("/people"), as_json, people)


def _state(one: Row) -> str:
    if one["leftAt"]:
        return f"left {one['leftAt'][:10]}"
    if one["lockedUntil"]:
        return f"no password taken before {one['lockedUntil'][11:19]} UTC"
    return "has a password" if one["hasPassword"] else "no password"


@person.command("put")
def person_put(
    name: Name,
    title: Annotated[str, typer.Option(help="What they are called on pages; left out, their name.")] = "",
    roles: Roles = [],  # noqa: B006 safe because typer makes a list of its own
    groups: Groups = ["*"],  # noqa: B006
    left: Annotated[
        bool, typer.Option("--left", help="They have left: sign in no more, and their tokens end.")
    ] = False,
    reason: Reason = "asked on the command line",
    as_json: AsJson = False,
) -> None:
    """Make somebody known, or say what they may do from now on. Their sessions end."""
    body = {"title": title or name, "roles": roles, "groups": groups, "left": left, "reason": reason}
    answer = client().put(f"/people/{quote(name, safe='')}", body)

    def people(one: Row) -> None:
        typer.echo(f"{one['name']}: {', '.join(one['roles'])} for {', '.join(one['groups'])}; {_state(one)}")
        if not one["hasPassword"] and not one["leftAt"]:
            typer.echo(f"next: fallsafe person password {one['name']}")

    told(answer, as_json, people)


@person.command("password")
def person_password(name: Name) -> None:
    """Set somebody's password: typed twice, or one line of standard input. Their sessions end."""
    if sys.stdin.isatty():
        given = getpass.getpass(f"new password of {name}: ")
        if given != getpass.getpass("once more: "):
            typer.echo("the two are not the same; nothing was changed", err=True)
            raise typer.Exit(2)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    client().put(f"/people/{quote(name, safe='')}/password", {"password": given})
    typer.echo(f"{name} signs in with it from now on")


@person.command("may")
def person_may(
    group: Annotated[str, typer.Option(help="For what this owner group owns.")] = "", as_json: AsJson = False
) -> None:
    """What the token that is used here may do, and why not the rest."""

    def people(answer: Row) -> None:
        table("rights", ("right", "may", "why not"), [
            (one["action"], "yes" if one["allowed"] else "no", one["why"]) for one in answer["items"]
        ])  # fmt: skip

    told(client().get("/permissions", group=group), as_json, people)


@token.command("list")
def token_list(limit: Limit = 50, after: After = "", as_json: AsJson = False) -> None:
    """API tokens: whose they are and what they may, never the token."""

    def people(answer: Row) -> None:
        rows = [
            (one["id"], one["name"], one["kind"], ", ".join(one["roles"]), ", ".join(one["groups"]), _counts(one))
            for one in answer["items"]
        ]
        table("tokens", ("id", "name", "kind", "roles", "groups", "state"), rows)
        if answer["after"]:
            typer.echo(f"there is more: --after {answer['after']}")

    told(client().get("/tokens", limit=limit, after=after), as_json, people)


def _counts(one: Row) -> str:
    if one["revokedAt"]:
        return f"revoked {one['revokedAt'][:10]}"
    return f"until {one['expiresAt'][:10]}" if one["expiresAt"] else "for ever"


@token.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="Whose it is; it stands in every record of what is done with it.")],
    roles: Roles = [],  # noqa: B006
    groups: Groups = ["*"],  # noqa: B006
    kind: Annotated[str, typer.Option(help="person or machine; a machine never approves.")] = "machine",
    expires: Annotated[str, typer.Option(help="Until when it counts, as in 2027-01-31T00:00:00Z; else a year.")] = "",
    reason: Reason = "asked on the command line",
    as_json: AsJson = False,
) -> None:
    """Make a token. It is printed this once and kept nowhere."""
    body = {"name": name, "roles": roles, "groups": groups, "kind": kind, "reason": reason}
    answer = client().post("/tokens", body | ({"expiresAt": expires} if expires else {}))
    told(answer, as_json, lambda one: typer.echo(one["token"]))


@token.command("revoke")
def token_revoke(
    number: Annotated[str, typer.Argument(metavar="ID", help="Its id, of `fallsafe token list`.")],
) -> None:
    """A token that opens nothing from now on."""
    client().delete(f"/tokens/{quote(number, safe='')}")
    typer.echo(f"token {number} opens nothing from now on")
