"""The verbs that speak to a running installation: the result first, then the next step."""

import json
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fallsafe.cli.client import IF_MATCH, client, fail

Row = Mapping[str, Any]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as it is.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the journal.")]
Limit = Annotated[int, typer.Option(help="At most so many (200 is the most).")]
After = Annotated[str, typer.Option(help="Where the page before ended.")]

order = typer.Typer(no_args_is_help=True, help="Orders: hand in, list, show, plan again.")
case = typer.Typer(no_args_is_help=True, help="Fallout cases: list, show, open, timeline, evidence, attach, do.")
command = typer.Typer(no_args_is_help=True, help="Commands: show, reconcile, resend, reply.")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(made)


def told(answer: Any, as_json: bool, people: Callable[[Any], None]) -> None:
    """Prints an answer for machines or for people."""
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        people(answer)


def _more(answer: Row) -> None:
    if answer.get("after"):
        typer.echo(f"there is more: --after {answer['after']}")


def _accepted(answer: Row) -> None:
    typer.echo(f"accepted: {answer['id']}" + (" (it was under way already)" if answer["already"] else ""))
    typer.echo(f"what comes of it: {answer['href']}")


@order.command("submit")
def order_submit(
    file: Annotated[str, typer.Argument(help="A JSON file, or - for standard input.")], as_json: AsJson = False
) -> None:
    """Hand in one order."""
    body = sys.stdin.buffer.read() if file == "-" else _read(Path(file))
    told(client().post("/orders", body), as_json, _taken)


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        fail(f"{place} cannot be read: {error.strerror}", 2)


def _taken(answer: Row) -> None:
    typer.echo(f"{answer['result']}: {answer['id']} ({answer['source']}:{answer['externalId']})")
    typer.echo(f"see it: fallsafe order show {answer['id']}")


@order.command("list")
def order_list(state: str = "", limit: Limit = 50, after: After = "", as_json: AsJson = False) -> None:
    """List orders, newest first."""

    def people(answer: Row) -> None:
        rows = [(o["id"], f"{o['source']}:{o['externalId']}", o["state"], o["committedAt"]) for o in answer["items"]]
        table("", ("order", "source", "state", "promised"), rows)
        _more(answer)

    told(client().get("/orders", state=state, limit=limit, after=after), as_json, people)


@order.command("show")
def order_show(
    name: Annotated[str, typer.Argument(help="O-…, or source:externalId.")], as_json: AsJson = False
) -> None:
    """Show one order: items, plan, cases, why it is where it is."""
    told(client().get(f"/orders/{name}"), as_json, _order)


def _order(file: Row) -> None:
    one = file["order"]
    typer.echo(f"{one['id']}  {one['source']}:{one['externalId']}  {one['state']}")
    typer.echo(f"{file['progress']['why']}")
    table(
        "",
        ("task", "step", "state", "waits for"),
        [(t["id"], t["step"], t["state"], ", ".join(t["waitsFor"])) for t in file["tasks"]],
    )
    for found in file["cases"]:
        typer.echo(f"case {found['id']} {found['state']}: {found['title']} ({found['severity']})")
        typer.echo(f"     fallsafe case show {found['id']}")
    if file["customer"]["text"]:
        typer.echo(f"the customer may hear: {file['customer']['text']}")


@order.command("plan")
def order_plan(name: str, reason: Reason = "", as_json: AsJson = False) -> None:
    """Plan again what could not be planned."""
    told(client().post(f"/orders/{name}/plan", {"reason": reason} if reason else {}), as_json, _accepted)


@order.command("revise")
def order_revise(
    name: str,
    kind: Annotated[str, typer.Option(help="revision, date or cancellation.")],
    external: Annotated[str, typer.Option("--id", help="What its source calls it.")],
    what: Annotated[str, typer.Option(help="What is wanted, in words.")],
    as_json: AsJson = False,
) -> None:
    """Say that those who sell want an order changed that is under way."""
    wanted = {"externalId": external, "kind": kind, "what": what}
    told(client().post(f"/orders/{name}/revisions", wanted), as_json, _accepted)


