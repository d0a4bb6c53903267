"""The shared libraries that the image's programs need, as the packages' own loader lists them. Source: ld.so(8).

The loader maps each file and runs no code of it. It is Debian's loader for x86-64, which the builder runs anyway: every
tool that it uses is started by it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.iso.debian import LIBRARIES, BuildError, Packages


def libraries(packages: Packages, programs: Iterable[Path]) -> list[Path]:
    """All libraries that these programs need, and those that the libraries need, sorted; the loader is one of them.

    Args:
        packages: hold the libraries.
        programs: files of any kind; what is no dynamic ELF file needs nothing.

    Raises:
        BuildError: no package holds one of them.
    """
    return sorted(
        {path for program in programs if _is_dynamic(packages, program) for path in _listed(packages, program)}
    )


def _is_dynamic(packages: Packages, path: Path) -> bool:
    """Whether the loader can load it. Asked first: the loader crashes on a static program."""
    with path.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return False
    return packages.load("--verify", path).returncode in (0, 2)  # 2: a library, which names no loader


def _listed(packages: Packages, program: Path) -> Iterator[Path]:
    """Lines like ``libc.so.6 => /PATH/libc.so.6 (0x00007f...)``; the kernel's own linux-vdso has no path."""
    listed = packages.load("--list", program)
    if listed.returncode != 0:
        raise BuildError(f"the libraries of {program.name} cannot be listed: {listed.stderr.strip()[-2000:]}")
    for line in listed.stdout.splitlines():
        name, _, place = line.strip().partition(" => ")
        path = Path((place or name).partition(" (")[0])
        # The loader falls back to the folders of this host: such a library would be missing on the machine.
        if place and path.parent != packages.root / LIBRARIES:
            raise BuildError(
                f"{program.name} needs {name}, which no package of scripts/iso/packages holds: add it there"
            )
        if path.is_absolute():
            yield path
