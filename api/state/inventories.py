"""The inventory file of this host, and its comparison with those of the other API hosts: the files may differ.

Each host writes a summary of its inventory to Redis when the file has changed, and a sign of life. A machine of which
another host's entry is not the same is withheld: what one host calls approved may be in service by the other. A host
without a sign of life for `SILENT_S` does not count any more.
"""

import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, ConfigDict, ValidationError

from api.state.redis import Database, Pipeline
from bringup import keys, log
from bringup.errors import BringupError, InventoryError, PermanentError, RedisUnavailable
from bringup.inventory import Device, Inventory
from bringup.model import DeviceState
from bringup.settings import Settings

ID_FILE = "api-host"
BEAT_EVERY_S = 15.0
# The restart or the update of a host takes minutes. A host that is gone for good must not withhold machines for ever.
SILENT_S = 900.0
_FORGET_S = 86_400  # later than anybody would ask which host that was
_IN_SERVICE, _IN_MAINTENANCE, _OTHER = "s", "m", "o"
_REASONS = {
    _IN_SERVICE: "the machine is in service",
    _IN_MAINTENANCE: "the machine is in maintenance",
    _OTHER: "the machine has another entry",
}
_Signature = tuple[int, int, int]
Entries = dict[str, str]  # device name -> its state (one letter) and a digest of its entry


class InventoryFile:
    """The devices of ``path``, as the file has them at every call.

    A file that has become wrong stops new decisions (503, retried by the workers) instead of being replaced by
    what it said before: it may have been edited to protect a machine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._signature: _Signature | None = None
        self._inventory = Inventory()

    def current(self) -> Inventory:
        """The inventory. Raises InventoryError when the file is missing or wrong."""
        signature = self._stat()
        with self._lock:
            if signature != self._signature:
                self._inventory = Inventory.read(self._path)
                self._signature = signature
            return self._inventory

    def _stat(self) -> _Signature:
        try:
            status = self._path.stat()
        except OSError as error:
            raise InventoryError([f"{self._path}: {error.strerror}; create it or set DEVICES_FILE"]) from None
        return (status.st_ino, status.st_size, status.st_mtime_ns)


class Host(BaseModel):
    """What one API host says of its inventory; ``seen_at``: seconds since the epoch, by Redis's clock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    digest: str
    seen_at: float


@dataclass(frozen=True)
class Differences:
    """Where the inventories of other hosts differ from ours.

    Args:
        own: the entries of our file.
        others: of each host that differs, its name and entries.
    """

    own: Entries
    others: tuple[tuple[str, Entries], ...] = ()

    def withheld(self, device: str) -> str | None:
        """Why this machine must not be touched; None: all hosts have the same entry of it."""
        return next(self._reasons(device), None)

    def _reasons(self, device: str) -> Iterator[str]:
        for host, entries in self.others:
            theirs = entries.get(device)
            if theirs != self.own.get(device):
                reason = _REASONS.get(theirs[0], _REASONS[_OTHER]) if theirs else "the machine is not on record"
                yield f"API hosts have different inventories: by that of {host} {reason}"