@case.command("list")
def case_list(
    query: Annotated[str, typer.Argument(help="As in the queue: severity:critical -owner:none age:>24h text")] = "",
    state: Annotated[str, typer.Option(help="open, any, or states parted by commas.")] = "",
    order_id: Annotated[str, typer.Option("--order", help="O-…")] = "",
    severity: str = "",
    owner_group: Annotated[str, typer.Option("--owner")] = "",
    sort: Annotated[str, typer.Option(help="priority, due, newest or value.")] = "",
    view: Annotated[str, typer.Option(help="A saved view, V-… or its name; the query narrows it further.")] = "",
    limit: Limit = 50,
    after: After = "",
    as_json: AsJson = False,
) -> None:
    """List cases, by default the open ones in the order in which they are worked."""
    if view:
        saved = _view(view)
        query, sort = f"{saved['query']} {query}".strip(), sort or saved["sort"]

    def people(answer: Row) -> None:
        if not answer["items"]:
            typer.echo("no case matches; is:any includes those that were resolved")
        columns = ("case", "severity", "what", "state", "owner", "due", "order")
        rows = [
            (c["id"], c["severity"], c["title"], c["state"], c["ownerGroup"], (c["slaDueAt"] or "")[:16], c["orderId"])
            for c in answer["items"]
        ]
        table("", columns, rows)
        _more(answer)

    asked = {
        "q": query, "state": state, "orderId": order_id, "severity": severity, "ownerGroup": owner_group,
        "sort": sort or "priority",
    }  # fmt: skip
    told(client().get("/fallout-cases", **asked, limit=limit, after=after), as_json, people)


def _view(name: str) -> Row:
    """The saved view of this id or name."""
    seen: list[Row] = client().get("/views")["items"]
    found = next((one for one in seen if name in (one["id"], one["title"])), None)
    if found is None:
        fail(f"there is no view {name}; you see: {', '.join(one['title'] for one in seen) or 'none'}", 2)
    return found


@case.command("count")
def case_count(
    query: Annotated[str, typer.Argument(help="What is asked for, as in the queue.")] = "", as_json: AsJson = False
) -> None:
    """How many cases match, and how many of each kind."""

    def people(answer: Row) -> None:
        typer.echo(f"{answer['total']}{'+' if answer['more'] else ''} cases")
        for key, values in answer["values"].items():
            most = sorted(values.items(), key=lambda each: -each[1])
            typer.echo(f"{key}: " + ", ".join(f"{value} {count}" for value, count in most))

    told(client().get("/fallout-cases/facets", q=query), as_json, people)


@case.command("show")
def case_show(name: str, as_json: AsJson = False) -> None:
    """Show one case: the six states, why, how bad, what is locked and why, what to do next."""
    told(client().get(f"/fallout-cases/{name}"), as_json, _case)


def _case(file: Row) -> None:
    said, bad = file["classification"], file["severity"]
    typer.echo(f"{file['id']}  {said['title']}  ({said['code']}, {bad['level']}, {bad['points']} points)")
    table("", tuple(file["states"]), [tuple(file["states"].values())])
    typer.echo(f"why: {said['why']} (rule {said['rule']} of {said['policySet']})")
    for reason in bad["reasons"]:
        typer.echo(f"  {reason['points']:>4}  {reason['sentence']}")
    for action in file["lockedActions"]:
        typer.echo(f"locked: {action['title']}: {'; '.join(action['locked'])}")
    for sent in file["notToBeSent"]:
        typer.echo(f"not to be sent: {sent['operation']} with key {sent['key']} is {sent['state']}")
    typer.echo(f"next: {file['nextAction']}")
    if file["playbook"]:
        book = file["playbook"]
        typer.echo(f"playbook {book['name']} ({book['title']}), step {book['at'] + 1} of {len(book['steps'])}:")
        for n, step in enumerate(book["steps"]):
            mark = "done" if step["done"] else "next" if n == book["at"] else "    "
            typer.echo(f"  {mark} {step['text']}")
    if file["commandId"]:
        typer.echo(f"      fallsafe command show {file['commandId']}")


@case.command("timeline")
def case_timeline(name: str, as_json: AsJson = False) -> None:
    """What happened, oldest first."""

    def people(answer: Row) -> None:
        rows = [
            (r["at"], r["actor"], r["thing"], r["verb"], f"{r['was']} → {r['now']}" if r["now"] else "", r["reason"])
            for r in answer["items"]
        ]
        table("", ("at", "who", "thing", "verb", "state", "reason"), rows)

    told(client().get(f"/fallout-cases/{name}/timeline", limit=200), as_json, people)


def _move(record: Row) -> str:
    return f"{record['was']} → {record['now']}" if record["now"] else ""


@case.command("evidence")
def case_evidence(name: str, as_json: AsJson = False) -> None:
    """What is known of the evidence, without its bytes."""

    def people(answer: Row) -> None:
        rows = [(e["id"], e["kind"], e["source"], e["at"], e["size"], e["digest"][:16]) for e in answer["items"]]
        table("", ("evidence", "kind", "source", "at", "bytes", "digest"), rows)

    told(client().get(f"/fallout-cases/{name}/evidence"), as_json, people)


