"""The systems outside: what policy says of each, whether it works, and how much waits for it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.deps import Deps
from fallsafe.api.routes import add, send
from fallsafe.api.shapes import at
from fallsafe.core.recover.breaker import Health
from fallsafe.flows.context import Context
from fallsafe.store.downstreams import Downstreams, Waiting, downstreams
from fallsafe.store.ids import outside


class DownstreamsDoor:
    """The route /downstreams."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(self, request: Request) -> Response:
        """The systems outside, by the newest set, with their health."""
        await self.deps.who(request)
        context, found = self.deps.context(), await downstreams(self.deps.database)
        return send({"items": [_shape(context, code, found) for code in sorted(context.newest.systems)], "after": ""})

    def router(self) -> APIRouter:
        """The route."""
        made = APIRouter(tags=["downstreams"])
        add(made, "GET", "/downstreams", self.find, answers=wire.pages(wire.Downstream))
        return made


def _shape(context: Context, code: str, found: Downstreams) -> wire.Downstream:
    policy, waits = context.newest, found.waiting.get(context.gate(code), Waiting())
    system = policy.systems[code]
    return wire.Downstream(
        name=code,
        title=system.title,
        domain=system.domain,
        owner=system.owner,
        concurrency=system.concurrency,
        calls_back=system.callback is not None,
        operations=sorted(name for name, operation in policy.operations.items() if operation.system == code),
        health=_health(code, found),
        parked=waits.parked,
        waiting=waits.due,
    )


def _health(code: str, found: Downstreams) -> wire.Health:
    known = found.health.get(code)
    if known is None or known.state is Health.CLEAR:
        failures = known.failures if known is not None else 0
        return wire.Health(
            state=Health.CLEAR.value, since=None, why="", failures=failures, probes=0, canary="", look_at=None
        )
    return wire.Health(
        state=known.state.value,
        since=at(known.since),
        why=known.why,
        failures=known.failures,
        probes=known.probes,
        canary=outside("task", known.canary) if known.canary is not None else "",
        look_at=at(known.look_at),
    )
