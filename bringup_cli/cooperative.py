"""Commands that run where every wait is gevent's: they are begun anew there, before anything else is imported."""

import os
import sys
from collections.abc import Sequence

COOPERATIVE = {"api", "images", "console"}
# The options of `bringup` itself that take a value: the word behind one names no command.
_WITH_VALUE = {"--env-file"}


def restart_cooperative(arguments: Sequence[str]) -> None:
    """Run this command anew, patched by gevent; return where it needs no patch or has it.

    The patch must come before redis, requests and ssl are imported, and must never reach another command. Without -P
    the new process would search the working directory first, and import a foreign package ``api`` that lies there.

    Args:
        arguments: those of the command line.
    """
    if command_in(arguments) not in COOPERATIVE:
        return
    monkey = sys.modules.get("gevent.monkey")  # loaded where it has patched this process
    if monkey is None or not monkey.is_module_patched("socket"):
        command = [sys.executable, "-P", "-m", "gevent.monkey", "--module", "bringup", *arguments]
        os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, with the arguments that it was given


def command_in(arguments: Sequence[str]) -> str | None:
    """The name of the command in the arguments of ``bringup``; None when there is none."""
    words = iter(arguments)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None
