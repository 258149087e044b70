"""Static files of the pages, read once, named by a digest of them all, so that a browser may keep them for ever.

They come from the package; nothing is ever fetched from another host.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Item:
    """One file; `packed` is its gzip form where that is smaller."""

    body: bytes
    packed: bytes | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """All files by path, and the version that stands in their address."""

    items: dict[str, Item]
    version: str

    @property
    def base(self) -> str:
        """The address in front of every file."""
        return f"/static/{self.version}"

    def serve(self, request: Request, version: str, path: str) -> Response:
        """One file, for ever when asked for by its version; an old version gets the file of today, unkept."""
        item = self.items.get(path)
        if item is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {
            "Cache-Control": FOR_EVER if version == self.version else "no-store",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if item.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(item.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=item.media_type)
        return Response(item.body, headers=headers, media_type=item.media_type)


@cache
def shelf() -> Shelf:
    """The files of the package."""
    bodies = dict(_walk(files("fallsafe.workbench").joinpath("static"), ""))
    version = hashlib.sha256(b"".join(name.encode() + bodies[name] for name in sorted(bodies))).hexdigest()[:12]
    return Shelf({name: _item(name, body) for name, body in bodies.items()}, version)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA_TYPES:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _item(name: str, body: bytes) -> Item:
    packed = gzip.compress(body, 9, mtime=0)
    return Item(body, packed if len(packed) < len(body) * 0.9 else None, MEDIA_TYPES[name.rpartition(".")[2]])
