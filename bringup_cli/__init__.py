"""The ``bringup`` command."""

import gc
import sys
from importlib import import_module

from bringup_cli.cooperative import command_in, restart_cooperative

# They run until they are stopped, and look for garbage as Python does by itself.
_SERVICES = frozenset({"api", "images", "work", "tail", "console", "simulate", "demo"})
# New objects between two looks for garbage. At Python's 700, one looks hundreds of times while modules are imported,
# finds none, and takes a twentieth of the time of a short command.
_GARBAGE_AFTER = 100_000


def main() -> None:
    """Run the command line. Its root is imported where it is needed: all that follows takes ten times as long."""
    restart_cooperative(sys.argv[1:])
    if command_in(sys.argv[1:]) not in _SERVICES:
        gc.set_threshold(_GARBAGE_AFTER)
    import_module("bringup_cli.root").main()
