"""The telco policy set that is shipped, loaded once, and the API over a database of its own, for what needs no whole
installation.
"""

from pathlib import Path

import pytest
from tests.doors.conftest import api, application, telco_policy

from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.policyset import load

__all__ = ["api", "application", "telco_policy"]

TELCO = Path(__file__).parents[2] / "policy" / "telco"


@pytest.fixture(scope="session")
def telco() -> PolicySet:
    """The newest telco set, at the pace of a real clock."""
    return load(max(TELCO.iterdir()))
