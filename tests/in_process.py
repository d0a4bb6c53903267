"""Commands of bringup within the tests' own process: to start Python for each takes far longer than what it does."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bringup_cli import root
from bringup_cli.demo.stack import Stack, StackError
from tests import preloaded
from tests.conftest import free_port
from tests.logs import logging_restored


def command(arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The result of a command that ends by itself, as a process with this environment would have it.

    Args:
        environ: all of it: no variable of the tests' own process is seen.
        folder: the working directory.
    """
    with (
        _environment(environ, folder),
        logging_restored(),
        CliRunner().isolation() as (output, error, _),
        pytest.raises(SystemExit) as end,
    ):
        root.run(arguments)
    status = end.value.code if isinstance(end.value.code, int) else 1
    return subprocess.CompletedProcess(arguments, status, output.getvalue().decode(), error.getvalue().decode())


@contextmanager
def _environment(environ: Mapping[str, str], folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in os.environ.keys() - environ.keys():
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setattr(tempfile, "tempdir", None)  # what TMPDIR was before
        yield


class QuickStack(Stack):
    """A stack whose commands run in this process; its services are processes of their own, as ever."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        # The stack's own choice may be taken by an outgoing connection before the server listens, or while it is away.
        ports = {name: str(free_port()) for name in ("REDIS_PORT", "CALLBACK_API_PORT")}
        super().__init__(folder, ports | dict(settings))

    def _spawn(self, name: str, command: list[str], role: str = "", variables: Mapping[str, str] | None = None) -> None:
        """A service of bringup begins with its libraries loaded; any other program as ever."""
        program, arguments = command[:3], command[3:]
        if program != [sys.executable, "-m", "bringup"]:
            super()._spawn(name, command, role, variables)
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            env = self.environment(role) | dict(variables or {})
            self._processes[name] = preloaded.start(
                arguments, cwd=self.folder, env=env, log=log.fileno(), start_new_session=True
            )

    def __exit__(self, *_: object) -> None:
        """Kill all: how services stop has tests of its own, and nothing reads what these leave."""
        for process in reversed(self._processes.values()):
            preloaded.kill_group(process)
        self._processes.clear()

    def command(self, *arguments: str, role: str = "operator", check: bool = True) -> subprocess.CompletedProcess[str]:
        """See `Stack.command`."""
        done = command(arguments, self.environment(role), self.folder)
        if check and done.returncode:
            raise StackError(f"bringup {' '.join(arguments)} failed:\n{done.stderr.strip()}")
        return done
