"""The command line: `fallsafe up` starts an installation on this machine, `fallsafe drill` plays §26 and judges it."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fallsafe.cli import (
    scenario,
    verbs,
    verbs_amendment,
    verbs_audit,
    verbs_people,
    verbs_policy,
    verbs_repair,
    verbs_rule,
    verbs_secret,
)
from fallsafe.cli.client import GIVEN, IF_MATCH, settings_of_this_process
from fallsafe.cli.reconcile import reconcile
from fallsafe.cli.scan import scan
from fallsafe.cli.settings import Settings
from fallsafe.cli.supervise import AlreadyRunning, NotReady, read_running

if TYPE_CHECKING:
    from fallsafe.cli.drill import Played
    from fallsafe.cli.install import Installation

ROOMS = {
    "order": verbs.order,
    "case": verbs.case,
    "repair": verbs_repair.repair,
    "automation": verbs_repair.automation,
    "amendment": verbs_amendment.amendment,
    "command": verbs.command,
    "policy": verbs_policy.policy,
    "rule": verbs_rule.rule,
    "audit": verbs_audit.audit,
    "person": verbs_people.person,
    "token": verbs_people.token,
    "secret": verbs_secret.secret,
}
app = typer.Typer(no_args_is_help=True, add_completion=False)
for name, room in ROOMS.items():
    app.add_typer(room, name=name)
app.command("coverage")(verbs.coverage)
app.command("day")(verbs.day)
app.command("shift")(verbs.shift)
app.command("events")(verbs.events)
app.command("reconcile")(reconcile)
app.command("scan")(scan)


@app.callback()
def changes(
    key: Annotated[str, typer.Option(help="Idempotency-Key: what is sent twice with the same key is done once.")] = "",
    seen: Annotated[str, typer.Option(help="If-Match: the version that you saw; nothing is done to another.")] = "",
) -> None:
    """Order fallout management."""
    given = {"Idempotency-Key": key, IF_MATCH: f'"{seen}"' if seen else ""}
    GIVEN.set({name: value for name, value in given.items() if value})


VARIANT_HELP = """What is true outside: done (only the answer is lost), absent (it never happened), pending (it is still
being done), silent (done, and at first nobody answers questions)."""
Variant = Annotated[str, typer.Option(help=VARIANT_HELP)]
Fail = Annotated[str, typer.Option(help=f"The step whose answer is lost: {', '.join(scenario.STEPS)}.")]
Without = Annotated[list[str], typer.Option(help="A step that no worker takes: reconciler, dispatcher, …")]


@app.command()
def up(
    drill: Annotated[bool, typer.Option(help="Play the drill once everything answers.")] = False,
    variant: Variant = "done",
    fail: Fail = "activateFiberService",
    without: Without = [],  # noqa: B006 safe because typer makes a list of its own
    until: Annotated[str, typer.Option(help="drill-done: wait for the end of the drill.")] = "",
    exit_: Annotated[bool, typer.Option("--exit", help="End once `--until` is reached.")] = False,
) -> None:
    """Start everything on this machine; Ctrl-C stops it all."""
    from fallsafe.cli.install import installation  # heavy, and other commands do not need it

    _check(variant, fail, without)
    if until not in ("", "drill-done"):
        _wrong(f"--until knows drill-done, not {until!r}")
    settings = settings_of_this_process()
    scale = scenario.TIME_SCALE if drill or until else settings.time_scale
    try:
        with _told(installation(settings, scale, without, typer.echo)) as there:
            typer.echo(f"open cases: {_link(settings, there)}")
            typer.echo("the link signs in once, within ten minutes; Ctrl-C stops everything")
            if drill or until:
                typer.echo(f"the drill begins: {fail} will lose its answer")
                _tell(_play(there, fail, variant))
            if not exit_ and there.supervisor is not None:
                there.supervisor.wait_for_end()
    except KeyboardInterrupt:
        typer.echo("stopped")


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say in words what is wrong with a set-up: settings, database, processes, coverage. Exit 1 where something is."""
    import asyncio

    from fallsafe.cli.doctor import examine

    findings = asyncio.run(examine(settings_of_this_process()))
    if as_json:
        typer.echo(json.dumps([{"ok": f.ok, "what": f.what, "hint": f.hint} for f in findings], indent=2))
    else:
        for f in findings:
            typer.echo(f"{'ok  ' if f.ok else 'FAIL'} {f.what}" + (f"\n     {f.hint}" if f.hint else ""))
    if not all(f.ok for f in findings):
        raise typer.Exit(1)


