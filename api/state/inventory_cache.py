"""A large inventory file, read by a process of its own: `python -m api.state.inventory_cache FILE CACHE`.

To parse 10,000 entries takes over a second of processor time, for which no request may wait, and which each process of
the API would spend. What that process has found is in CACHE, in STATE_DIR, for all of them: a line of JSON about the
file, and a line for each entry.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from bringup import __version__, errors, files, model
from bringup.inventory import Device, Inventory

# One letter before the digest of an entry, so that another host can name the reason without the entry.
IN_SERVICE, IN_MAINTENANCE, OTHER = "s", "m", "o"
Entries = dict[str, str]  # device name -> its state (one letter) and a digest of its entry
# Seconds: 100,000 entries take 20 on a slow machine. Then the file is read by the process that waits.
_LONGEST_S = 120.0
# Seconds until a file that was wrong is read again although it has not changed: what made it so may have been the host.
RETRY_S = 30.0
# Seconds between two looks whether another process has read the file.
_POLL_S = 0.05
# Entries that are made before others get their turn: about three milliseconds.
_AT_ONCE = 50
# The API's requests come first.
_NICE = 10


class InventoryRead(NamedTuple):
    """What was read of the inventory file.

    Args:
        signature: of the file; None: there was none.
        inventory: what it holds.
        entries: a summary of each device's entry, by name.
        digest: of all entries.
    """

    signature: files.Signature | None
    inventory: Inventory
    entries: Entries
    digest: str

    @classmethod
    def of(cls, signature: files.Signature | None, inventory: Inventory) -> "InventoryRead":
        """With its summaries, which are computed."""
        entries = {name: _summary(device) for name, device in sorted(inventory.by_name.items())}
        return cls(signature, inventory, entries, _digest(entries))


class _Head(BaseModel):
    """The first line of the cache.

    Args:
        at: when it was written, by this host's clock, in seconds since 1970.
        digest: of the lines behind it. A machine that is missing there would be another than it is. One process may
            replace the cache by what another still writes, where the API was killed while the other read the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    signature: tuple[int, ...]
    at: float
    digest: str
    problems: tuple[str, ...] = ()
    boot_groups: dict[str, int] = {}


def read_directly(path: Path) -> InventoryRead:
    """What the file holds, read by this process. Raises InventoryError."""
    # Before the file is read: a change in between leaves another signature, and is read by the next call.
    signature = files.signature(path)
    return InventoryRead.of(signature, Inventory.read(path))


def read_by_another(path: Path, cache: Path, signature: files.Signature) -> InventoryRead | None:
    """What the file holds, read by a process of its own, once for all processes of this host.

    Args:
        path: of the inventory file.
        cache: what was read is kept there.
        signature: of the file now.

    Returns:
        None: the file has changed meanwhile, or that process could not do it.

    Raises:
        InventoryError: the file is wrong.
        OSError: the cache cannot be written.
    """
    with _turn(cache):
        found = _cached(cache, signature)
        if found is None and _run(path, cache):
            found = _cached(cache, signature)
    return _made(signature, *found) if found else None


def main(path: Path, cache: Path) -> None:
    """Read the file, and write what it holds."""
    os.nice(_NICE)
    signature = files.signature(path)
    problems: tuple[str, ...] = ()
    try:
        inventory = Inventory.read(path)
    except errors.InventoryError as error:
        inventory, problems = Inventory(), tuple(error.problems)
    devices = sorted(inventory.by_name.items())
    lines = [f"{_summary(device)} {device.model_dump_json(exclude_defaults=True)}".encode() for _, device in devices]
    head = _Head(
        version=__version__,
        signature=signature or (),
        at=time.time(),
        digest=_digest_of(lines),
        problems=problems,
        boot_groups=dict(inventory.boot_groups),
    )
    files.write_atomically(cache, b"\n".join([head.model_dump_json().encode(), *lines]), sole_writer=True)


@contextlib.contextmanager
def _turn(cache: Path) -> Iterator[None]:
    """Without it each process of the API would start one that reads the same file."""
    with cache.with_name(f"{cache.name}.lock").open("a") as lock:
        while True:
            try:
                # Not blocking: other requests of this process go on while it sleeps.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_POLL_S)
        yield


def _run(path: Path, cache: Path) -> bool:
    """Whether it has ended well. It gets no setting, for it needs none; nor is a module of its folder imported."""
    found = {name: value for name in ("PATH", "LANG", "LC_ALL") if (value := os.environ.get(name)) is not None}
    environ = found | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-m", __name__, str(path.absolute()), str(cache.absolute())]
    try:
        done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, timeout=_LONGEST_S, check=False)  # noqa: S603 - our own program, no shell
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _cached(cache: Path, signature: files.Signature) -> tuple[_Head, list[bytes]] | None:
    """What was read of the file as it is now, by this version."""
    try:
        first, *lines = cache.read_bytes().split(b"\n")
        head = _Head.model_validate_json(first)
    except (OSError, ValueError):
        return None
    if head.version != __version__ or head.signature != tuple(signature) or head.digest != _digest_of(lines):
        return None
    # What made it wrong may have passed without a change of the file.
    if head.problems and not 0 <= time.time() - head.at < RETRY_S:
        return None
    return head, lines


def _made(signature: files.Signature, head: _Head, lines: list[bytes]) -> InventoryRead | None:
    """The inventory of these lines; others get their turn meanwhile. Raises InventoryError: the file is wrong."""
    if head.problems:
        raise errors.InventoryError(head.problems)
    entries: Entries = {}
    try:
        inventory = Inventory.of_checked(_devices(lines, entries), head.boot_groups)
    except ValueError:
        return None  # the cache is damaged
    return InventoryRead(signature, inventory, entries, _digest(entries))


def _devices(lines: list[bytes], entries: Entries) -> Iterator[Device]:
    for number, line in enumerate(lines):
        summary, _, text = line.partition(b" ")
        device = Device.model_validate_json(text)
        entries[device.name] = summary.decode()
        yield device
        if number % _AT_ONCE == 0:
            time.sleep(0)


def _digest(entries: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _digest_of(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _summary(device: Device) -> str:
    """Its state, and 64 bits of a digest of all that is on record of it."""
    state = IN_SERVICE if device.state is model.DeviceState.ACTIVE else OTHER
    digest = hashlib.sha256(device.model_dump_json().encode()).hexdigest()[:16]
    return (IN_MAINTENANCE if device.maintenance else state) + digest


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except OSError as failure:
        sys.exit(f"{sys.argv[2]} cannot be written ({failure.strerror}): the API reads DEVICES_FILE itself")
