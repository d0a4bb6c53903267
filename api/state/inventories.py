"""The inventory file of this host, and its comparison with those of the other API hosts: the files may differ.

Each host writes a summary of its inventory to Redis when the file has changed, and a sign of life. A machine of which
another host's entry is not the same is withheld: what one host calls approved may be in service by the other. A host
without a sign of life for `SILENT_S` does not count any more.
"""

import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from api.blocking import in_a_thread
from api.state.batch import Asked, Batch
from api.state.inventory_cache import IN_MAINTENANCE, IN_SERVICE, OTHER, Entries, InventoryRead
from api.state.inventory_feed import InventoryFeed
from api.state.inventory_file import InventoryFile
from api.state.redis import Database, Pipeline
from bringup import errors, files, keys, log, outages
from bringup.inventory import Inventory
from bringup.settings import Settings

# In STATE_DIR.
ID_FILE = "api-host"
CACHE_FILE = "inventory.cache"
# Well below SILENT_S: a host that misses a few of these is not silent.
BEAT_EVERY_S = 15.0
# The restart or the update of a host takes minutes. A host that is gone for good must not withhold machines for ever.
SILENT_S = 900.0
# Seconds: a summary in Redis outlives its host by a day, in which a person may ask which host that was.
_FORGET_S = 86_400
_REASONS = {
    IN_SERVICE: "the machine is in service",
    IN_MAINTENANCE: "the machine is in maintenance",
    OTHER: "the machine has another entry",
}


class ApiHost(BaseModel):
    """What one API host publishes of its inventory; ``seen_at``: seconds since the epoch, by Redis's clock."""

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

    def names(self) -> set[str]:
        """The machines of which the entries differ."""
        return {name for _, entries in self.others for name, _ in entries.items() ^ self.own.items()}

    def withheld(self, device: str) -> str | None:
        """Why this machine must not be touched; None: all hosts have the same entry of it."""
        return next(self._reasons(device), None)

    def _reasons(self, device: str) -> Iterator[str]:
        for host, entries in self.others:
            theirs = entries.get(device)
            if theirs != self.own.get(device):
                reason = _REASONS.get(theirs[0], _REASONS[OTHER]) if theirs else "the machine is not on record"
                yield f"API hosts have different inventories: by that of {host} {reason}"


