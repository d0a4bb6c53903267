"""The ``bringup`` command."""

from bringup.cli.root import main

__all__ = ["main"]
