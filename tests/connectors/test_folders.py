"""Connectors that speak by folders, under the contract of all connectors; what files say, and what is wrong with them
(§10, §11, §12.1).
"""

import asyncio
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fallsafe.connectors import exchange
from fallsafe.connectors.contract_suite import SYSTEM
from fallsafe.connectors.exchange import ACKNOWLEDGED, FROM_PARTNER, OURS, THEIRS, TO_PARTNER, Half, Name
from fallsafe.connectors.files import FileConnector, FileReader
from fallsafe.connectors.folder_suite import FolderSuite, numbered
from fallsafe.connectors.mail import MailConnector
from fallsafe.core.commands.contract import AnswerRule
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Looked, Lost, NotSent, Outcome, Says

SAME = (("/line", "key"), ("/object", "object"))
ROWS = (
    AnswerRule(frozenset({200}), (("/result", frozenset({"OK"})),), Says.DONE, SAME, reference="/lineId"),
    AnswerRule(frozenset({200}), (("/result", frozenset({"REJECTED"})),), Says.REJECTED, SAME, code="/code"),
)
HOUR = 3_600.0


def lines_in(place: Path) -> list[bytes]:
    there = place / TO_PARTNER
    return [line for name in exchange.names(there, OURS, SYSTEM) for line in exchange.read(there, name).lines]


def letters_in(place: Path) -> list[bytes]:
    letters = [path.read_bytes() for path in place.glob("*.eml")] if place.is_dir() else []
    assert all(letter.endswith(b"\r\n") for letter in letters)
    return letters


FILES = FolderSuite(lambda place: FileConnector({SYSTEM: place}, time.monotonic), lines_in)
LETTERS = FolderSuite(lambda place: MailConnector({SYSTEM: place}, time.monotonic), letters_in)


class WhenAFolderIsTheWay:
    @pytest.mark.parametrize("suite", [FILES, LETTERS], ids=["files", "letters"])
    @pytest.mark.parametrize("name", FolderSuite.names())
    async def test_it_keeps_the_contract(self, suite: FolderSuite, name: str, tmp_path: Path) -> None:
        await suite.check(name, tmp_path)

    async def test_the_same_letter_is_there_once_and_is_the_same_bytes(self, tmp_path: Path) -> None:
        connector = MailConnector({SYSTEM: tmp_path}, time.monotonic)
        first = await connector.send(numbered(1))
        (letter,) = letters_in(tmp_path)
        assert await connector.send(numbered(1)) == replace(first, seconds=pytest.approx(0, abs=9))
        assert letters_in(tmp_path) == [letter]
        assert b"To: works@example.org" in letter and numbered(1).key.encode() in letter