@case.command("reconcile")
def case_reconcile(name: str, reason: Reason = "", as_json: AsJson = False) -> None:
    """Find out now what became of the command of a case."""
    told(client().post(f"/fallout-cases/{name}/reconcile", {"reason": reason} if reason else {}), as_json, _accepted)


@case.command("open")
def case_open(
    order: Annotated[str, typer.Argument(help="The order, O-… or source:externalId.")],
    text: Annotated[str, typer.Option(help="What was seen; kept sealed.")],
    reason: Annotated[str, typer.Option(help="Why it is a failure; it stands in the journal.")],
    item: Annotated[str, typer.Option(help="The item that it is about, by its external id.")] = "",
    step: Annotated[str, typer.Option("--task", help="The step of the plan that it is about.")] = "",
    code: Annotated[str, typer.Option(help="What it looks like, as the taxonomy calls it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open a case of what you saw, or join the open one of the same failure."""
    said = {"orderId": order, "text": text, "reason": reason, "item": item, "task": step, "code": code}
    told(client().post("/fallout-cases", {name: v for name, v in said.items() if v}), as_json, _accepted)


@case.command("attach")
def case_attach(
    name: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    media_type: Annotated[str, typer.Option("--type", help="What kind of bytes; without it, by the file's name.")] = "",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Put a file to the evidence of a case: a letter, a picture. It is sealed, and never changed."""
    kind = media_type or guess_type(file.name)[0] or "application/octet-stream"
    body = {"name": file.name, "mediaType": kind, "content": b64encode(file.read_bytes()).decode()}
    more = {"reason": reason} if reason else {}
    told(client().post(f"/fallout-cases/{name}/evidence", {**body, **more}), as_json, _accepted)


@case.command("do")
def case_do(
    action: Annotated[
        str,
        typer.Argument(
            help="assign, transfer, accept, return, consult, reply, refer, follow-up, relate, claim, diagnose, "
            "comment, wait, go-on, escalate, withdraw, resolve or reopen."
        ),
    ],
    names: Annotated[list[str], typer.Argument(help="The cases, F-…; resolve takes one.")],
    reason: Reason = "",
    owner_group: Annotated[str, typer.Option("--group", help="transfer, consult, reply: which owner group.")] = "",
    assignee: Annotated[str, typer.Option("--person", help="assign, transfer: to whom.")] = "",
    text: Annotated[str, typer.Option(help="comment, resolve: what is to be kept, sealed.")] = "",
    whom: Annotated[str, typer.Option(help="wait: for whom.")] = "",
    what: Annotated[str, typer.Option(help="wait: what for.")] = "",
    reference: Annotated[str, typer.Option(help="wait, refer: their reference.")] = "",
    until: Annotated[str, typer.Option(help="wait: until when, with its offset from UTC.")] = "",
    kind: Annotated[str, typer.Option("--type", help="resolve: how, for example DataCorrected.")] = "",
    done: Annotated[str, typer.Option(help="transfer: what was done so far.")] = "",
    asked: Annotated[str, typer.Option(help="transfer, consult: what is asked of them.")] = "",
    reply: Annotated[str, typer.Option("--answer", help="reply: what your group says.")] = "",
    system: Annotated[str, typer.Option(help="refer: in which system of others.")] = "",
    at: Annotated[str, typer.Option(help="follow-up: when you want to see it, with its offset from UTC.")] = "",
    to: Annotated[str, typer.Option(help="relate: to which case, F-…, or order, O-….")] = "",
    how: Annotated[str, typer.Option(help="relate: parent, child, duplicate_of, caused_by or related.")] = "",
    as_json: AsJson = False,
) -> None:
    """Work on cases: each gets its own answer, and one that is refused stops no other."""
    said = {
        "reason": reason, "ownerGroup" if action == "transfer" else "group": owner_group, "assignee": assignee,
        "text": text, "whom": whom, "what": what, "reference": reference, "until": until, "type": kind, "done": done,
        "asked": asked, "answer": reply, "system": system, "at": at, "to": to, "how": how,
    }  # fmt: skip
    given, api = {key: value for key, value in said.items() if value}, client()
    if action == "resolve" or IF_MATCH in api.given:
        if len(names) > 1:
            fail(f"{action if action == 'resolve' else '--seen'} is said of one case at a time", 2)
        told(api.post(f"/fallout-cases/{names[0]}/{action}", given), as_json, _accepted)
        return
    answer = api.post("/fallout-cases/actions", {"action": action, "caseIds": names, **given})
    told(answer, as_json, _worked)
    if answer["refused"]:
        raise typer.Exit(1)


def day(as_json: AsJson = False) -> None:
    """What waits for you, the most pressing first."""

    def people(answer: Row) -> None:
        rows = [
            (one["case"]["id"], one["case"]["severity"], one["case"]["title"], one["why"][0]) for one in answer["items"]
        ]
        table("", ("case", "severity", "what", "why"), rows) if rows else typer.echo("nothing waits for you")

    told(client().get("/my-day"), as_json, people)


def shift(hours: Annotated[int, typer.Option(help="How long the shift was.")] = 8, as_json: AsJson = False) -> None:
    """What you leave behind at the end of a shift."""

    def people(answer: Row) -> None:
        typer.echo(f"{answer['person']}, {answer['since'][:16]} to {answer['until'][:16]} UTC")
        open_ = [(c["id"], c["severity"], c["code"], c["state"], c["nextAction"], _waits(c)) for c in answer["open"]]
        table("still open", ("case", "severity", "code", "state", "next", "waits for"), open_)
        for title, cases in (("ended", answer["ended"]), ("given away, not accepted yet", answer["given"])):
            table(title, ("case", "severity", "code", "owner"), [
                (c["id"], c["severity"], c["code"], c["ownerGroup"]) for c in cases
            ])  # fmt: skip

    told(client().get("/shift-sheet", hours=hours), as_json, people)


def _waits(one: Row) -> str:
    waits = one["waitingFor"]
    return f"{waits['for']}: {waits['what']}" if waits else ""


def _worked(answer: Row) -> None:
    for one in answer["answers"]:
        refusal = one["refusal"]
        typer.echo(f"{one['id']}: {one['result']}" if refusal is None else f"{refusal['what']}: {refusal['why']}")
        if refusal is not None and refusal["hint"]:
            typer.echo(f"  {refusal['hint']}")


@command.command("show")
def command_show(name: str, as_json: AsJson = False) -> None:
    """Show one command: its key, every attempt, what was said, and why it may not be sent."""
    told(client().get(f"/commands/{name}"), as_json, _command)


def _command(one: Row) -> None:
    typer.echo(f"{one['id']}  {one['operation']}  {one['state']}  key {one['key']}")
    for sent in one["attempts"]:
        typer.echo(f"attempt {sent['n']} at {sent['at']} by {sent['worker']}")
    for said in one["outcomes"]:
        typer.echo(f"{said['at']} {said['source']} says {said['says']} {said['rawCode']} → {said['disposition']}")
    if one["locked"]:
        typer.echo(f"{one['locked']['what']}: {one['locked']['why']}\n{one['locked']['hint']}")


@command.command("reconcile")
def command_reconcile(name: str, reason: Reason = "", as_json: AsJson = False) -> None:
    """Find out now what became of a command whose outcome is unknown."""
    told(client().post(f"/commands/{name}/reconcile", {"reason": reason} if reason else {}), as_json, _accepted)


@command.command("resend")
def command_resend(name: str, reason: Reason = "", as_json: AsJson = False) -> None:
    """Send a command again with its key, where that is proved to be safe."""
    told(client().post(f"/commands/{name}/resend", {"reason": reason} if reason else {}), as_json, _accepted)


@command.command("reply")
def command_reply(
    name: str,
    says: Annotated[str, typer.Option(help="done, rejected or delayed.")],
    seen: Annotated[str, typer.Option(help="The words of the reply; they are kept sealed.")],
    where: Annotated[str, typer.Option(help="Where they stand: the letter, the call, the mailbox.")],
    reference: Annotated[str, typer.Option(help="What they call it.")] = "",
    code: Annotated[str, typer.Option(help="Why it was refused or is late, in one word.")] = "",
    date: Annotated[str, typer.Option(help="When it is expected now, like 2026-12-24T18:00:00Z.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what people replied who cannot be asked by any system."""
    given = {"says": says, "seen": seen, "where": where, "reference": reference, "code": code, "date": date}
    told(client().post(f"/commands/{name}/reply", {n: v for n, v in given.items() if v}), as_json, _accepted)


def coverage(as_json: AsJson = False) -> None:
    """How much of what is live has a time at which it is next looked at."""

    def people(answer: Row) -> None:
        typer.echo(f"{answer['percent']:g} % of {answer['live']} live things are covered")
        for gap in answer["firstGaps"]:
            typer.echo(f"{gap['thing']} {gap['thingId']}: {gap['gap']}")

    told(client().get("/coverage"), as_json, people)


def events(after: After = "", limit: Limit = 50, as_json: AsJson = False) -> None:
    """The feed of events; `--after now` begins at the end."""

    def people(answer: Row) -> None:
        table(
            "",
            ("at", "event", "subject", "id"),
            [(e["time"], e["type"], e["subject"], e["id"]) for e in answer["items"]],
        )
        _more(answer)

    told(client().get("/events", after=after, limit=limit), as_json, people)
