"""Whatever the documentation tells people to type is there: verbs, options, recipes, files and bodies."""

import json
import re
from pathlib import Path

import click
import pytest
import typer.main

from fallsafe.api.bodies import check_shape
from fallsafe.cli.main import app

ROOT = Path(__file__).parents[2]
# Decisions speak of their time; everything else speaks of now.
PAGES = sorted(
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if "decisions" not in page.parts
)
# `fallsafe …` in code, up to what is no part of the command any more.
SPOKEN = re.compile(r"(?:^ {4}|`)(?:\.venv/bin/)?fallsafe ([a-z][^`\n#]*)", re.MULTILINE)
RECIPE = re.compile(r"(?:^ {4}|`)make ([a-z-]+)", re.MULTILINE)
BODY = re.compile(r"```json\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def command_at(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and what follows. Raises AssertionError where there is none."""
    at: click.Command = typer.main.get_command(app)
    while (below := getattr(at, "commands", {})) and words:
        assert words[0] in below, f"there is no {words[0]!r} among {sorted(below)}"
        at, words = below[words[0]], words[1:]
    return at, words


@pytest.mark.parametrize("page", PAGES, ids=names)
class WhenAPageIsRead:
    """The first thing that a newcomer types must work."""

    def test_its_commands_and_their_options_are_there(self, page: Path) -> None:
        for spoken in SPOKEN.findall(page.read_text()):
            command, rest = command_at(spoken.split())
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
            given = {word.partition("=")[0] for word in rest if word.startswith("--")}
            assert given <= known, f"fallsafe {spoken}: there is no {sorted(given - known)}"

    def test_its_recipes_are_there(self, page: Path) -> None:
        recipes = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert set(RECIPE.findall(page.read_text())) <= recipes

    def test_its_links_lead_somewhere(self, page: Path) -> None:
        for link in LINK.findall(page.read_text()):
            assert (page.parent / link).exists(), link

    def test_its_bodies_are_taken(self, page: Path) -> None:
        for body in BODY.findall(page.read_text()):
            value = json.loads(body)
            for many in {"signals", "reports"} & value.keys():
                assert check_shape(many, value)
                for one in value[many]:
                    assert check_shape(many.removesuffix("s"), one)


def test_the_pages_speak_of_commands_at_all() -> None:
    assert sum(len(SPOKEN.findall(page.read_text())) for page in PAGES) > 5
