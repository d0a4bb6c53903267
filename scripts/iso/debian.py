"""The unpacked packages: files for the image, and the tools that put it together."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
LOADER = "ld-linux-x86-64.so.2"
EPOCH = 1735689600  # 2025-01-01: every date in the image, so that the day of the build leaves no trace


class BuildError(Exception):
    """Why there is no image, in a sentence for the person who builds it."""


@dataclass(frozen=True)
class Packages:
    """A folder that holds the content of the packages, merged."""

    root: Path

    def one(self, pattern: str) -> Path:
        """The only file that matches.

        Raises:
            BuildError: there is none, or more than one.
        """
        found = sorted(self.root.glob(pattern))
        if len(found) != 1:
            raise BuildError(f"the packages hold {len(found)} files named {pattern}, not one")
        return found[0]

    @property
    def kernel(self) -> str:
        """The kernel's version, as ``uname -r`` prints it."""
        return self.one("boot/vmlinuz-*").name.removeprefix("vmlinuz-")

    def run(self, tool: str, *arguments: str | Path, called: str = "", env: dict[str, str] | None = None) -> str:
        """Run a tool of the packages with their own C library; returns what it printed.

        Args:
            tool: its path in the packages.
            arguments: of the tool.
            called: another name for it to run under: kmod is depmod by its name.
            env: added to the environment.

        Raises:
            BuildError: it failed; with the end of its error output.
        """
        done = self.load("--argv0", called or tool, self.root / tool, *arguments, env=env)
        if done.returncode != 0:
            raise BuildError(f"{tool} failed with status {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def load(self, *arguments: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run the packages' loader with their libraries.

        Args:
            arguments: its options, then a program and the program's arguments.
            env: added to the environment.
        """
        libraries = self.root / LIBRARIES
        command = [libraries / LOADER, "--inhibit-cache", "--library-path", libraries, *arguments]
        return subprocess.run(  # noqa: S603 - the words are ours, and no shell reads them
            command, env=_environment() | (env or {}), capture_output=True, check=False, text=True
        )


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC", "LC_ALL": "C", "HOME": "/nonexistent"}
