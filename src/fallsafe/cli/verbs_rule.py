"""`fallsafe rule`: how right each version of a rule was, taking a wrong one back, and letting through what a brake held
back.
"""

from typing import Annotated

import typer

from fallsafe.cli.client import client, fail
from fallsafe.cli.verbs import AsJson, Limit, Row, told

rule = typer.Typer(no_args_is_help=True, help="Rules: how right each was, take one back, admit candidates.")
Name = Annotated[str, typer.Argument(help="The rule, as in N12.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the journal.")]


@rule.command("list")
def rule_list(limit: Limit = 50, as_json: AsJson = False) -> None:
    """Each version of a rule with what became of its cases, the newest first."""

    def people(answer: Row) -> None:
        for one in answer["items"]:
            right = "not judged yet" if one["precision"] is None else f"{one['precision']:.0%} stood"
            held = f", {one['candidates']} held back" if one["candidates"] else ""
            shadow = f", in shadow it would have read {one['shadow']} otherwise" if one["shadow"] else ""
            typer.echo(f"{one['rule']} of {one['policySet']}: {one['cases']} cases, {right}{held}{shadow}")

    told(client().get("/rules", limit=limit), as_json, people)


@rule.command("withdraw")
def rule_withdraw(
    name: Name,
    policy_set: Annotated[str, typer.Option("--set", help="The policy set in which it stood.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Withdraw all open cases of one version of a rule together."""
    told(client().post(f"/rules/{name}/withdraw", {"policySet": policy_set, "reason": reason}), as_json, _counted)


@rule.command("admit")
def rule_admit(
    reason: Reason,
    name: Annotated[str, typer.Option("--rule", help="By which rule.")] = "",
    source: Annotated[str, typer.Option(help="Whose.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let candidates that a brake held back open their cases."""
    given = {key: value for key, value in (("rule", name), ("source", source)) if value}
    if not given:
        fail("say whose candidates: --rule, --source, or both", 2)
    told(client().post("/signals/admit", {**given, "reason": reason}), as_json, _counted)


def _counted(answer: Row) -> None:
    typer.echo(f"{answer['done']} done, {answer['refused']} refused")
