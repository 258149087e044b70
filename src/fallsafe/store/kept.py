"""Small secrets that are made once in a home and kept: whole or not there at all, whoever else makes them at the same
time and whenever the machine stops.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept_once(place: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a file that only its owner can read; made now where it is not there. The first maker wins."""
    with contextlib.suppress(FileNotFoundError):
        return place.read_bytes()
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(make())
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, place)
    finally:
        Path(beside).unlink()
    _on_disk(place.parent)
    return place.read_bytes()


def _on_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
