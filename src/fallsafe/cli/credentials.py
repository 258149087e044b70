"""The credentials of a home: the token of whoever installed, in a file that only they can read, and links to sign in.

The file is made once. In a database that does not know its token (a new one, a restored one) it is made known again, so
that whoever holds the home holds the installation.
"""

from pathlib import Path

from fallsafe.core.access import system
from fallsafe.flows import access
from fallsafe.flows.context import Applied
from fallsafe.security.tokens import digest_of, new_token
from fallsafe.store.kept import kept_once
from fallsafe.store.tx import Database, Tx

INSTALLER = "admin"
INSTALLER_ROLES = ("admin", "machine")
PEOPLE = (("you", "You", ("operator", "engineer")), ("second", "A second person", ("manager",)))


async def ensure_admin(database: Database, home: Path) -> str:
    """The token of this home, made at the first start and known to the database; the people of the demo, too."""
    token = _kept_token(home / "token")
    actor = system("installation")

    async def known(tx: Tx) -> None:
        for name, title, roles in PEOPLE:
            await access.ensure_person(tx, name, title, roles, actor)
        await access.ensure_token(tx, INSTALLER, "machine", INSTALLER_ROLES, digest_of(token), actor)

    await database.transact(known)
    return token


def _kept_token(place: Path) -> str:
    return kept_once(place, lambda: f"{new_token()}\n".encode()).decode().strip()


async def sign_in_code(database: Database, person: str = PEOPLE[0][0]) -> str:
    """A code with which a person signs in once, within ten minutes, at this machine."""
    code = new_token()

    async def make(tx: Tx) -> bool:
        return isinstance(await access.make_code(tx, person, digest_of(code), system("installation")), Applied)

    if not await database.transact(make):
        raise LookupError(f"nobody is called {person}; start the API once")
    return code
