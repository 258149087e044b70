"""What the supervisor hands to the processes of a home: where everything answers, and the secret of each system.

It is light, so that `fallsafe up` starts its children before it knows anything of policy or flows.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LEASE_BEYOND_CALL_SECONDS = 20.0
SANDBOX = {
    "billing": ("BIL", "PAY", "TAX", "CRD"),
    "logistics": ("WHS", "SHP", "WFM"),
    "provisioning": ("PRV", "RIN", "NUM", "SIM", "PIN", "ENT", "EMG", "ADR"),
    "partners": ("PRT", "WHA", "WHF", "OTT", "DOC", "NTF"),
    "engine": ("ENG",),
}


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


def new_secrets() -> dict[str, str]:
    """A secret for each sandbox system, made anew for each run."""
    return {code: secrets.token_hex(16) for codes in SANDBOX.values() for code in codes}
