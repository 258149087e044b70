"""`fallsafe secret`: the secrets that other systems sign their callbacks with, changed without a callback being lost.

Beside the secret of a system others may be accepted for a while: add the new one here, let the other system sign with
it, then drop what it does not use any more.
"""

import secrets
from typing import Annotated

import typer

from fallsafe.cli.client import fail, settings_of_this_process

secret = typer.Typer(no_args_is_help=True, help="Secrets of callbacks: accept a new one beside the old one, drop it.")
System = Annotated[str, typer.Argument(help="The code of the system, as in PRV.")]
LENGTH_MIN = 16


@secret.command("add")
def secret_add(
    system: System,
    value: Annotated[str, typer.Option(prompt=False, help="The secret; left out, one is made and printed.")] = "",
) -> None:
    """Accept one more secret for callbacks of a system, from now on."""
    if value and len(value) < LENGTH_MIN:
        fail(f"a secret has at least {LENGTH_MIN} characters; leave it out, and one is made", 2)
    made = value or secrets.token_hex(32)
    _write(system, (*_kept(system), made))
    if not value:
        typer.echo(made)
    typer.echo(f"callbacks of {system} may be signed with it from now on", err=True)


@secret.command("drop")
def secret_drop(system: System) -> None:
    """Accept only the system's own secret again."""
    dropped = len(_kept(system))
    _write(system, ())
    typer.echo(f"{dropped} of {system} dropped" if dropped else f"there was none beside its own for {system}")


def _kept(system: str) -> tuple[str, ...]:
    from fallsafe.cli.wiring import AlsoAccepted

    return tuple(AlsoAccepted(settings_of_this_process().home)(system))


def _write(system: str, listed: tuple[str, ...]) -> None:
    from fallsafe.cli.wiring import read_wiring, write_also_accepted

    home = settings_of_this_process().home
    try:
        known = read_wiring(home).secrets
    except OSError:
        fail(f"there is no installation in {home}; set FALLSAFE_HOME", 2)
    if system not in known:
        fail(f"there is no system {system}; one of {', '.join(sorted(known))}", 2)
    try:
        write_also_accepted(home, system, listed)
    except (OSError, ValueError) as error:
        fail(str(error), 1)
