"""The HTTP connector under the contract that every connector must keep: one test for each check (§12.1)."""

import time
from urllib.parse import urlsplit

import pytest

from fallsafe.connectors.contract_suite import SECRET, SYSTEM, ContractSuite
from fallsafe.connectors.http import HttpConnector


def connect(url: str) -> HttpConnector:
    """The connector for one system at an address."""
    return HttpConnector({SYSTEM: url}, {SYSTEM: SECRET}, frozenset({urlsplit(url).hostname or ""}), time.monotonic)


class WhenAnHttpConnectorIsUsed:
    @pytest.mark.parametrize("name", ContractSuite.names())
    async def test_it_keeps_the_contract(self, name: str) -> None:
        await ContractSuite(connect).check(name)
