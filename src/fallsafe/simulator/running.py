"""Plays worlds on a ground, one after another."""

from fallsafe.simulator.ground import Ground
from fallsafe.simulator.people import install
from fallsafe.simulator.world import Plan, Report, World


def install_once(ground: Ground) -> None:
    """Brings a ground to where every world begins: the shipped policy is published, people and tokens are known."""
    world = World(ground, Plan(0, 0, "calm"))
    world.mishaps.stop()

    async def installed() -> None:
        world.begin("api-1", "api")
        life = world.lives["api-1"]
        while life.doors is None:
            import asyncio

            await asyncio.sleep(0.1)
        await install(life)

    try:
        world.loop.run_until_complete(installed())
    finally:
        world._close()
    ground.installed = ground.copy()


def play(ground: Ground, plan: Plan) -> Report:
    """Plays one world to its end."""
    return World(ground, plan).play()
