"""``python -m bringup_cli`` is the same as the ``bringup`` command."""

from bringup_cli import main

main()
