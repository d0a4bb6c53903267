"""The self-test: proves what is really in force between us, Redis and the API, and that the rest is refused."""

from selftest.checks import CATALOG
from selftest.runner import run
from selftest.target_installation import TargetInstallation

__all__ = ["CATALOG", "TargetInstallation", "run"]
