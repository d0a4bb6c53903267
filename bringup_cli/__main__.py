"""``python -m bringup_cli`` is the same as the ``bringup`` command."""

from bringup_cli.root import main

main()
