"""The API over a database of its own, for reports that need no whole installation."""

from tests.doors.conftest import api, application, telco_policy

__all__ = ["api", "application", "telco_policy"]
