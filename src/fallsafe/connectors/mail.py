"""Speaks to people who cannot be asked by any system: a letter, put where the mail server picks up what it is to send
(§12.1).

A letter is sent when it stands there; what is not there was never sent. Nobody can ask what became of it: a person
reads the reply, and says so.
"""

import asyncio
import os
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path

import msgspec

from fallsafe.connectors import exchange
from fallsafe.connectors.port import Monotonic, Sendable
from fallsafe.core.commands.outcome import Accepted, Lost, NotSent, RawBytes, Reply
from fallsafe.core.events import Json

LETTER = ".eml"
TO, SUBJECT = "To", "Subject"
KEY_LINE = "Please repeat this in your reply"


class MailConnector:
    """A connector for any number of systems; `places` maps system code → the folder that the mail server empties."""

    def __init__(self, places: dict[str, Path], monotonic: Monotonic) -> None:
        self._places, self._monotonic = places, monotonic

    async def send(self, sendable: Sendable) -> Reply:
        """Puts one letter there, once. A letter of the same key that is there already is the same letter."""
        began = self._monotonic()
        if began >= sendable.start_before:
            return Reply(NotSent("too_late_to_start"))
        place = self._places.get(sendable.operation.system)
        if place is None:
            return Reply(NotSent("no_address"))
        letter = _letter(sendable)
        if letter is None:
            return Reply(NotSent("unsendable"))
        name = sha256(sendable.key.encode()).hexdigest()[:32]
        return await asyncio.to_thread(_put, place, name, bytes(letter))

    async def close(self) -> None:
        """Nothing is held."""


def _put(place: Path, name: str, letter: bytes) -> Reply:
    beside = place / f".{os.getpid()}-{name}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        exchange.write_whole(beside, letter)
        beside.replace(place / f"{name}{LETTER}")
    except OSError:
        return Reply(NotSent("cannot_be_written"))
    evidence = (RawBytes("request", letter, "message/rfc822", f"letter {name}"),)
    try:
        exchange.sync(place)
    except OSError:
        return Reply(Lost("disk"), evidence)
    return Reply(Accepted(name), evidence)


def _letter(sendable: Sendable) -> EmailMessage | None:
    """The letter of a request: its headers To and Subject, and each field of its body as a line. The same request is
    the same letter. None where it names nobody, or holds what a letter cannot.
    """
    headers = dict(sendable.request.headers)
    letter = EmailMessage(policy=SMTP)
    try:
        fields = _fields(sendable.request.body)
        for name in (TO, SUBJECT):
            letter[name] = headers[name]
        letter["Message-ID"] = f"<{sha256(sendable.key.encode()).hexdigest()[:32]}@fallsafe>"
        lines = [f"{KEY_LINE}: {sendable.key}", "", *(f"{name}: {value}" for name, value in fields.items())]
        letter.set_content("\n".join(lines) + "\n")
    except (KeyError, ValueError, msgspec.DecodeError):
        return None
    return letter


def _fields(body: bytes) -> dict[str, Json]:
    value: Json = msgspec.json.decode(body) if body else {}
    return value if isinstance(value, dict) else {}
