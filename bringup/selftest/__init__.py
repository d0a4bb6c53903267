"""The self-test: proves what is really in force between us, Redis and the API, and that the rest is refused."""

from bringup.selftest.catalog import CATALOG
from bringup.selftest.runner import run
from bringup.selftest.subject import Subject

__all__ = ["CATALOG", "Subject", "run"]
