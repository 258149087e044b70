"""The life of a sandbox process: it starts or says why not, survives kill -9 with everything that it answered, and ends
when it is told or nobody is left to tell it.
"""

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.simulator.outside import SECRETS, Client, a_system, an_inbox

from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import ControlError, command_line, launch, secret_variables, write_faults
from fallsafe.simulator.sandbox.disk import BrokenFile

KEY, ABOUT = "CRM/777/fiber.step/fulfill/1", "CRM/777/fiber"
ACTIVATE = "PRV.activateService"


class WhenItIsKilled:
    async def test_everything_that_was_answered_is_on_disk_and_it_goes_on_from_there(self, tmp_path: Path) -> None:
        answered: set[str] = set()

        async def ask(client: Client, n: int) -> None:
            status, _ = await client.do("WHS.reserve", f"key-{n}", f"CRM/{n}/router")
            assert status in (200, 201)
            answered.add(f"key-{n}")

        for _ in range(2):
            async with a_system("logistics", tmp_path) as (running, client):
                asked = [asyncio.create_task(ask(client, n)) for n in range(300)]
                for done in itertools.islice(asyncio.as_completed(asked), 20):  # in the middle of its work
                    await done
                await running.kill()
                await asyncio.gather(*asked, return_exceptions=True)
                assert answered <= set(judge.effects_by_key(tmp_path))
        async with a_system("logistics", tmp_path) as (_, client):
            for n in range(300):
                await ask(client, n)
        assert set(judge.effects(tmp_path).values()) == {1}
        assert answered == set(judge.effects_by_key(tmp_path))
        assert len({effect.id for effect in judge.all_effects(tmp_path)}) == 300
        assert {one.key for one in judge.requests(tmp_path, "logistics")} == answered

    async def test_what_was_accepted_before_is_done_and_told_after_it(self, tmp_path: Path) -> None:
        async with an_inbox() as inbox:
            async with a_system("provisioning", tmp_path, inbox) as (running, client):
                await client.do(ACTIVATE, KEY, ABOUT)
                await running.kill()
            async with a_system("provisioning", tmp_path, inbox) as (_, client):
                await inbox.until(1)
                assert (await client.do(ACTIVATE, KEY, ABOUT))[0] == 409
        assert judge.effects(tmp_path) == {f"{ACTIVATE} {ABOUT}": 1}

    async def test_what_remains_of_its_script_strikes_after_it(self, tmp_path: Path) -> None:
        write_faults(tmp_path, "billing", [{"operation": "BIL.createAccount", "fault": "throttle", "times": 2}])
        async with a_system("billing", tmp_path) as (running, client):
            assert (await client.do("BIL.createAccount", KEY, ABOUT))[0] == 429
            assert [fault["times"] for fault in await client.control.faults()] == [1]
            await running.kill()
        async with a_system("billing", tmp_path) as (_, client):
            statuses = [(await client.do("BIL.createAccount", KEY, ABOUT))[0] for _ in range(2)]
        assert statuses == [429, 201]

    async def test_a_torn_last_line_is_cut(self, tmp_path: Path) -> None:
        effects = judge.folder(tmp_path, "billing") / "effects.jsonl"
        effects.parent.mkdir(parents=True)
        effects.write_bytes(b'{"at":"2026-')
        assert judge.effects(tmp_path) == {}
        async with a_system("billing", tmp_path) as (_, client):
            assert (await client.do("BIL.createAccount", KEY, ABOUT))[0] == 201
        assert judge.effects(tmp_path) == {f"BIL.createAccount {ABOUT}": 1}

    async def test_a_line_that_is_broken_elsewhere_is_told_with_its_place(self, tmp_path: Path) -> None:
        effects = judge.folder(tmp_path, "billing") / "effects.jsonl"
        effects.parent.mkdir(parents=True)
        effects.write_bytes(b'{"at":\n{}\n')
        with pytest.raises(BrokenFile, match="effects.jsonl:1"):
            judge.effects(tmp_path)
        with pytest.raises(ControlError, match="effects.jsonl:1"):
            await launch("billing", tmp_path, SECRETS)


class WhenItStarts:
    async def test_two_processes_do_not_share_a_truth_nor_a_port(self, tmp_path: Path) -> None:
        async with a_system("billing", tmp_path) as (running, _):
            with pytest.raises(ControlError, match="in use by another process"):
                await launch("billing", tmp_path, SECRETS)
            port = int(running.url.rpartition(":")[2])
            with pytest.raises(ControlError, match=f"port {port} is taken"):
                await launch("logistics", tmp_path, SECRETS, port)

    async def test_a_missing_secret_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ControlError, match="FALLSAFE_SECRET_PRV"):
            await launch("provisioning", tmp_path, {**SECRETS, "PRV": ""})

    async def test_a_script_that_cannot_be_read_is_told_with_its_file(self, tmp_path: Path) -> None:
        write_faults(tmp_path, "billing", [{"fault": "explode"}])
        with pytest.raises(ControlError, match="faults.json: /faults/0/fault"):
            await launch("billing", tmp_path, SECRETS)


class WhenItEnds:
    async def test_it_ends_in_good_order_also_while_somebody_waits_for_an_answer(self, tmp_path: Path) -> None:
        async with a_system("billing", tmp_path) as (running, client):
            await client.control.set_faults([{"fault": "answer_lost_after_effect"}])
            waits = asyncio.create_task(client.do("BIL.createAccount", KEY, ABOUT))
            while not await client.control.effects():  # each question takes its time
                continue
            await running.stop()
            assert running.process.returncode == 0
            await asyncio.gather(waits, return_exceptions=True)
        assert judge.effects(tmp_path) == {f"BIL.createAccount {ABOUT}": 1}

    async def test_it_ends_when_its_parent_is_gone(self, tmp_path: Path) -> None:
        line = command_line("billing", tmp_path, 0, watch_parent=False)
        parent = (
            "import os, subprocess, sys\n"
            f"child = subprocess.Popen({line!r} + ['--watch-parent', str(os.getpid())], stdout=subprocess.PIPE)\n"
            "child.stdout.readline()\nprint(child.pid, flush=True)\nsys.stdin.readline()\n"
        )
        environment = {**os.environ, **secret_variables(SECRETS)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", parent, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        child = int(await process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        await process.wait()
        async with asyncio.timeout(20):
            while _lives(child):  # noqa: ASYNC110  # safe because no event tells that a stranger ended
                await asyncio.sleep(0.05)


def _lives(pid: int) -> bool:
    """Whether a process is there and not only waiting to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
