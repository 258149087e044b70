"""What any connector must do that speaks by a folder which both sides see: the contract of `contract_suite`, where
there is no answer (§12.1, §27).

    suite = FolderSuite(lambda place: MyConnector({SYSTEM: place}), read=my_requests_in)
    for name in FolderSuite.names():
        await suite.check(name, an_empty_folder)

`read` gives the bodies that the other side finds in the folder, or raises where something is there that is not whole.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fallsafe.connectors.contract_suite import KEY, SYSTEM, ContractBroken, command, expect
from fallsafe.connectors.port import Connector, Sendable
from fallsafe.core.commands.contract import Request
from fallsafe.core.commands.outcome import Accepted, NotSent, Reply

__all__ = ["SYSTEM", "FolderSuite"]
TOGETHER = 20


def numbered(n: int) -> Sendable:
    """One of many attempts of different commands."""
    key = f"{KEY}{n}"
    body = f'{{"line":"{key}","reference":"{key}","object":"CRM/{n}/line"}}'.encode()
    headers = (("To", "works@example.org"), ("Subject", f"works {n}"))
    request = Request("POST", "/things", headers, body, "application/json")
    return replace(command(), command_id=n, key=key, request=request)


@dataclass(frozen=True, slots=True)
class FolderSuite:
    """The checks, over a factory that makes the connector for a folder."""

    connect: Callable[[Path], Connector]
    read: Callable[[Path], Sequence[bytes]]

    @staticmethod
    def names() -> tuple[str, ...]:
        """The names of all checks."""
        return tuple(name for name in vars(FolderSuite) if name.startswith("check_"))

    async def check(self, name: str, place: Path) -> None:
        """Runs one check in an empty folder; raises ContractBroken where the connector fails it."""
        connector = self.connect(place)
        try:
            await getattr(self, name)(connector, place)
        finally:
            await connector.close()

    async def check_what_was_put_there_is_accepted_and_is_there(self, connector: Connector, place: Path) -> None:
        reply = await connector.send(numbered(1))
        expect(
            isinstance(reply.outcome, Accepted) and bool(reply.outcome.reference), f"it is taken on: {reply.outcome}"
        )
        expect(len(self.read(place)) == 1, "the other side finds one request")
        expect(numbered(1).key.encode() in self.read(place)[0], "the other side finds the key")

    async def check_what_leaves_is_evidence(self, connector: Connector, place: Path) -> None:
        reply = await connector.send(numbered(1))
        kept = [raw for raw in reply.evidence if raw.kind == "request"]
        expect(len(kept) == 1 and numbered(1).key.encode() in kept[0].body, "what left is evidence")

    async def check_nothing_is_ever_seen_in_part(self, connector: Connector, place: Path) -> None:
        sending = [asyncio.ensure_future(connector.send(numbered(n))) for n in range(TOGETHER)]
        while not all(one.done() for one in sending):
            self.read(place)  # raises where something is not whole
            await asyncio.sleep(0)
        expect(len(self.read(place)) == TOGETHER, "each request is there once")
        references = {reply.outcome.reference for reply in map(_reply, sending) if isinstance(reply.outcome, Accepted)}
        expect(len(references) == TOGETHER, "each request has a reference of its own")

    async def check_a_place_that_cannot_be_written_is_not_sent(self, connector: Connector, place: Path) -> None:
        place.rmdir()  # noqa: ASYNC240  # safe because nobody else runs in a check
        place.write_text("no folder")  # noqa: ASYNC240  # safe because nobody else runs in a check
        reply = await connector.send(numbered(1))
        expect(isinstance(reply.outcome, NotSent), f"nothing can have left: {reply.outcome}")
        expect(not reply.evidence, "nothing left, so there is no evidence of it")

    async def check_a_late_attempt_is_not_started(self, connector: Connector, place: Path) -> None:
        late = replace(numbered(1), start_before=time.monotonic() - 1)
        reply = await connector.send(late)
        expect(reply.outcome == NotSent("too_late_to_start"), f"the lease does its work: {reply.outcome}")
        expect(not self.read(place), "a late attempt leaves nothing behind")

    async def check_a_system_without_a_place_is_not_sent(self, connector: Connector, place: Path) -> None:
        other = replace(numbered(1), operation=replace(numbered(1).operation, system="OTHER"))
        expect((await connector.send(other)).outcome == NotSent("no_address"), "there is nowhere to put it")

    async def check_what_would_be_two_requests_is_not_sent(self, connector: Connector, place: Path) -> None:
        one = numbered(1)
        headers = (("To", "a@example.org\r\nBcc: b@example.org"), ("Subject", "x"))
        twice = replace(one, request=replace(one.request, headers=headers, body=one.request.body + b"\n" + b"{}"))
        expect(isinstance((await connector.send(twice)).outcome, NotSent), "a request holds one request")
        expect(not self.read(place), "what cannot be sent leaves nothing behind")


def _reply(done: "asyncio.Future[Reply]") -> Reply:
    if done.exception() is not None:
        raise ContractBroken(f"it raised {done.exception()!r}")
    return done.result()
