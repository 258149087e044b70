"""How each system is spoken to, by the scheme of its address: `http`, `file` (a folder that both sides see) or `mail`
(a folder that the mail server empties).
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fallsafe.connectors.files import FileConnector
from fallsafe.connectors.http import HttpConnector
from fallsafe.connectors.mail import MailConnector
from fallsafe.connectors.port import Connector, Monotonic, Sendable
from fallsafe.core.commands.outcome import Reply

FILE, MAIL = "file", "mail"


class Ways:
    """One connector for all systems. `systems` maps system code → address, `secrets` system code → credential."""

    def __init__(self, systems: Mapping[str, str], secrets: Mapping[str, str], monotonic: Monotonic) -> None:
        folders = {scheme: places(systems, scheme) for scheme in (FILE, MAIL)}
        web = {code: url for code, url in systems.items() if code not in folders[FILE] | folders[MAIL]}
        hosts = frozenset(urlsplit(url).netloc for url in web.values())
        self._web = HttpConnector(web, secrets, hosts, monotonic)
        files, mail = FileConnector(folders[FILE], monotonic), MailConnector(folders[MAIL], monotonic)
        self._others: dict[str, Connector] = dict.fromkeys(folders[FILE], files) | dict.fromkeys(folders[MAIL], mail)
        self._every: tuple[Connector, ...] = (self._web, files, mail)

    async def send(self, sendable: Sendable) -> Reply:
        """One attempt, the way of its system."""
        return await self._others.get(sendable.operation.system, self._web).send(sendable)

    async def close(self) -> None:
        """Gives back what is held."""
        for connector in self._every:
            await connector.close()


def places(systems: Mapping[str, str], scheme: str) -> dict[str, Path]:
    """The folders of the systems whose addresses have this scheme."""
    parts = {code: urlsplit(url) for code, url in systems.items()}
    return {code: Path(unquote(part.path)) for code, part in parts.items() if part.scheme == scheme}
