"""Files that a person asked for beside what is printed: refused before long work where they could not be written."""

from pathlib import Path

from fallsafe.cli.client import fail


def must_have_a_place(path: Path) -> None:
    """Ends the command with 2 where there is no folder for the file, or it is one itself."""
    folder = path.absolute().parent
    if not folder.is_dir():
        fail(f"{path} cannot be written: there is no folder {folder}", 2)
    if path.is_dir():
        fail(f"{path} cannot be written: it is a folder", 2)


def write(path: Path, text: str) -> None:
    """Writes a report; ends the command with 2 and a sentence where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}", 2)
