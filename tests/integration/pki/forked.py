"""``bringup pki`` in a process that is forked, not started: its imports take ten times as long as the command."""

import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from bringup_cli.commands.pki import pki
from bringup_cli.context import Context, print_table

ENVIRONMENT = {
    "REDIS_HOST": "redis.example.net",
    "CALLBACK_API_URL": "http://192.0.2.7:5000",
    "PATH": os.environ["PATH"],
}
_END_S = 60  # for a command that takes a tenth of a second, on a computer that runs many at once


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


class Forked:
    """A command that runs.

    Args:
        folder: its working directory.
        words: of its command line, behind ``bringup pki``.
        user: the number of the user that it becomes; None: that of the tests.
    """

    def __init__(self, folder: Path, words: str, user: int | None = None) -> None:
        elsewhere = Path(tempfile.mkdtemp())  # its folder may be full, or closed to all
        self._outputs = (elsewhere / "stdout", elsewhere / "stderr")
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload([__name__])
        process = forks.Process(target=_run, args=(folder, words, user, self._outputs))
        process.start()
        self.process: BaseProcess = process

    def ended(self) -> Ended:
        """Its end, which is waited for."""
        self.process.join(_END_S)
        assert self.process.exitcode is not None, "it does not end"
        out, err = (path.read_text() if path.exists() else "" for path in self._outputs)
        return Ended(self.process.exitcode, out, err)


def _run(folder: Path, words: str, user: int | None, outputs: tuple[Path, ...]) -> None:
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    os.chdir(folder)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    with contextlib.redirect_stdout(io.StringIO()):
        print_table("", ("",), [("",)])  # the printer, too, imports on first use
    if user is not None:  # after the imports: the interpreter itself may be readable by root alone
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    sys.exit(pki.main(words.split(), prog_name="bringup pki", obj=Context(())))
