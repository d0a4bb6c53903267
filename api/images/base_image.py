"""The base image: one ISO file with one reserved area, from which the image of every run is served."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path

from api.blocking import in_a_thread
from bringup import errors, files, log, outages
from bringup.wire.machine import AREA_HEAD, AREA_SIZE

# Bytes in memory while a file is searched: VALIDATION_IMAGE may name a wrong file of any size.
_BLOCK = 1024**2
# scripts/iso/build writes this into the manifest in the image.
_SHELL = b"# with a root shell on the console"
# Seconds until a file that is no image is read again although it has not changed: it may be gigabytes.
_RETRY_S = 60.0


@dataclass(frozen=True)
class BaseImage:
    """One content of the file. Its descriptor stays open: a file put in its place later changes nothing here.

    Args:
        size, area_at: in bytes.
        digest: hex SHA-256 of all of it.
        has_shell: it was built with --debug-shell.
    """

    file: FileIO
    size: int
    area_at: int
    digest: str
    signature: files.Signature
    has_shell: bool = False

    def read(self, start: int, count: int) -> bytes:
        """Bytes of the file as it is on disk; fewer than ``count`` at its end.

        Raises:
            OSError: it was overwritten since it was searched: this is not the rest of what was served until now.
        """
        found = os.pread(self.file.fileno(), count, start)
        if not self.is_intact():
            raise OSError(f"{self.file.name} was overwritten while it was served")
        return found

    def is_intact(self) -> bool:
        """The file itself was not written to; a build puts a new file in its place instead."""
        return files.Signature.of(os.fstat(self.file.fileno())).content == self.signature.content


class AreaAlone:
    """The image of a simulated machine, which boots nothing: the area for its parameters, and no file."""

    size = AREA_SIZE
    area_at = 0
    digest = "simulated"

    def read(self, start: int, count: int) -> bytes:
        """As `BaseImage.read`."""
        return AREA_HEAD.ljust(AREA_SIZE)[start : start + count]

    def is_intact(self) -> bool:
        """It is."""
        return True


class BaseImageFile:
    """The file that VALIDATION_IMAGE names. A new build is noticed; one that is no image never replaces a good one.

    Raises:
        SettingsError: there is no usable image to begin with.
    """

    def __init__(self, path: Path) -> None:
        self._file = files.Reloaded(
            [path],
            # In a thread: it is gigabytes, from a disk that may be slow.
            partial(in_a_thread, partial(_opened, path)),
            alarm=outages.Alarm(
                "api", "VALIDATION_IMAGE is not usable: the one before is kept", "VALIDATION_IMAGE is usable"
            ),
            changed=_log_change,
            retry_s=_RETRY_S,
        )
        _warn_of_shell(self.current())

    def current(self) -> BaseImage:
        """The image as it is now, or the last one that was usable: also while another request searches a new one."""
        return self._file.last_good()


def _log_change(image: BaseImage) -> None:
    log.get("api").info("VALIDATION_IMAGE has changed", sha256=image.digest)
    _warn_of_shell(image)


def _warn_of_shell(image: BaseImage) -> None:
    if image.has_shell:
        log.get("api").warning(
            "VALIDATION_IMAGE was built with --debug-shell: anyone at a machine's console is root there; "
            "for a bench, never for production",
            path=str(image.file.name),
        )


def _opened(path: Path) -> BaseImage:
    try:
        file = FileIO(str(path))
    except OSError as error:
        raise _unusable(f"{path} cannot be read: {error.strerror}") from None
    signature = files.Signature.of(os.fstat(file.fileno()))
    digest, areas, shells = _search(file)
    if len(areas) != 1:
        held = f"{len(areas)} areas instead of one" if areas else "no area"
        raise _unusable(f"{path} is no validation image: it holds {held} for a run's parameters")
    if not _is_blank(os.pread(file.fileno(), AREA_SIZE, areas[0])):
        raise _unusable(f"{path} holds an area for a run's parameters that is too small or not blank")
    if files.Signature.of(os.fstat(file.fileno())).content != signature.content:
        raise _unusable(f"{path} is being written; build it elsewhere and move it here")
    return BaseImage(file, signature.size, areas[0], digest, signature, has_shell=bool(shells))


def _unusable(what: str) -> errors.SettingsError:
    return errors.SettingsError([f"VALIDATION_IMAGE: {what}; scripts/iso/build makes one"])


def _is_blank(area: bytes) -> bool:
    return len(area) == AREA_SIZE and not area.removeprefix(AREA_HEAD).strip()


def _search(file: FileIO) -> tuple[str, list[int], list[int]]:
    """The digest of all of it, and where areas and shells are."""
    digest, areas, shells = hashlib.sha256(), _Sightings(AREA_HEAD), _Sightings(_SHELL)
    while block := file.read(_BLOCK):
        digest.update(block)
        areas.look(block)
        shells.look(block)
    return digest.hexdigest(), areas.found, shells.found


class _Sightings:
    """Where a mark is in a sequence of blocks, also across two of them."""

    def __init__(self, mark: bytes) -> None:
        self.found: list[int] = []
        self._mark = mark
        self._tail = b""
        self._behind = 0  # bytes before the next block

    def look(self, block: bytes) -> None:
        window = self._tail + block
        start = self._behind - len(self._tail)
        self.found += [start + at.start() for at in re.finditer(re.escape(self._mark), window)]
        self._behind += len(block)
        self._tail = window[1 - len(self._mark) :]