class InventoryHosts:
    """Publishes our inventory, and compares it with those of other hosts.

    Args:
        feed: gets what an edit has changed.
        first: what was read of our inventory file already; None: nothing.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        feed: InventoryFeed | None = None,
        first: InventoryRead | None = None,
    ) -> None:
        self._database = database
        self._feed = feed
        self.own_file = InventoryFile(settings.devices_file, settings.state_dir / CACHE_FILE, first)
        self._name = f"{socket.gethostname()}:{settings.callback_api_port}"
        self._id_path = settings.state_dir / ID_FILE
        self._read_before: dict[str, tuple[str, Entries]] = {}  # of a host: its digest and entries
        self._alarm = outages.Alarm(
            "api",
            "API hosts have different inventories: a machine whose entries differ is withheld",
            "all API hosts have the same inventory again",
            this_host=self._name,
            hint="copy one DEVICES_FILE to all API hosts",
        )

    def differences(self) -> Differences:
        """Where other hosts have another inventory now; publishes ours, and that this host lives.

        Raises:
            RedisUnavailable: it does not answer.
            InventoryError: our own file is wrong.
        """
        batch = Batch()
        differences = self.ask(batch)
        self._database.read(batch)
        return differences()

    def ask(self, batch: Batch) -> Asked[Differences]:
        """The same, read with other things."""
        own = self.own_file.current()
        now, hosts = self._database.clock.ask(batch), batch.ask(_hosts, "HGETALL", keys.INVENTORY_HOSTS)
        return lambda: self._compared(own, now().timestamp(), hosts())

    def _compared(self, own: InventoryRead, now: float, hosts: dict[str, ApiHost]) -> Differences:
        entries, digest = own.entries, own.digest
        own_id = f"{_host_id(self._id_path)}:{self._name}"
        self._publish(own_id, hosts.pop(own_id, None), own, now)
        differing = {i: h for i, h in hosts.items() if now - h.seen_at <= SILENT_S and h.digest != digest}
        if differing:
            self._alarm.report(f"not the same: {', '.join(sorted(host.name for host in differing.values()))}")
        else:
            self._alarm.clear()
        return Differences(entries, tuple((host.name, self._entries(i, host)) for i, host in differing.items()))

    def digest(self) -> str:
        """Of all that our inventory holds of machines. Raises InventoryError."""
        return self.own_file.current().digest

    def own_with_digest(self) -> tuple[Inventory, str]:
        """Our inventory, and the digest of this very content. Raises InventoryError."""
        own = self.own_file.current()
        return own.inventory, own.digest

    def keep_comparing(self, also: Callable[[], object]) -> None:
        """Publish our inventory and compare it, for ever, also while nobody calls the API: for a thread of its own.

        Args:
            also: is called as often, such as a look for what Redis has lost.
        """
        while True:
            try:
                self.differences()
                also()
            except errors.BringupError as error:
                # Redis is away, or our file is wrong: every call of the API reports it, too.
                log.get("api").debug("the inventories of the API hosts were not compared", why=str(error))
            except Exception as error:  # noqa: BLE001 - what others wrote to Redis must not end the look for ever
                why = f"{type(error).__name__}: {error}"
                log.get("api").error("the inventories of the API hosts were not compared", why=why)
            time.sleep(BEAT_EVERY_S)

    def _publish(self, own_id: str, published: ApiHost | None, own: InventoryRead, now: float) -> None:
        """Write our summary, unless Redis has it: another process of this host may have written an older one last."""
        entries, digest = own.entries, own.digest
        is_current = published is not None and published.digest == digest
        if is_current and published and now - published.seen_at < BEAT_EVERY_S:
            return

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            if not is_current:
                pipe.set(keys.inventory_of(own_id), json.dumps([digest, entries]))
            pipe.expire(keys.inventory_of(own_id), _FORGET_S)
            pipe.hset(
                keys.INVENTORY_HOSTS, own_id, ApiHost(name=self._name, digest=digest, seen_at=now).model_dump_json()
            )

        # A host that cannot write permits nothing, and may still read.
        with suppress(errors.RedisUnavailable, errors.PermanentError):
            # First: what is in the feed already is not added again, what is published here is not looked at again.
            if self._feed and not is_current:
                states = {name: entry.state.value for name, entry in own.inventory.by_name.items()}
                self._feed.publish(digest, entries, states)
            # One transaction: a sign of life beside an older summary would release machines that differ.
            self._database.transact(write)

    def _entries(self, host_id: str, host: ApiHost) -> Entries:
        """Read only when they have changed: those of 10,000 devices are 300 kB. None in Redis: nothing is on record."""
        known = self._read_before.get(host_id)
        if known is None or known[0] != host.digest:
            stored = self._database.string(keys.inventory_of(host_id))
            known = self._read_before[host_id] = tuple(json.loads(stored)) if stored else (host.digest, {})
        return known[1]


def _hosts(stored: dict[bytes, bytes]) -> dict[str, ApiHost]:
    return {name.decode(errors="replace"): host for name, text in stored.items() if (host := _readable(text))}


def _readable(stored: bytes) -> ApiHost | None:
    try:
        return ApiHost.model_validate_json(stored)
    except ValidationError:
        return None


def _host_id(path: Path) -> str:
    """Of this host, for two hosts may have one name. All its processes share the file; the first one makes it.

    Lost in a power failure, the host would be another one, and the inventory that it has published before would
    withhold its own machines.
    """
    with suppress(OSError):
        if not path.exists():
            with suppress(FileExistsError):  # by another process, at the same moment
                in_a_thread(partial(files.write_atomically, path, secrets.token_hex(4), replace=False))
        return path.read_text(encoding="ascii")
    return ""  # the name must do