@app.command()
def drill(
    variant: Variant = "done",
    fail: Fail = "activateFiberService",
    without: Without = [],  # noqa: B006 safe because typer makes a list of its own
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers and the effects as JSON.")] = False,
    seconds: Annotated[
        float, typer.Option(help="How long it may take once everything answers.")
    ] = scenario.SECONDS_MAX,
) -> None:
    """Play §26 and judge it: exit 0 only if everything was done outside, each thing exactly once.

    It takes the installation that runs in this home, else it starts one of its own in a temporary home.
    """
    from fallsafe.cli.install import running

    _check(variant, fail, without)
    settings = settings_of_this_process()
    try:
        if read_running(settings.home) is not None:
            played = _play(running(settings.home), fail, variant, seconds)
        else:
            played = _in_a_home_of_its_own(settings, variant, fail, without, seconds)
    except KeyboardInterrupt:
        raise typer.Exit(1) from None
    typer.echo(json.dumps(played.told(), indent=2)) if as_json else _tell(played)
    if not played.settled:
        raise typer.Exit(1)


def _in_a_home_of_its_own(settings: Settings, variant: str, fail: str, without: list[str], seconds: float) -> "Played":
    from fallsafe.cli.install import installation

    with tempfile.TemporaryDirectory(prefix="fallsafe-") as folder:
        own = replace(settings, home=Path(folder), database_url=None)
        silent = _told(installation(own, scenario.TIME_SCALE, without, lambda _: None))
        with silent as there:
            return _play(there, fail, variant, seconds)


def _play(there: "Installation", fail: str, variant: str, seconds: float = scenario.SECONDS_MAX) -> "Played":
    import asyncio

    from fallsafe.cli.drill import CannotPlay, play  # imported while the installation starts, or when it runs

    try:
        return asyncio.run(play(there, fail, variant, seconds))
    except CannotPlay as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@contextmanager
def _told(context: "AbstractContextManager[Installation]") -> "Iterator[Installation]":
    """What keeps an installation from coming up is said in a sentence."""
    from fallsafe.store.schema import CannotMigrate

    try:
        with context as there:
            yield there
    except (AlreadyRunning, NotReady, CannotMigrate) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _check(variant: str, fail: str, without: list[str]) -> None:
    if variant not in scenario.VARIANTS:
        _wrong(f"--variant is one of {', '.join(scenario.VARIANTS)}, not {variant!r}")
    if fail not in scenario.STEPS:
        _wrong(f"--fail is one of {', '.join(scenario.STEPS)}, not {fail!r}")
    if variant == "pending" and fail not in scenario.TAKEN_ON:
        _wrong(
            f"--variant pending is for --fail {' or '.join(scenario.TAKEN_ON)}; {fail} is done at once or not at all"
        )
    for step in without:
        from fallsafe.workers.loop import STEPS

        if step not in STEPS:
            _wrong(f"--without is one of {', '.join(STEPS)}, not {step!r}")


def _wrong(sentence: str) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)


def _link(settings: Settings, there: "Installation") -> str:
    from fallsafe.cli.credentials import sign_in_code
    from fallsafe.cli.processes import database

    async def code() -> str:
        store = await database(settings, there.wiring, "sign-in")
        try:
            return await sign_in_code(store)
        finally:
            await store.close()

    import asyncio

    return f"{there.wiring.api}/sign-in?code={asyncio.run(code())}"


def _tell(played: "Played") -> None:
    """The result first, then the answers."""
    if played.settled:
        typer.echo(f"order {played.order_id} is completed: {len(played.effects)} effects outside, each exactly once")
    else:
        typer.echo(f"order {played.order_id} is {played.order_state}; effects outside: {played.effects}")
        for what in played.unknown:
            typer.echo(f"still to be found out: {what}")
    for answer in played.answers:
        typer.echo(f"{answer['n']:>2}. {answer['question']}\n    {json.dumps(answer['answer'])}")
        typer.echo(f"    from {answer['path']} ({', '.join(answer['events'])})")


if __name__ == "__main__":
    app()
