"""The telco policy set that is shipped, loaded once."""

from pathlib import Path

import pytest

from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.policyset import load

TELCO = Path(__file__).parents[2] / "policy" / "telco"


@pytest.fixture(scope="session")
def telco() -> PolicySet:
    """The newest telco set, at the pace of a real clock."""
    return load(max(TELCO.iterdir()))
