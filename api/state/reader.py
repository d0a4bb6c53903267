"""Runs and devices as Redis and the inventory have them now.

A record may have been written by a newer version: what we cannot read of it is skipped, and hides nothing else.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from api.runs.records import DeviceRecord, KnownDevice, RunRecord, StoredRecord, recorded_state
from api.state import inventories
from api.state.installation import Installation
from api.state.redis import Database, Pipeline
from bringup import errors, identity, keys, log
from bringup.inventory import Inventory
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

_Record = TypeVar("_Record", bound=StoredRecord)
_Found = TypeVar("_Found", RunRecord, KnownDevice)
_Line = TypeVar("_Line", TimelineEntry, DeviceEvent)
Withheld = Callable[[str], str | None]
# Every counter by its name, with "" for an end without a reason: to look for keys by pattern would walk all of them.
_REASONS = ("", *(reason.value for reason in FailureReason))
_WAYS_TO_END = [(state.value, reason) for state in RunState if state.ended for reason in _REASONS]


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
        return self._hosts.own_file.current()

    def run(self, run_id: str) -> RunRecord | None:
        """The run, if it is known."""
        return self._stored_run(run_id)

    def confirmed_run(self, run_id: str) -> RunRecord | None:
        """The same, when no failover can take it back: with Redis Sentinel, when the replicas have it.

        Raises:
            NotReplicated: they do not have it in time.
        """

        def look(pipe: Pipeline) -> RunRecord | None:
            run = self._stored_run(run_id, pipe)
            pipe.multi()
            return run

        # A transaction, because with Sentinel it returns only when the replicas have what it has read.
        return self._database.transact(look, keys.run(run_id))

    def device(self, name: str) -> KnownDevice | None:
        """The device, if the inventory or a lease has named it."""
        withheld = self.withheld()
        return self._device(name, self._stored_device(name), withheld)

    def device_seen_as(self, uuid: str | None) -> KnownDevice | None:
        """The device as which a machine with this UUID was seen first, if that is still on its record."""
        key = identity.uuid_key(uuid)
        name = self._database.string(keys.machine(key)) if key else None
        device = self.device(name.decode()) if name else None
        known = device.record.identity if device else None
        return device if known and identity.uuid_key(known.uuid) == key else None

    def runs(self, run_ids: Iterable[str]) -> list[RunRecord]:
        """The runs of these ids that are known; one that cannot be read does not hide the others."""
        key_of = {run_id: keys.run(run_id) for run_id in run_ids}
        answers = self._database.hashes(list(key_of.values()))
        read = _readable(lambda run_id: _record(RunRecord, self._database.as_fields(answers[key_of[run_id]])))
        return [run for run in map(read, key_of) if run]

    def devices(self, names: Iterable[str] | None = None) -> list[KnownDevice]:
        """The devices of these names that are known, or every one; one that cannot be read does not hide the others."""
        wanted = self.device_names() if names is None else sorted(names)
        withheld, key_of = self.withheld(), {name: keys.device(name) for name in wanted}
        answers = self._database.hashes(list(key_of.values()))

        def device(name: str) -> KnownDevice | None:
            record = _record(DeviceRecord, self._database.as_fields(answers[key_of[name]]))
            return self._device(name, record, withheld)

        return [found for found in map(_readable(device), key_of) if found]

    def device_names(self) -> list[str]:
        """Every device of the inventory and every one that was seen."""
        return sorted(self._database.members(keys.DEVICES) | set(self.inventory().by_name))

    def newest_runs(self, count: int) -> list[str]:
        """The ids of the newest runs, newest first."""
        return self._database.newest(keys.RUNS, count)

    def open_runs(self) -> list[str]:
        """The ids of all runs that are not closed."""
        return sorted(self._database.members(keys.OPEN_RUNS))

    def timeline(self, run_id: str) -> list[TimelineEntry]:
        """What happened in a run, oldest first."""
        entries = self._database.stream(keys.events(run_id))
        return [entry for fields in entries if (entry := _line(TimelineEntry, run_id, fields))]

    def device_changes(self, name: str) -> list[DeviceEvent]:
        """What people changed of a device, oldest first."""
        entries = self._database.stream(keys.device_events(name))
        return [event for fields in entries if (event := _line(DeviceEvent, name, fields))]

    def runs_of(self, device: str, count: int) -> list[RunRecord]:
        """The newest runs of a device, newest first."""
        return self.runs(self._database.newest(keys.device_runs(device), count))

    def report(self, run_id: str) -> bytes | None:
        """The stored report, as JSON."""
        return self._database.string(keys.report(run_id))

    def ended_runs(self) -> Iterator[tuple[tuple[str, str], int]]:
        """State and reason ("": none) of every way in which a run has ended, and how often."""
        with self._database.errors(), self._database.connection.pipeline(transaction=False) as pipe:
            for way in _WAYS_TO_END:
                pipe.get(keys.ended_runs(*way))
            found: list[Any] = pipe.execute()
        return ((way, int(number)) for way, number in zip(_WAYS_TO_END, found, strict=True) if number)

    def withheld(self) -> Withheld:
        """Why a machine must not be touched now, by its name."""
        everything, differences = self._installation.withheld(), self._hosts.differences()
        return lambda name: everything or differences.withheld(name)

    def _stored_run(self, run_id: str, pipe: Pipeline | None = None) -> RunRecord | None:
        return _record(RunRecord, self._database.fields(keys.run(run_id), within=pipe))

    def _stored_device(self, name: str, pipe: Pipeline | None = None) -> DeviceRecord | None:
        return _record(DeviceRecord, self._database.fields(keys.device(name), within=pipe))

    def _device(self, name: str, record: DeviceRecord | None, withheld: Withheld) -> KnownDevice | None:
        entry = self.inventory().by_name.get(name)
        if record is None:
            return self._new_device(name, withheld) if entry else None
        state = recorded_state(record.state, entry.state if entry else None, unapproved=record.unapproved)
        if state is not record.state:
            record = record.model_copy(update={"state": state})
        return KnownDevice(record, entry, withheld(name))

    def _new_device(self, name: str, withheld: Withheld) -> KnownDevice:
        entry = self.inventory().by_name.get(name)
        state = entry.state if entry else DeviceState.DISCOVERED
        return KnownDevice(DeviceRecord(name=name, state=state), entry, withheld(name))


def _readable(read: Callable[[str], _Found | None]) -> Callable[[str], _Found | None]:
    def read_or_log(name: str) -> _Found | None:
        try:
            return read(name)
        except errors.CorruptRecord as error:
            log.get("api").error("a record cannot be read and is skipped", record=name, why=str(error))
            return None

    return read_or_log


def _record(model: type[_Record], fields: dict[str, bytes]) -> _Record | None:
    """The record in the fields of a hash. What a newer version added is skipped, at every depth."""
    if not fields:
        return None
    names = {field.alias or name for name, field in model.model_fields.items()}
    known = {name: value for name, value in fields.items() if name in names}
    try:
        return model.model_validate({name: json.loads(value) for name, value in known.items()}, extra="ignore")
    except ValueError as error:
        raise errors.CorruptRecord(f"a {model.__name__} in Redis cannot be read: {type(error).__name__}") from error


def _line(model: type[_Line], record: str, fields: dict[bytes, bytes]) -> _Line | None:
    try:
        return model.model_validate_json(fields.get(b"entry", b""), extra="ignore")
    except ValidationError as error:
        log.get("api").error("a line of a timeline cannot be read and is skipped", record=record, why=str(error))
        return None
