"""Makes every wait of a process gevent's: for the commands that serve the API and the images, and for no other."""

import os
import sys

from gevent import monkey


def restart_cooperative() -> None:
    """Run this command anew in a process where every wait is gevent's; returns where that is so already.

    The patch must come before redis, requests and ssl are imported, and must never reach another command.
    """
    if not monkey.is_module_patched("socket"):
        command = [sys.executable, "-m", "gevent.monkey", "--module", "bringup", *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, with the arguments that it was given
