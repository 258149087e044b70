"""What the pages need from whoever mounts them: a door is handed its tools and reaches for none."""

from typing import Protocol

from starlette.requests import Request

from fallsafe.core.access import Actor
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database


class Deps(Protocol):
    """The database, the policy sets in force, who is asking, and whether the server is about to stop."""

    @property
    def database(self) -> Database:
        """Where everything is read, and where an action is committed."""
        ...

    def context(self) -> Context:
        """What flows are told: the policy sets as they stand now, gates, dice."""
        ...

    async def authenticate(self, request: Request) -> Actor | None:
        """The person behind a request, by the session cookie or a token; None when nobody is signed in."""
        ...

    def stopping(self) -> bool:
        """Whether the server is about to stop: open event streams end themselves, so that it can."""
        ...
