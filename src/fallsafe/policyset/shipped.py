"""Where the policy sets are that come with the product: beside the sources in a checkout, inside the package once
installed.
"""

from pathlib import Path

import fallsafe

_PACKAGE = Path(fallsafe.__file__).resolve().parent
DEFAULT = "telco"


def policies() -> Path:
    """The folder of the shipped sets and their schemas."""
    installed = _PACKAGE / "policies"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "policy"


def shipped_sets() -> dict[str, Path]:
    """The folders of all shipped sets by `name/date`, the oldest first."""
    return {
        f"{path.parent.name}/{path.name}": path for path in sorted(policies().glob("*/[0-9]*-*-*")) if path.is_dir()
    }


def shipped(name: str = DEFAULT) -> Path:
    """The folder of the newest shipped set of a name. Raises `LookupError` where none is shipped."""
    dated = [path for key, path in shipped_sets().items() if key.startswith(f"{name}/")]
    if not dated:
        raise LookupError(f"no policy set called {name!r} is shipped in {policies()}")
    return dated[-1]
