"""One wrong thing, tried at every door: the API, the command line and the pages, over one store. Each try must be
refused, and each door must say why.
"""

import asyncio
import html
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
import uvicorn
from tests.doors.conftest import Api
from typer.testing import CliRunner

from fallsafe.cli.main import app as command_line
from fallsafe.core.access import system
from fallsafe.flows import access
from fallsafe.security.tokens import digest_of, new_token
from fallsafe.workbench.guard import SESSION_COOKIE

NOWHERE = (404, 405)


@dataclass
class Doors:
    """The three doors of one installation; `url` is where the command line finds it."""

    api: Api
    url: str
    sessions: dict[str, httpx2.AsyncClient] = field(default_factory=dict)

    async def cli(self, role: str, *words: str) -> tuple[int, str]:
        """The exit code of a command line, and what it said."""
        env = {"FALLSAFE_URL": self.url, "FALLSAFE_TOKEN": self.api.tokens[role]}
        said = await asyncio.to_thread(CliRunner().invoke, command_line, list(words), env=env)
        return said.exit_code, said.output

    async def browser(self, role: str) -> httpx2.AsyncClient:
        """A browser in which somebody of a role is signed in."""
        if role not in self.sessions:
            code, transport = new_token(), self.api.client._transport

            async def let_in(tx: Any) -> None:
                await access.ensure_person(tx, f"a-{role}", role, [role], system("test"))
                await access.make_code(tx, f"a-{role}", digest_of(code), system("test"))

            await self.api.database.transact(let_in)
            made = httpx2.AsyncClient(transport=transport, base_url="http://fallsafe.test")
            await made.get("/sign-in", params={"code": code})
            assert made.cookies.get(SESSION_COOKIE)
            self.sessions[role] = made
        return self.sessions[role]

    async def page(self, role: str, path: str, **form: str) -> httpx2.Response:
        """The answer to a form that was sent from a page."""
        browser = await self.browser(role)
        csrf = (await browser.get("/session")).json()["csrf"]
        body = urlencode({"csrf": csrf, **form})
        return await browser.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    async def no_preview(self, case: str, action: str, why: str, role: str = "operator", **given: Any) -> None:
        """An action that cannot be begun with what is given, at any door; `why` is in what each says."""
        body = {"action": action, "input": given, "reason": "I want it"}
        path = f"/api/v1/fallout-cases/{case}/repairs/preview"
        seen = await self.api.client.post(path, headers=self.api.as_(role), json=body)
        assert seen.status_code >= 400 or not seen.json()["id"], seen.text
        assert why in seen.text
        code, said = await self.cli(role, "repair", "preview", case, action, "--input", json.dumps(given))
        assert code == 1 and why in said, said
        await self._page_refuses(role, f"/cases/{case}/repairs/new/{action}", why, _form(given))

    async def no_decision(self, seen: dict, verb: str, why: str, role: str = "operator", **changed: str) -> None:
        """A decision about a repair that no door takes."""
        name, hash_ = changed.get("id", seen["id"]), changed.get("hash", seen["hash"])
        one = f"/fallout-cases/{seen['caseId']}/repairs/{name}/{verb}"
        told = await self.api.client.post(f"/api/v1{one}", headers=self.api.as_(role), json={"hash": hash_})
        assert told.status_code >= 400 and why in told.text, told.text
        code, said = await self.cli(role, "repair", verb, seen["caseId"], name, "--hash", hash_)
        assert code == 1 and why in said, said
        await self._page_refuses(role, f"/cases/{seen['caseId']}/repairs/{name}/{verb}", why, {"hash": hash_})

    async def no_work(self, case: str, verb: str, why: str, role: str = "operator", **given: str) -> None:
        """Case work that no door does."""
        told = await self.api.client.post(
            f"/api/v1/fallout-cases/{case}/{verb}", headers=self.api.as_(role), json=given
        )
        assert told.status_code >= 400 and why in told.text, told.text
        names = {"ownerGroup": "--group", "assignee": "--person"}
        options = [word for name, value in given.items() for word in (names.get(name, f"--{name}"), value)]
        code, said = await self.cli(role, "case", "do", verb, case, *options)
        assert code == 1 and why in said, said
        await self._page_refuses(role, f"/cases/{case}/work/{verb}", why, given)

    async def no_such_thing(self, method: str, path: str, *words: str) -> None:
        """Something for which no door has a way at all."""
        for role in ("operator", "engineer", "admin"):
            for root in (f"/api/v1{path}", path):
                answer = await self.api.client.request(method, root, headers=self.api.as_(role), json={})
                assert answer.status_code in NOWHERE, (root, answer.text)
        assert (await self.cli("admin", *words))[0] == 2
        assert (await self.page("admin", path)).status_code in NOWHERE

    async def _page_refuses(self, role: str, path: str, why: str, form: dict[str, str]) -> None:
        answer = await self.page(role, path, **form)
        assert answer.status_code in (403, 404, 409), (path, answer.status_code)
        assert why in html.unescape(answer.text), f"{path} does not say {why}"


def _form(given: dict[str, Any]) -> dict[str, str]:
    """What is given, as the fields of a form."""
    inner = {
        f"{at}/{name}": str(v) for at, found in given.items() if isinstance(found, dict) for name, v in found.items()
    }
    return {name: str(value) for name, value in given.items() if not isinstance(value, dict)} | inner


@asynccontextmanager
async def every_door(api: Api) -> AsyncIterator[Doors]:
    """The doors over the store of a test; the command line reaches it at a port of its own."""
    server = uvicorn.Server(uvicorn.Config(api.app, log_config=None, lifespan="off"))
    heard = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.ensure_future(server.serve([heard]))
    doors = Doors(api, f"http://127.0.0.1:{heard.getsockname()[1]}")
    yield doors
    for session in doors.sessions.values():
        await session.aclose()
    server.should_exit = True
    await serving
