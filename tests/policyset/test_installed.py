"""An installed copy has its policy sets with it, away from any checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from tests.policyset.sets import telco

ROOT = Path(__file__).parents[2]
SAY = """
import sys
sys.path.insert(0, sys.argv[1])
from fallsafe import policyset
print(policyset.load(policyset.shipped()).id, policyset.shipped())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = next(iter(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


class WhenThePackageIsInstalled:
    def test_it_finds_the_same_set_inside_itself(self, installed, tmp_path):
        command = [sys.executable, "-c", SAY, str(installed)]
        said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
        assert said[0] == telco().id
        assert Path(said[1]).is_relative_to(installed)
