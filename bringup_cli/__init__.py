"""The ``bringup`` command."""

import sys
from importlib import import_module

from bringup_cli.cooperative import restart_cooperative


def main() -> None:
    """Run the command line. Its root is imported where it is needed: all that follows takes ten times as long."""
    restart_cooperative(sys.argv[1:])
    import_module("bringup_cli.root").main()
