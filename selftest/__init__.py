"""The self-test: proves what is really in force between us, Redis and the API, and that the rest is refused."""

from selftest.case import run
from selftest.checks import CATALOG
from selftest.target_installation import TargetInstallation

__all__ = ["CATALOG", "TargetInstallation", "run"]
