"""The no-op connector: the same contract and the same evidence, without a network."""

import json
import time
from dataclasses import replace

import pytest

from fallsafe.connectors.contract_suite import ABOUT, KEY, ROWS, command, question
from fallsafe.connectors.noop import NoopConnector
from fallsafe.core.commands.contract import AnswerRule
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Looked, NotSent, Says
from fallsafe.core.errors import Bug
from fallsafe.policyset import load, shipped

POLICY = load(shipped())
EFFECTS = tuple(name for name, operation in POLICY.operations.items() if operation.effect)


class WhenNobodyIsCalled:
    async def test_the_answer_is_read_by_the_contract_and_kept(self) -> None:
        reply = await NoopConnector(time.monotonic).send(command())
        assert isinstance(reply.outcome, Done)
        assert [raw.kind for raw in reply.evidence] == ["request", "answer"]
        body = json.loads(reply.evidence[1].body)
        assert (body["id"], body["object"], body["state"]) == (KEY, ABOUT, "MADE")

    @pytest.mark.parametrize("name", EFFECTS)
    async def test_every_operation_of_the_shipped_set_is_done(self, name: str) -> None:
        operation = POLICY.operations[name]
        sendable = replace(command(), operation=operation, answers=operation.answers)
        outcome = (await NoopConnector(time.monotonic).send(sendable)).outcome
        assert isinstance(outcome, Done)
        assert outcome.reference

    async def test_an_operation_that_calls_back_may_stay_accepted(self) -> None:
        operation = POLICY.operations["PRV.activateService"]
        sendable = replace(command(), operation=operation, answers=operation.answers)
        outcome = (await NoopConnector(time.monotonic, finish=False).send(sendable)).outcome
        assert isinstance(outcome, Accepted)

    async def test_a_look_up_finds_it(self) -> None:
        outcome = (await NoopConnector(time.monotonic).send(question())).outcome
        assert isinstance(outcome, Looked)
        assert outcome.says is Says.DONE

    async def test_a_late_attempt_is_not_started(self) -> None:
        late = command(start_before=time.monotonic() - 1)
        assert (await NoopConnector(time.monotonic).send(late)).outcome == NotSent("too_late_to_start")

    async def test_a_contract_without_success_is_a_bug(self) -> None:
        rows: tuple[AnswerRule, ...] = tuple(row for row in ROWS if row.says is Says.REJECTED)
        with pytest.raises(Bug):
            await NoopConnector(time.monotonic).send(replace(command(), answers=rows, purpose=Purpose.FULFILL))