class Partner:
    """The other side of the folder, as a test plays it."""

    def __init__(self, place: Path) -> None:
        self.place, self.reader = place, FileReader({SYSTEM: place})

    async def sent(self, *numbers: int) -> Name:
        """A file of ours with these lines."""
        connector = FileConnector({SYSTEM: self.place}, time.monotonic)
        for n in numbers:
            assert isinstance((await connector.send(numbered(n))).outcome, Accepted)
        return exchange.names(self.place / TO_PARTNER, OURS, SYSTEM)[-1]

    def puts(self, name: Name, *lines: Any, half: bool = False, old: bool = False) -> None:
        """A file of theirs, or half of one, written just now or hours ago."""
        whole = exchange.content(name, [json.dumps(line).encode() for line in lines])
        path = self.place / FROM_PARTNER / str(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(whole[: len(whole) // 2] if half else whole)
        if old:
            os.utime(path, (time.time() - 2 * HOUR,) * 2)

    def acknowledges(self, ours: Name, **said: Any) -> None:
        name = Name(ACKNOWLEDGED, SYSTEM, ours.sequence)
        self.puts(name, {"of": str(ours), "lines": 1, "result": "TAKEN", **said})

    def brings(self, patience: float = HOUR) -> tuple[list[Any], list[tuple[str, str]]]:
        """What is new, as (event, what it says), and what is wrong, as (file, code)."""
        found = self.reader.read(SYSTEM, patience, time.time())
        self.reader.handed_on(found)
        told = [(line.event_id, json.loads(line.body)) for line in found.lines]
        return told, [(trouble.file, trouble.code) for trouble in found.troubles]

    async def finds(self, number: int) -> Outcome:
        """What a look-up finds of a line."""
        one = numbered(number)
        asked = {"key": one.key, "object": f"CRM/{number}/line"}
        query = replace(one, purpose=Purpose.QUERY, answers=ROWS, asked=asked)
        return (await FileConnector({SYSTEM: self.place}, time.monotonic).send(query)).outcome


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    return Partner(tmp_path)


def answer(number: int, result: str = "OK", **more: Any) -> dict[str, Any]:
    return {"line": numbered(number).key, "object": f"CRM/{number}/line", "result": result, "lineId": "L-1", **more}


RSP = [Name(THEIRS, SYSTEM, n) for n in range(9)]


class WhenFilesGoToAndFro:
    async def test_each_line_is_told_once_with_an_event_of_its_own(self, partner: Partner) -> None:
        ours = await partner.sent(1)
        partner.acknowledges(ours)
        partner.puts(RSP[1], answer(1), answer(2))
        told, wrong = partner.brings()
        assert [event for event, _ in told] == [f"{RSP[1]}#1", f"{RSP[1]}#2", f"{ours}#1"]
        assert told[2][1]["acknowledgement"]["result"] == "TAKEN" and told[2][1]["line"] == numbered(1).key
        assert wrong == [] and partner.brings() == ([], [])

    async def test_what_is_found_is_what_they_said_last_else_that_it_was_sent(self, partner: Partner) -> None:
        assert await partner.finds(1) == Looked(Says.ABSENT)
        ours = await partner.sent(1)
        assert await partner.finds(1) == Looked(Says.PENDING, str(ours))
        partner.puts(RSP[1], answer(1, "REJECTED", code="NO_DUCT"))
        partner.puts(RSP[2], answer(1))
        found = await partner.finds(1)
        assert isinstance(found, Looked) and (found.says, found.reference) == (Says.DONE, "L-1")

    async def test_an_answer_about_another_object_is_none(self, partner: Partner) -> None:
        await partner.sent(1)
        partner.puts(RSP[1], {**answer(1), "object": "CRM/2/line"})
        assert isinstance(await partner.finds(1), Lost)

    async def test_a_file_that_nobody_acknowledges_is_seen_until_somebody_does(self, partner: Partner) -> None:
        ours = await partner.sent(1)
        assert partner.brings() == ([], [])
        assert partner.brings(patience=-1.0) == ([], [(str(ours), "FILE_NOT_ACKNOWLEDGED")])
        partner.acknowledges(ours)
        told, wrong = partner.brings(patience=-1.0)
        assert len(told) == 1 and wrong == []

    async def test_a_refused_file_refuses_each_of_its_lines(self, partner: Partner) -> None:
        ours = await partner.sent(1)
        partner.acknowledges(ours, result="FILE_REJECTED", code="SEQUENCE_GAP", text="16 never came")
        told, wrong = partner.brings()
        assert told[0][1]["acknowledgement"]["result"] == "FILE_REJECTED"
        assert wrong == [(str(ours), "FILE_REJECTED")] == partner.brings()[1]
        assert await partner.finds(1) == Looked(Says.REJECTED, "", "FILE_REJECTED", "SEQUENCE_GAP 16 never came")

    async def test_a_file_that_was_counted_otherwise_proves_nothing_of_its_lines(self, partner: Partner) -> None:
        ours = await partner.sent(1)
        partner.acknowledges(ours, lines=17)
        told, wrong = partner.brings()
        assert told[0][1]["acknowledgement"]["counted"] is False
        assert wrong == [(str(ours), "FILE_REJECTED")]

    async def test_half_a_file_says_nothing_and_is_wrong_when_it_stays_half(self, partner: Partner) -> None:
        partner.puts(RSP[1], answer(1), half=True)
        assert partner.brings() == ([], [])
        assert await partner.finds(1) == Looked(Says.ABSENT)
        partner.puts(RSP[1], answer(1), half=True, old=True)
        assert partner.brings() == ([], [(str(RSP[1]), "FILE_REJECTED")])
        partner.puts(RSP[1], answer(1))
        told, wrong = partner.brings()
        assert [event for event, _ in told] == [f"{RSP[1]}#1"] and wrong == []

    async def test_a_gap_in_their_numbers_is_seen_until_the_file_comes(self, partner: Partner) -> None:
        for n in (2, 4):
            partner.puts(RSP[n], answer(n))
        told, wrong = partner.brings()
        assert len(told) == 2 and wrong == [(str(RSP[3]), "FILE_MISSING")]
        partner.puts(RSP[3], answer(3))
        assert [event for event, _ in partner.brings()[0]] == [f"{RSP[3]}#1"]

    async def test_lines_that_leave_together_stand_in_one_file_and_files_have_no_gaps(self, partner: Partner) -> None:
        connectors = [FileConnector({SYSTEM: partner.place}, time.monotonic) for _ in range(3)]
        every = [(connector, 10 * k + n) for k, connector in enumerate(connectors) for n in range(5)]
        replies = await asyncio.gather(*(connector.send(numbered(n)) for connector, n in every))
        names = exchange.names(partner.place / TO_PARTNER, OURS, SYSTEM)
        assert [name.sequence for name in names] == [1, 2, 3]
        files = {str(r.outcome.reference).partition("#")[0] for r in replies if isinstance(r.outcome, Accepted)}
        assert files == {str(name) for name in names}

    @pytest.mark.parametrize(
        "spoiled", [b"", b"{}\n", b"\xff\n", b'{"file":"x","sequence":1,"lines":0}\n{"end":"x"}\n']
    )
    def test_what_is_no_file_is_half_of_one(self, partner: Partner, spoiled: bytes) -> None:
        partner.puts(RSP[1])
        (partner.place / FROM_PARTNER / str(RSP[1])).write_bytes(spoiled)
        with pytest.raises(Half):
            exchange.read(partner.place / FROM_PARTNER, RSP[1])

    async def test_a_line_that_is_two_lines_is_not_sent(self, partner: Partner) -> None:
        one = numbered(1)
        two = replace(one, request=replace(one.request, body=b"{}\n{}"))
        connector = FileConnector({SYSTEM: partner.place}, time.monotonic)
        assert (await connector.send(two)).outcome == NotSent("unsendable")