class InventoryHosts:
    """Publishes our inventory, and compares it with those of other hosts.

    Args:
        inventory: our own.
    """

    def __init__(self, database: Database, inventory: InventoryFile, settings: Settings) -> None:
        self._database = database
        self.own_file = inventory
        self._name = f"{socket.gethostname()}:{settings.callback_api_port}"
        self._id_path = settings.state_dir / ID_FILE
        self._digested: tuple[Inventory, Entries, str] | None = None
        self._read_before: dict[str, tuple[str, Entries]] = {}  # of a host: its digest and entries
        self._logged: frozenset[str] = frozenset()

    def differences(self) -> Differences:
        """As it is now. Raises RedisUnavailable, and InventoryError when our own file is wrong."""
        entries, digest = self._own()
        own_id = f"{_host_id(self._id_path)}:{self._name}"
        now, hosts = self._hosts()
        self._publish(own_id, hosts.pop(own_id, None), entries, digest, now)
        differing = {i: h for i, h in hosts.items() if now - h.seen_at <= SILENT_S and h.digest != digest}
        self._log(frozenset(host.name for host in differing.values()))
        return Differences(entries, tuple((host.name, self._entries(i, host)) for i, host in differing.items()))

    def keep_comparing(self) -> None:
        """Publish our inventory and compare it, for ever, also while nobody calls the API: for a thread of its own."""
        while True:
            try:
                self.differences()
            except BringupError as error:  # Redis is away, or our file is wrong: every call of the API reports it, too
                log.get("api").debug("the inventories of the API hosts were not compared", why=str(error))
            time.sleep(BEAT_EVERY_S)

    def _own(self) -> tuple[Entries, str]:
        inventory = self.own_file.current()
        if self._digested is None or self._digested[0] is not inventory:
            entries = {name: _summary(device) for name, device in sorted(inventory.by_name.items())}
            self._digested = (inventory, entries, hashlib.sha256(json.dumps(entries).encode()).hexdigest())
        return self._digested[1:]

    def _hosts(self) -> tuple[float, dict[str, Host]]:
        with self._database.errors():
            pipe = self._database.connection.pipeline(transaction=False)
            pipe.time()
            pipe.hgetall(keys.INVENTORY_HOSTS)
            (seconds, microseconds), stored = pipe.execute()
        hosts = {name.decode(): host for name, text in stored.items() if (host := _readable(text))}
        return seconds + microseconds / 1e6, hosts

    def _publish(self, own_id: str, published: Host | None, entries: Entries, digest: str, now: float) -> None:
        """What is there decides, not what we remember: another process of this host may have been late."""
        is_current = published is not None and published.digest == digest
        if is_current and published and now - published.seen_at < BEAT_EVERY_S:
            return

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            if not is_current:
                pipe.set(keys.inventory_of(own_id), json.dumps([digest, entries]))
            pipe.expire(keys.inventory_of(own_id), _FORGET_S)
            pipe.hset(keys.INVENTORY_HOSTS, own_id, Host(name=self._name, digest=digest, seen_at=now).model_dump_json())

        with suppress(RedisUnavailable, PermanentError):  # a host that cannot write permits nothing, and may still read
            self._database.transact(write)

    def _entries(self, host_id: str, host: Host) -> Entries:
        """Read only when they have changed: those of 10,000 devices are 300 kB. None there: nothing is on record."""
        known = self._read_before.get(host_id)
        if known is None or known[0] != host.digest:
            stored = self._database.string(keys.inventory_of(host_id))
            known = self._read_before[host_id] = tuple(json.loads(stored)) if stored else (host.digest, {})
        return known[1]

    def _log(self, differing: frozenset[str]) -> None:
        """Once when it begins, and once when it is over."""
        if differing - self._logged:
            log.get("api").error(
                "API hosts have different inventories: a machine whose entries differ is withheld",
                this_host=self._name,
                others=sorted(differing),
                fix="copy one DEVICES_FILE to all API hosts",
            )
        elif self._logged and not differing:
            log.get("api").info("all API hosts have the same inventory again")
        self._logged = differing


def _summary(device: Device) -> str:
    """Its state, and 64 bits of a digest of all that is on record of it."""
    state = _IN_SERVICE if device.state is DeviceState.ACTIVE else _OTHER
    digest = hashlib.sha256(device.model_dump_json().encode()).hexdigest()[:16]
    return (_IN_MAINTENANCE if device.maintenance else state) + digest


def _readable(stored: bytes) -> Host | None:
    try:
        return Host.model_validate_json(stored)
    except ValidationError:
        return None


def _host_id(path: Path) -> str:
    """Of this host, for two hosts may have one name. All its processes share the file; the first one makes it."""
    with suppress(OSError):
        if not path.exists():
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            fresh.write_text(secrets.token_hex(4), encoding="ascii")
            with suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        return path.read_text(encoding="ascii")
    return ""  # the name must do
