"""Takes the files of others anew, as the `VENDOR.toml` beside them say: unpacks the named npm packages, builds the icon
sprite, writes the digests. Needs `npm`; only somebody who changes a version runs it.
"""

import hashlib
import re
import subprocess
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LISTS = ("src/fallsafe/workbench/static/vendor/VENDOR.toml", "tests/browser/vendor/VENDOR.toml")


def main() -> None:
    for listed in LISTS:
        path = ROOT / listed
        digests = [
            digest for package in tomllib.loads(path.read_text())["package"] for digest in take(package, path.parent)
        ]
        parts = re.split(r'(?<=sha256 = ")[0-9a-f]*(?=")', path.read_text())
        path.write_text("".join(a + b for a, b in zip(parts, [*digests, ""], strict=True)))
        print(f"{listed}: {len(digests)} files")


def take(package: dict, folder: Path) -> list[str]:
    """Copies the files of one package; their digests in the order in which the list has them (the sprite first)."""
    with tempfile.TemporaryDirectory() as scratch:
        named = f"{package['name']}@{package['version']}"
        packed = subprocess.run(
            ["npm", "pack", "--silent", named], cwd=scratch, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(scratch, packed.stdout.split()[-1])) as archive:
            archive.extractall(scratch, filter="data")
        source, digests = Path(scratch, "package"), []
        if "sprite" in package:
            digests.append(put(folder / package["sprite"], sprite(package, source / "icons/outline")))
        digests += [put(folder / file["to"], (source / file["from"]).read_bytes()) for file in package["file"]]
        return digests


def sprite(package: dict, icons: Path) -> bytes:
    """The named icons as one file of symbols."""
    parts = ['<svg xmlns="http://www.w3.org/2000/svg">']
    for name in package["icons"]:
        paths = [
            p
            for p in re.findall(r"<(?:path|circle|rect|line)[^>]*/>", (icons / f"{name}.svg").read_text())
            if 'stroke="none"' not in p
        ]
        parts.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" '
            f'stroke-linecap="round" stroke-linejoin="round">{"".join(p.replace(" />", "/>") for p in paths)}</symbol>'
        )
    return "\n".join([*parts, "</svg>", ""]).encode()


def put(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
