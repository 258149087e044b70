"""The command line: `fallsafe up` starts an installation on this machine, `policy check` refuses what is wrong with a
policy set.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from fallsafe import policyset
from fallsafe.cli import processes
from fallsafe.cli.credentials import sign_in_code
from fallsafe.cli.processes import SANDBOX, Wiring
from fallsafe.cli.settings import Settings, WrongSettings, read_settings
from fallsafe.cli.supervise import Child, Supervisor, free_port, verb
from fallsafe.core.access import Actor
from fallsafe.core.orders.draft import ItemDraft, OrderDraft
from fallsafe.flows import orders
from fallsafe.flows.context import Applied
from fallsafe.simulator.sandbox.control import command_line, secret_variables, write_faults
from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Order fallout management.")
policy = typer.Typer(no_args_is_help=True, help="Policy sets.")
app.add_typer(policy, name="policy")
DRILL_SCALE = 60.0
SANDBOX_PORTS_BEYOND = 11  # 8431 beside 8420


def settings_of_this_process() -> Settings:
    """The settings, read once; a wrong one ends the command with its line."""
    try:
        return read_settings(os.environ, Path.cwd())
    except WrongSettings as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@policy.command("check")
def policy_check(directory: Path) -> None:
    """Say what is wrong with a policy set, each with file, line and what would be right."""
    try:
        problems = policyset.check(directory)
    except policyset.PolicyError as error:
        problems = list(error.problems)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{directory}: nothing is wrong")


@app.command()
def up(
    drill: Annotated[bool, typer.Option(help="Play the drill: fiber activation loses its answer.")] = False,
    variant: Annotated[str, typer.Option(help="What really happened outside: done or absent.")] = "done",
) -> None:
    """Start everything on this machine; Ctrl-C stops it all."""
    settings = settings_of_this_process()
    with Embedded(settings.home) as server:
        migrate(server.url("fallsafe_owner"))
        wiring = _wire(settings, server, DRILL_SCALE if drill else settings.time_scale)
        if drill:
            fault = "answer_lost_after_effect" if variant == "done" else "answer_lost_before_effect"
            write_faults(
                settings.home,
                "provisioning",
                [{"operation": "PRV.activateService", "match": "", "fault": fault, "times": 1}],
            )
        try:
            with Supervisor(settings.home, _children(settings, wiring), {"api": wiring.api}, typer.echo) as supervisor:
                supervisor.wait_ready()
                if drill:
                    _submit_drill(settings, wiring)
                _say_where(settings, wiring)
                supervisor.wait_for_end()
        except KeyboardInterrupt:
            typer.echo("stopped")


def _wire(settings: Settings, server: Embedded, time_scale: float) -> Wiring:
    taken: list[int] = [free_port(settings.host, settings.port)]
    urls: dict[str, str] = {}
    for codes in SANDBOX.values():
        taken.append(free_port("127.0.0.1", settings.port + SANDBOX_PORTS_BEYOND, taken))
        urls |= dict.fromkeys(codes, f"http://127.0.0.1:{taken[-1]}")
    api = f"http://{settings.host}:{taken[0]}"
    wiring = Wiring(server.url(), api, urls, processes.new_secrets(), time_scale)
    wiring.write(settings.home)
    return wiring


def _children(settings: Settings, wiring: Wiring) -> Sequence[Child]:
    outside = [
        Child(
            f"sandbox-{name}",
            tuple(
                command_line(name, settings.home, int(wiring.systems[codes[0]].rpartition(":")[2]), watch_parent=False)
            ),
            secret_variables({code: wiring.secrets[code] for code in codes}),
            f"{wiring.systems[codes[0]]}/_sandbox/faults",
        )
        for name, codes in SANDBOX.items()
    ]
    own = settings.environment()
    workers = [Child(f"worker-{n}", verb("work", f"worker-{n}"), own) for n in range(1, settings.workers + 1)]
    return [*outside, Child("api", verb("serve"), own, f"{wiring.api}/healthz"), *workers]


def _submit_drill(settings: Settings, wiring: Wiring) -> None:
    async def go() -> None:
        store = await processes.database(settings, wiring, "drill")
        context = processes.context_of(wiring, "drill")
        actor = Actor("machine", "CRM", frozenset({"machine"}))
        now: datetime = (await store.fetch("tx/now"))[0]["clock_timestamp"]
        draft = drill_order(now)
        (answer,) = await store.transact(lambda tx: orders.submit(tx, context, [draft], actor))
        await store.close()
        if isinstance(answer, Applied):
            typer.echo(f"order {draft.external_id} was taken in; its fiber activation will lose its answer")

    asyncio.run(go())


def drill_order(now: datetime) -> OrderDraft:
    """The order of §26: promised tomorrow at 17:00 in Jakarta."""
    zone = ZoneInfo("Asia/Jakarta")
    promised = (now.astimezone(zone) + timedelta(days=1)).replace(hour=17, minute=0, second=0, microsecond=0)
    place = {"id": "PL-1", "street": "Jalan Melati 8", "city": "Jakarta"}
    fiber = _item("fiber", "FIBER-HOME-1G", "", place, 4500, 6000)
    rest = [_item(i, o, "fiber", {}, 0, 0) for i, o in ADDED]
    return OrderDraft(
        source="CRM",
        external_id=f"drill-{int(now.timestamp())}",
        time_zone="Asia/Jakarta",
        customer_ref="CU-26",
        segment="consumer",
        priority=2,
        vulnerable=False,
        test=False,
        channel="web",
        region="west",
        catalog_version="2026.11",
        requested_at=None,
        committed_at=promised,
        quote={"id": "Q-26"},
        approvals=(),
        parties=(),
        links=(),
        correlation_id=f"drill-{int(now.timestamp())}",
        traceparent="",
        items=(fiber, *rest),
        body=b"{}",
    )


ADDED = (("static-ip", "STATIC-IP"), ("router", "WIFI-ROUTER"), ("billing", "MONTHLY-BILLING"))


def _item(name: str, offer: str, parent: str, place: dict[str, str], monthly: int, one_off: int) -> ItemDraft:
    return ItemDraft(name, parent, "add", offer, 1, dict(place), {}, one_off, monthly, "EUR", 24, False, "none", ())


def _say_where(settings: Settings, wiring: Wiring) -> None:
    async def code_of_store() -> str:
        store = await processes.database(settings, wiring, "sign-in")
        try:
            return await sign_in_code(store)
        finally:
            await store.close()

    code = asyncio.run(code_of_store())
    typer.echo(f"open cases: {wiring.api}/sign-in?code={code}")
    typer.echo("the link works once, for ten minutes; Ctrl-C stops everything")


@app.command(hidden=True)
def serve() -> None:
    """The process of API and pages."""
    asyncio.run(processes.serve(settings_of_this_process()))


@app.command(hidden=True)
def work(name: str) -> None:
    """One worker process."""
    asyncio.run(processes.work(settings_of_this_process(), name))


if __name__ == "__main__":
    app()
