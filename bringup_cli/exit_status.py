"""What the exit status of a command means, and what an error becomes: one message and a status, never a traceback."""

import sys
from importlib import import_module

EXIT_FAILED = 1
EXIT_USAGE = 2
# 128 + SIGINT, as shells have it.
EXIT_INTERRUPTED = 130


def of_error(error: Exception) -> tuple[int, str] | None:
    """The exit status and the message for an error that a user can do something about; None: it is a defect."""
    # Imported when there is an error: `bringup --version` and completion take less time than these two modules.
    errors = import_module("bringup.errors")
    # An error of pydantic cannot come from a process that has not imported it.
    pydantic = sys.modules.get("pydantic")
    if pydantic and isinstance(error, pydantic.ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return EXIT_USAGE, f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
    if isinstance(error, OSError):
        return EXIT_FAILED, f"{error.filename or 'the output'}: {error.strerror or error}"
    if isinstance(error, errors.BringupError):
        is_usage = isinstance(error, errors.SettingsError | errors.InventoryError)
        return EXIT_USAGE if is_usage else EXIT_FAILED, str(error)
    return None
