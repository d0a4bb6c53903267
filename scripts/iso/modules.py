"""Chooses the kernel modules of the image, with all that they depend on."""

import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from scripts.iso.debian import BuildError, Packages

LISTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")  # what depmod reads beside the modules


def copy_modules(packages: Packages, patterns: list[str], target: Path) -> int:
    """Copies modules into the image's root and indexes them; returns how many.

    Args:
        packages: hold the kernel.
        patterns: of module paths below kernel/, as scripts/iso/modules lists them.
        target: the image's root.

    Raises:
        BuildError: a pattern fits no module of this kernel.
    """
    version = packages.kernel
    source = packages.root / "usr/lib/modules" / version
    _depmod(packages, packages.root, version)
    depends = _table((source / "modules.dep").read_text())
    softly = _soft((source / "modules.softdep").read_text(), depends)
    chosen = closure(
        select(patterns, depends), depends | {name: depends[name] + softly.get(name, []) for name in depends}
    )
    for name in [*chosen, *LISTS]:
        place = target / "usr/lib/modules" / version / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, place)
    _depmod(packages, target, version)
    return len(chosen)


def select(patterns: list[str], modules: Iterable[str]) -> set[str]:
    """The modules whose path below kernel/ fits a pattern.

    Raises:
        BuildError: a pattern fits none.
    """
    names = list(modules)
    chosen: set[str] = set()
    for pattern in patterns:
        fitting = {name for name in names if fnmatchcase(name, f"kernel/{pattern}")}
        if not fitting:
            raise BuildError(f"no module of this kernel is named {pattern}: correct scripts/iso/modules")
        chosen |= fitting
    return chosen


def closure(chosen: set[str], depends: dict[str, list[str]]) -> list[str]:
    """The modules with all that they depend on, sorted."""
    found: set[str] = set()
    waiting = list(chosen)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += depends[name]
    return sorted(found)


def _depmod(packages: Packages, root: Path, version: str) -> None:
    packages.run("usr/bin/kmod", "-b", root, version, called="depmod")


def _table(text: str) -> dict[str, list[str]]:
    """modules.dep: ``kernel/a.ko: kernel/b.ko kernel/c.ko``."""
    lines = (line.partition(":") for line in text.splitlines())
    return {name: rest.split() for name, _, rest in lines}


def _soft(text: str, depends: dict[str, list[str]]) -> dict[str, list[str]]:
    """modules.softdep: ``softdep a pre: b c``, by names that may be built into the kernel."""
    paths = {Path(path).stem.replace("-", "_"): path for path in depends}
    found = {}
    for words in (line.split() for line in text.splitlines() if line.startswith("softdep ")):
        named = [paths[word.replace("-", "_")] for word in words[2:] if word.replace("-", "_") in paths]
        if words[1].replace("-", "_") in paths:
            found[paths[words[1].replace("-", "_")]] = named
    return found
