"""What the pages use of others is here, is what the lists say, and is complete: nothing is fetched, nothing is idle."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "src/fallsafe/workbench"
FOLDERS = [PAGES / "static/vendor", ROOT / "tests/browser/vendor"]


def listed(folder: Path) -> dict[str, str]:
    """File → digest, as the list of the folder says."""
    packages = tomllib.loads((folder / "VENDOR.toml").read_text())["package"]
    files = {file["to"]: file["sha256"] for package in packages for file in package["file"]}
    return files | {p["sprite"]: p["sprite_sha256"] for p in packages if "sprite" in p}


@pytest.mark.parametrize("folder", FOLDERS, ids=["pages", "tests"])
class WhenSomethingOfOthersIsKept:
    def test_every_file_is_listed_with_its_digest(self, folder: Path):
        there = {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.name != "VENDOR.toml"
        }
        assert there == listed(folder)

    def test_every_package_has_a_version_a_license_and_the_text_of_it(self, folder: Path):
        for package in tomllib.loads((folder / "VENDOR.toml").read_text())["package"]:
            assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
            assert package["license"]
            assert any(file["to"].startswith("LICENSE") for file in package["file"])


class WhenIconsAreUsed:
    def test_the_sprite_has_exactly_those_that_are_used(self):
        sprite = set(re.findall(r'<symbol id="([^"]+)"', (PAGES / "static/vendor/icons.svg").read_text()))
        templates = "".join(p.read_text() for p in (PAGES / "templates").rglob("*.html"))
        used = set(re.findall(r"icon\('([a-z-]+)'", templates)) | {"sun", "moon"}
        used |= {name for name in sprite if f'"{name}"' in (PAGES / "timeline.py").read_text()}
        named = set(
            re.findall(
                r'", "([a-z]+(?:-[a-z]+)*)", "(?:good|bad|warn|unknown)?"\)', (PAGES / "timeline.py").read_text()
            )
        )
        assert named <= sprite
        assert used == sprite


class WhenThePagesStyleThemselves:
    def test_the_style_sheet_and_the_script_fetch_nothing_from_elsewhere(self):
        for name in ("workbench.css", "workbench.js"):
            text = (PAGES / "static" / name).read_text()
            assert "://" not in text
            assert "eval(" not in text

    def test_every_color_of_a_rule_is_a_token(self):
        css = (PAGES / "static/workbench.css").read_text()
        rules = css.split("* { box-sizing", 1)[1]
        assert set(re.findall(r"#[0-9a-f]{3,8}\b", rules)) <= {"#fff", "#000"}
