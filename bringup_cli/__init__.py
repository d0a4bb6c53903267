"""The ``bringup`` command."""

from bringup_cli.root import main

__all__ = ["main"]
