"""The self-test: proves what is really in force between us, Redis and the API, and that the rest is refused."""

from selftest.catalog import CATALOG
from selftest.runner import run
from selftest.target_installation import Subject

__all__ = ["CATALOG", "Subject", "run"]
