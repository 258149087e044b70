"""What this release runs, by what an action `does`: the planner that says what it would do."""

from collections.abc import Mapping

from fallsafe.core.repair.actions import PLANNERS
from fallsafe.core.repair.further import FURTHER
from fallsafe.core.repair.preview import Planner

PLANS: Mapping[str, Planner] = {**PLANNERS, **FURTHER}
