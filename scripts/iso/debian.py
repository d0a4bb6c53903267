"""The unpacked packages: files for the image, and the tools that put it together."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
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
        """Runs a tool of the packages with their own C library, by another name if need be; returns what it printed.

        Raises:
            BuildError: with what it said, when it failed.
        """
        loader = self.root / LIBRARIES / "ld-linux-x86-64.so.2"
        options: list[str | Path] = [
            "--inhibit-cache",
            "--library-path",
            self.root / LIBRARIES,
            "--argv0",
            called or tool,
        ]
        command = [loader, *options, self.root / tool, *arguments]
        done = subprocess.run(  # noqa: S603 - the words are ours, and no shell reads them
            command, env=_environment() | (env or {}), capture_output=True, check=False, text=True
        )
        if done.returncode != 0:
            raise BuildError(f"{tool} failed with status {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC", "LC_ALL": "C", "HOME": "/nonexistent"}
