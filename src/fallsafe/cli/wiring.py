"""What the supervisor hands to the processes of a home: where everything answers, and the secret of each system.

It is light, so that `fallsafe up` starts its children before it knows anything of policy or flows.
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

LEASE_BEYOND_CALL_SECONDS = 20.0
SANDBOX = {
    "billing": ("BIL", "PAY", "TAX", "CRD"),
    "logistics": ("WHS", "SHP", "WFM"),
    "provisioning": ("PRV", "RIN", "NUM", "SIM", "PIN", "ENT", "EMG", "ADR"),
    "partners": ("PRT", "WHA", "WHF", "CIV", "OTT", "DOC", "NTF"),
    "engine": ("ENG",),
}
SHOP = {"commerce": ("PAY", "FRD", "TAX", "WMS", "CAR", "MKT", "DSV", "GFT", "DIG", "INV", "NTF")}
SANDBOX_OF: Mapping[str, Mapping[str, tuple[str, ...]]] = {"telco": SANDBOX, "commerce": SHOP}
"""The processes of the sandbox, with their systems, for each policy set that is shipped."""
FOLDERS = {"WHF": ("file", "partners/exchange/WHF"), "CIV": ("mail", "partners/letters")}
"""Those of them that are reached by a folder: how, and where below the sandbox."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where everything answers and the secret of each system; `run/wiring.json`, readable by its owner only.

    `policy` is the folder of the policy set, empty for the shipped one; `lease_beyond_call` is in seconds.
    """

    database_url: str
    api: str
    systems: Mapping[str, str]
    secrets: Mapping[str, str]
    time_scale: float
    policy: str = ""
    lease_beyond_call: float = LEASE_BEYOND_CALL_SECONDS

    def write(self, home: Path) -> None:
        """Hands it to the children of this home."""
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(home / "run" / "wiring.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump({name: getattr(self, name) for name in self.__slots__}, out)


def read_wiring(home: Path) -> Wiring:
    """What the supervisor wrote."""
    return Wiring(**json.loads((home / "run" / "wiring.json").read_text()))


def new_secrets(policy: str = "telco") -> dict[str, str]:
    """A secret for each sandbox system, made anew for each run."""
    return {code: secrets.token_hex(16) for codes in SANDBOX_OF[policy].values() for code in codes}


def folders(home: Path, codes: Iterable[str]) -> dict[str, str]:
    """The addresses of those of these sandbox systems that are reached by a folder."""
    below = quote(str(home.resolve() / "sandbox"))
    return {code: f"{FOLDERS[code][0]}://{below}/{FOLDERS[code][1]}" for code in codes if code in FOLDERS}


SECRETS_OF_CALLBACKS = "callback-secrets.json"


@dataclass(slots=True)
class AlsoAccepted:
    """Secrets that callbacks may be signed with beside the system's own: `callback-secrets.json` in the home, from
    system code to a list. Read anew when it changes, so that a key is rotated without a restart and without a loss.
    """

    home: Path
    _seen: tuple[int, int] = (0, 0)
    _kept: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, system: str) -> Sequence[str]:
        """Those of one system. A file that cannot be read leaves what was read before."""
        try:
            place = self.home / SECRETS_OF_CALLBACKS
            found = place.stat()
            if (found.st_mtime_ns, found.st_size) != self._seen:
                self._kept, self._seen = _lists(place), (found.st_mtime_ns, found.st_size)
        except FileNotFoundError:
            self._kept, self._seen = {}, (0, 0)
        except (OSError, ValueError):
            pass  # safe because whoever writes it by hand finds it unread, and nothing more is accepted than before
        return self._kept.get(system, ())


def _lists(place: Path) -> dict[str, list[str]]:
    said = json.loads(place.read_text())
    if not isinstance(said, dict) or not all(isinstance(kept, list) for kept in said.values()):
        raise ValueError(f'{place}: an object from system code to a list of secrets, as in {{"PRV": ["…"]}}')
    return {system: [str(secret) for secret in kept] for system, kept in said.items()}


def write_also_accepted(home: Path, system: str, secrets_: Sequence[str]) -> None:
    """Writes the secrets of one system, and leaves those of the others. Raises ValueError where the file is not one."""
    place = home / SECRETS_OF_CALLBACKS
    kept = _lists(place) if place.exists() else {}
    kept[system] = list(secrets_)
    beside = place.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({code: listed for code, listed in kept.items() if listed}, out)
    beside.replace(place)
