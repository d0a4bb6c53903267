"""Runs and devices as Redis and the inventory have them now.

A record may have been written by a newer version: what we cannot read of it is skipped, and hides nothing else.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from api.runs.records import DeviceRecord, KnownDevice, RunRecord, recorded_state
from api.state import inventories, timelines
from api.state.batch import Asked, Batch, stored_bytes
from api.state.installation import Installation
from api.state.redis import Database, Pipeline
from api.state.stored import read_line, read_record, unless_corrupt
from bringup import identity, keys, model
from bringup.inventory import Inventory
from bringup.wire.machine import Artifact
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

Withheld = Callable[[str], str | None]
# What was not read withholds: a change that forgets to ask gets no permit, instead of one that rests on nothing.
_NOT_READ = "whether the machine must be withheld was not read"


class RunHistory(NamedTuple):
    """A run, its device, what happened in it, oldest first, and what its machine has left."""

    run: RunRecord
    device: KnownDevice | None
    timeline: tuple[TimelineEntry, ...]
    artifacts: tuple[Artifact, ...]


class Reader:
    """Reads runs and devices.

    Args:
        hosts: whether the API hosts agree about a device.
        installation: whether Redis has lost data.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database, hosts: inventories.InventoryHosts, installation: Installation) -> None:
        self._database = database
        self._hosts = hosts
        self._installation = installation

    def now(self) -> datetime:
        """The time by Redis's clock, by which everything is dated and scheduled."""
        return self._database.now()

    def inventory(self) -> Inventory:
        """The inventory as the file has it now. Raises InventoryError."""
        return self._hosts.own_file.inventory()

    def run(self, run_id: str) -> RunRecord | None:
        """The run, if it is known."""
        return read_record(RunRecord, self._database.stored_fields(keys.run(run_id)))

    def confirmed_run(self, run_id: str) -> RunRecord | None:
        """The same, when no failover can take it back: with Redis Sentinel, when the replicas have it.

        Raises:
            NotReplicated: they do not have it in time.
        """

        def look(pipe: Pipeline) -> RunRecord | None:
            batch = Batch()
            run = self.ask_run(batch, run_id)
            self._database.read_watched(pipe, batch, keys.run(run_id))
            pipe.multi()
            return run()

        # A transaction, because with Sentinel it returns only when the replicas have what it has read.
        return self._database.transact(look)

    def device(self, name: str) -> KnownDevice | None:
        """The device, if the inventory or a lease has named it."""
        batch = Batch()
        device = self.ask_device(batch, name)
        self._database.read(batch)
        return device()

    def ask_run(self, batch: Batch, run_id: str) -> Asked[RunRecord | None]:
        """The run, read with other things."""
        return batch.ask(partial(read_record, RunRecord), "HGETALL", keys.run(run_id))

    def ask_readable_run(self, batch: Batch, run_id: str) -> Asked[RunRecord | None]:
        """The same; None where it cannot be read: it does not hide the others."""
        run = self.ask_run(batch, run_id)

        def read(_run_id: str) -> RunRecord | None:
            with self._database.errors():
                return run()

        return lambda: unless_corrupt(read)(run_id)

    def ask_device(self, batch: Batch, name: str) -> Asked[KnownDevice | None]:
        """The device, read with other things."""
        withheld, record = self.ask_withheld(batch), self.ask_device_record(batch, name)
        return lambda: self._device(name, record(), withheld())

    def ask_device_record(self, batch: Batch, name: str) -> Asked[DeviceRecord | None]:
        """What is on record of the device, read with other things."""
        return batch.ask(partial(read_record, DeviceRecord), "HGETALL", keys.device(name))

    def if_seen_as(self, device: KnownDevice | None, uuid: str | None) -> KnownDevice | None:
        """The device, if it is still on its record that a machine with this UUID was seen as it first."""
        known = device.record.identity if device else None
        return device if known and identity.uuid_key(known.uuid) == identity.uuid_key(uuid) else None

    def runs(self, run_ids: Iterable[str]) -> list[RunRecord]:
        """The runs of these ids that are known; one that cannot be read does not hide the others."""
        batch = Batch()
        asked = [self.ask_readable_run(batch, run_id) for run_id in run_ids]
        self._database.read(batch)
        return [run for read in asked if (run := read())]

    def devices(self, names: Iterable[str], withheld: Withheld | None = None) -> list[KnownDevice]:
        """The devices of these names that are known, by name; one that cannot be read does not hide the others.

        Args:
            names: of the devices.
            withheld: why a machine must not be touched, by its name; None: it is read first.
        """
        withheld, batch = withheld or self.withheld(), Batch()
        records = {name: self.ask_device_record(batch, name) for name in sorted(names)}
        self._database.read(batch)
        device = unless_corrupt(lambda name: self._device(name, records[name](), withheld))
        return [found for found in map(device, records) if found]

    def open_runs(self) -> list[str]:
        """The ids of all runs that are not closed."""
        return sorted(self._database.members(keys.OPEN_RUNS))

    def run_with_history(self, run_id: str) -> RunHistory | None:
        """The run, its device and its history, if it is known."""
        return self._history(run_id, self.device_name_of(run_id))

    def history_of(self, run: RunRecord, device: KnownDevice) -> RunHistory:
        """What happened in a run that was just read or written, with its device."""
        batch = Batch()
        history = timelines.ask_history(batch, run.run_id, run)
        self._database.read(batch)
        return RunHistory(run, device, *history())

    def _history(self, run_id: str, device_name: str) -> RunHistory | None:
        batch = Batch()
        ask_run, record = self.ask_run(batch, run_id), self.ask_device_record(batch, device_name)
        history = timelines.ask_history(batch, run_id)
        self._database.read(batch)
        run = ask_run()
        # The inventory has the machine under another name now than when the run began.
        if run and run.device != device_name:
            return self._history(run_id, run.device)
        device = self._device(device_name, record(), self.not_read)
        return RunHistory(run, device, *history()) if run else None

    def device_changes(self, name: str) -> list[DeviceEvent]:
        """What people changed of a device, oldest first."""
        batch = Batch()
        lines = timelines.ask_stream(batch, keys.device_events(name))
        self._database.read(batch)
        return [event for line in lines() if (event := read_line(DeviceEvent, name, line))]

    def runs_of(self, device: str, count: int) -> list[RunRecord]:
        """The newest runs of a device, newest first."""
        return self.runs(self._database.newest(keys.device_runs(device), count))

    def report(self, run_id: str) -> bytes | None:
        """The stored report, as JSON. Raises CorruptRecord."""
        batch = Batch()
        packed, plain = (batch.ask(stored_bytes, "GET", key(run_id)) for key in (keys.packed_report, keys.report))
        self._database.read(batch)
        stored = packed()
        return plain() if stored is None else timelines.unpack(stored)

    def withheld(self) -> Withheld:
        """Why a machine must not be touched now, by its name."""
        batch = Batch()
        withheld = self.ask_withheld(batch)
        self._database.read(batch)
        return withheld()

    def ask_withheld(self, batch: Batch) -> Asked[Withheld]:
        """The same, read with other things."""
        installation = self._installation.ask(batch)
        return self.withheld_with(lambda: installation().withheld, batch)

    def withheld_with(self, lost: Asked[str | None], batch: Batch) -> Asked[Withheld]:
        """The same, where what Redis has lost is asked for already.

        Args:
            lost: what it has lost; None: nothing.
            batch: with which the inventories of other hosts are read.
        """
        hosts = self._hosts.ask(batch)

        def withheld() -> Withheld:
            everything, differences = lost(), hosts()
            return lambda name: everything or differences.withheld(name)

        return withheld

    @staticmethod
    def not_read(_name: str) -> str | None:
        """For what writes to no BMC and starts nothing: the device counts as withheld."""
        return _NOT_READ

    def _device(self, name: str, record: DeviceRecord | None, withheld: Withheld) -> KnownDevice | None:
        entry = self.inventory().by_name.get(name)
        if record is None:
            return self._new_device(name, withheld) if entry else None
        state = recorded_state(record.state, entry.state if entry else None, unapproved=record.unapproved)
        if state is not record.state:
            record = record.model_copy(update={"state": state})
        return KnownDevice(record, entry, withheld(name))

    def known_device(self, name: str, record: DeviceRecord | None, withheld: Withheld) -> KnownDevice:
        """The device with both of its sides; a new one, if neither the inventory nor a lease has named it.

        Args:
            name: of the device.
            record: what is on record of it.
            withheld: why a machine must not be touched, by its name.
        """
        return self._device(name, record, withheld) or self._new_device(name, withheld)

    def device_name_of(self, run_id: str) -> str:
        """The device of a run by its id, as far as the inventory knows it now: the record of the run counts."""
        mac = run_id.rpartition("-")[0]
        device = self.inventory().device_of(mac.replace("-", ":"))
        return device.name if device else mac

    def _new_device(self, name: str, withheld: Withheld) -> KnownDevice:
        entry = self.inventory().by_name.get(name)
        state = entry.state if entry else model.DeviceState.DISCOVERED
        return KnownDevice(DeviceRecord(name=name, state=state), entry, withheld(name))
