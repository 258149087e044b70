"""The reference page names every kind of file and every fact that policy may read."""

import re
from pathlib import Path

import pytest

from fallsafe.policyset import facts, templates
from fallsafe.policyset.schemas import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "policy-files.md").read_text()
ROWS = set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE))


class WhenTheReferenceIsRead:
    @pytest.mark.parametrize("table", [templates.FACTS, facts.SEVERITY, facts.ORDER, facts.SIGNAL])
    def test_every_fact_has_its_row(self, table):
        assert set(table) <= ROWS

    def test_every_kind_of_file_has_its_row(self):
        assert set(KINDS) <= ROWS

    def test_nothing_is_described_that_does_not_exist(self):
        known = {*KINDS, *templates.FACTS, *facts.SEVERITY, *facts.ORDER, *facts.SIGNAL}
        assert known >= ROWS
