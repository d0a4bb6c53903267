"""Runs and devices: read them, and change them in one transaction together with the jobs that this calls for.

Every change watches what it was computed from (compare and set): of two at once, the second is computed anew.
Every change that counts is numbered in its transaction (`api.state.changes`).
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from api.runs.records import Change, DeviceRecord, KnownDevice, Record, RunRecord
from api.state import counters
from api.state.changes import Changes
from api.state.installation import Installation, Status
from api.state.inventory import InventoryFile
from api.state.inventory_hosts import Differences, InventoryHosts
from api.state.redis import Database, Replicas
from bringup import keys, log
from bringup.errors import CorruptRecord, InvalidTransition, NotYet
from bringup.identity import uuid_key
from bringup.inventory import Inventory
from bringup.model import DeviceState, RunState
from bringup.queues import Queues
from bringup.wire.run import TimelineEntry

if TYPE_CHECKING:
    from redis.client import Pipeline

_Record = TypeVar("_Record", bound=Record)
_Result = TypeVar("_Result")
Withheld = Callable[[str], str | None]
_Found = TypeVar("_Found", RunRecord, KnownDevice)
_Outcome = TypeVar("_Outcome", bound=Change | RunRecord | None)
_LONGEST_TIMELINE = 1000
_LOST_AGAIN_S = 30.0  # a person has to look first; each worker that waits asks as often as this
_OF_A_RUN = (
    *(keys.run, keys.events, keys.report, keys.run_token, keys.refused),
    *(keys.artifacts, keys.artifact_sizes),
)
_HOLDS_BOOT_SLOT = {RunState.BOOTING, RunState.WAITING}


class Store:
    """Raises RedisUnavailable from every method when Redis does not answer.

    Args:
        keep: how long a run stays on record after it was closed.
    """

    def __init__(
        self,
        database: Database,
        inventory: InventoryFile,
        hosts: InventoryHosts,
        installation: Installation,
        keep: timedelta,
    ) -> None:
        self._database = database
        self._inventory = inventory
        self._hosts = hosts
        self._installation = installation
        self._changes = Changes(database)
        self._keep = keep
        self._queues = Queues(database.connection)

    # --- reading

    def now(self) -> datetime:
        """The time by Redis's clock, by which everything is dated and scheduled."""
        return self._database.now()

    def check_writes(self) -> None:
        """Ask Redis whether it is there and takes writes. Raises RedisRefusesWrites, too."""
        self._database.check_writes()

    def replicas(self) -> Replicas | None:
        """How many replicas Redis has; None: it is not to have any."""
        return self._database.replicas()

    def installation(self) -> Status:
        """How Redis stands to what this host remembers."""
        return self._installation.status()

    def inventory(self) -> Inventory:
        """The inventory as it stands. Raises InventoryError."""
        return self._inventory.current()

    def inventory_differences(self) -> Differences:
        """Where other API hosts have another inventory; says that ours lives, too. Raises InventoryError."""
        return self._hosts.differences()

    def run(self, run_id: str) -> RunRecord | None:
        """The run, if it is known."""
        return _record(RunRecord, self._database.fields(keys.run(run_id)))

    def confirmed_run(self, run_id: str) -> RunRecord | None:
        """The same, when no failover can take it back: with Redis Sentinel, when the replicas have it.

        Raises:
            NotReplicated: they do not have it in time.
        """

        def look(pipe: "Pipeline") -> RunRecord | None:
            run = _record(RunRecord, self._database.fields(keys.run(run_id), within=pipe))
            pipe.multi()
            return run

        return self._database.transact(look, keys.run(run_id))

    def device(self, name: str) -> KnownDevice | None:
        """The device, if the inventory or a lease has named it."""
        return self._stored_device(name, self._withheld())

    def device_seen_as(self, uuid: str | None) -> KnownDevice | None:
        """The device as which a machine with this UUID was seen first, if that is still on its record."""
        key = uuid_key(uuid)
        name = self._database.string(keys.machine(key)) if key else None
        device = self.device(name.decode()) if name else None
        known = device.record.identity if device else None
        return device if known and uuid_key(known.uuid) == key else None

    def runs(self, run_ids: Iterable[str]) -> list[RunRecord]:
        """The runs of these ids, as far as they are known; one that cannot be read does not hide the others."""
        key_of = {run_id: keys.run(run_id) for run_id in run_ids}
        answers = self._database.hashes(list(key_of.values()))
        read = _readable(lambda run_id: _record(RunRecord, self._database.as_fields(answers[key_of[run_id]])))
        return [run for run in map(read, key_of) if run]

    def devices(self) -> list[KnownDevice]:
        """Every device, likewise."""
        withheld, key_of = self._withheld(), {name: keys.device(name) for name in self.device_names()}
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

    def boots_in_progress(self) -> int:
        """How many runs hold a boot slot."""
        return self._database.size(keys.BOOTING_RUNS)

    def timeline(self, run_id: str) -> list[TimelineEntry]:
        """What happened in a run, oldest first."""
        entries = self._database.stream(keys.events(run_id))
        return [entry for fields in entries if (entry := _timeline_entry(run_id, fields))]

    def report(self, run_id: str) -> bytes | None:
        """The stored report, as JSON."""
        return self._database.string(keys.report(run_id))

    def queue_counts(self) -> list[dict[str, Any]]:
        """How many jobs each queue holds, by their standing."""
        with self._database.errors():
            return self._queues.counts()

    def ended_runs(self) -> Iterable[tuple[tuple[str, str], int]]:
        """How many runs have ever ended, by state and reason."""
        return counters.counts(self._database)

    # --- changing

    def change_run(self, run_id: str, compute: Callable[[RunRecord, KnownDevice], Change]) -> Change | None:
        """Apply what ``compute`` makes of the run and its device; None when there is no such run.

        Raises:
            InvalidTransition: from ``compute``; it is on the run's timeline then, as not applied.
        """
        known = self.run(run_id)
        if known is None:
            return None
        try:
            return self._transact(known.device, run_id, lambda run, device: compute(run, device) if run else None)
        except InvalidTransition as refused:
            self.note(known, "refused", str(refused), applied=False)
            raise

    def open_run(
        self, run_id: str, device_name: str, compute: Callable[[RunRecord | None, KnownDevice], Change | RunRecord]
    ) -> Change | RunRecord:
        """Apply the change that ``compute`` makes of a device; a run that it answers with changes nothing."""
        return self._transact(device_name, run_id, compute)

    def change_device(self, name: str, compute: Callable[[KnownDevice], KnownDevice]) -> KnownDevice | None:
        """Apply what ``compute`` makes of a device; None when there is no such device."""

        def body(pipe: "Pipeline") -> KnownDevice | None:
            before = _record(DeviceRecord, self._database.fields(keys.device(name), within=pipe))
            device = self._device(name, before, self._withheld())
            changed = compute(device) if device else None
            pipe.multi()
            if changed:
                _write_device(pipe, changed.record, before)
            return changed

        return self._apply(body, keys.device(name), counts=lambda changed: changed is not None)

    def note(self, run: RunRecord, trigger: str, detail: str, *, applied: bool = True) -> None:
        """Write a line on a run's timeline that changes nothing else."""
        entry = TimelineEntry(at=self.now(), type=trigger, state=run.state, applied=applied, detail=detail)

        def write(pipe: "Pipeline") -> None:
            pipe.multi()
            _append(pipe, run.run_id, entry)

        self._apply(write, counts=lambda _: True)

    def _transact(
        self, device_name: str, run_id: str, compute: Callable[[RunRecord | None, KnownDevice], _Outcome]
    ) -> _Outcome:
        def body(pipe: "Pipeline") -> _Outcome:
            run = _record(RunRecord, self._database.fields(keys.run(run_id), within=pipe))
            record = _record(DeviceRecord, self._database.fields(keys.device(device_name), within=pipe))
            withheld = self._withheld()
            device = self._device(device_name, record, withheld) or self._new_device(device_name, withheld)
            outcome = compute(run, device)
            self._refuse_permits_after_a_loss(outcome)
            pipe.multi()
            if isinstance(outcome, Change):
                _write_device(pipe, outcome.device.record, record)
                self._write(pipe, outcome, run)
            return outcome

        return self._apply(body, keys.run(run_id), keys.device(device_name), counts=_counts)

    def _refuse_permits_after_a_loss(self, outcome: Change | RunRecord | None) -> None:
        """No permit at all, not even to clean up: what is on record of the machine may be old.

        Raises:
            NotYet: Redis has lost changes, and nobody has accepted that.
        """
        if isinstance(outcome, Change) and outcome.permits_power and (lost := self._installation.withheld()):
            raise NotYet(lost, retry_in_s=_LOST_AGAIN_S)

    def _apply(
        self, body: "Callable[[Pipeline], _Result]", *watched: str, counts: Callable[[_Result], bool]
    ) -> _Result:
        """The one transaction of the store. What permits power is returned only when it cannot be lost any more.

        Raises:
            TransientError: it is in Redis, but may be lost still; the same call again makes it sure.
        """
        outcome, number = self._changes.apply(body, *watched, counts=counts)
        if number is not None:
            self._installation.saw(number)
            if isinstance(outcome, Change) and outcome.permits_power:
                self._installation.secure(number)
        return outcome

    def _write(self, pipe: "Pipeline", change: Change, before: RunRecord | None) -> None:
        run, run_id = change.run, change.run.run_id
        _write(pipe, keys.run(run_id), run, before)
        if change.entry:
            _append(pipe, run_id, change.entry)
        pipe.zadd(keys.RUNS, {run_id: run.created_at.timestamp()})
        (pipe.srem if run.closed_at else pipe.sadd)(keys.OPEN_RUNS, run_id)
        (pipe.sadd if run.state in _HOLDS_BOOT_SLOT else pipe.srem)(keys.BOOTING_RUNS, run_id)
        counters.count(pipe, run)
        for job in change.jobs:
            self._queues.add(job.kind, run_id, at=job.at, pipeline=pipe)
        if change.report is not None:
            pipe.set(keys.report(run_id), change.report)
        if run.closed_at:
            self._forget_later(pipe, run_id, run.closed_at)

    def _forget_later(self, pipe: "Pipeline", run_id: str, closed_at: datetime) -> None:
        for key in _OF_A_RUN:
            pipe.expire(key(run_id), self._keep)
        pipe.zremrangebyscore(keys.RUNS, 0, (closed_at - self._keep).timestamp())

    def _withheld(self) -> Withheld:
        """Why a machine must not be touched now, by its name."""
        everything, differences = self._installation.withheld(), self._hosts.differences()
        return lambda name: everything or differences.withheld(name)

    def _stored_device(self, name: str, withheld: Withheld) -> KnownDevice | None:
        return self._device(name, _record(DeviceRecord, self._database.fields(keys.device(name))), withheld)

    def _device(self, name: str, record: DeviceRecord | None, withheld: Withheld) -> KnownDevice | None:
        entry = self.inventory().by_name.get(name)
        if record is None:
            return self._new_device(name, withheld) if entry else None
        if entry and record.state is DeviceState.DISCOVERED and not record.unapproved:
            record = record.model_copy(update={"state": entry.state})  # it has come into the inventory since
        return KnownDevice(record, entry, withheld(name))

    def _new_device(self, name: str, withheld: Withheld) -> KnownDevice:
        entry = self.inventory().by_name.get(name)
        state = entry.state if entry else DeviceState.DISCOVERED
        return KnownDevice(DeviceRecord(name=name, state=state), entry, withheld(name))


def _counts(outcome: Change | RunRecord | None) -> bool:
    """A change that is not on the timeline, such as a heartbeat, may be forgotten."""
    return isinstance(outcome, Change) and outcome.entry is not None


def _readable(read: Callable[[str], _Found | None]) -> Callable[[str], _Found | None]:
    def read_or_log(name: str) -> _Found | None:
        try:
            return read(name)
        except CorruptRecord as error:
            log.get("api").error("a record cannot be read: left out", record=name, why=str(error))
            return None

    return read_or_log


def _record(model: type[_Record], fields: dict[str, bytes]) -> _Record | None:
    """The record in the fields of a hash. What a newer version added is skipped, at every depth."""
    if not fields:
        return None
    known = {name: value for name, value in fields.items() if name in model.model_fields}
    try:
        return model.model_validate({name: json.loads(value) for name, value in known.items()}, extra="ignore")
    except ValueError as error:
        raise CorruptRecord(f"a {model.__name__} in Redis cannot be read: {type(error).__name__}") from error


def _timeline_entry(run_id: str, fields: dict[bytes, bytes]) -> TimelineEntry | None:
    try:
        return TimelineEntry.model_validate_json(fields.get(b"entry", b""), extra="ignore")
    except ValidationError as error:
        log.get("api").error("a line of a timeline cannot be read: left out", run_id=run_id, why=str(error))
        return None


def _write(pipe: "Pipeline", key: str, record: Record, before: Record | None) -> None:
    """Only what changed: what a newer version has written beside it, and we cannot read, stays as it is."""
    old = before.model_dump(mode="json") if before else {}
    new = record.model_dump(mode="json")
    changed: dict[Any, Any] = {
        name: json.dumps(value) for name, value in new.items() if name not in old or old[name] != value
    }
    if changed:
        pipe.hset(key, mapping=changed)


def _write_device(pipe: "Pipeline", record: DeviceRecord, before: DeviceRecord | None) -> None:
    _write(pipe, keys.device(record.name), record, before)
    pipe.sadd(keys.DEVICES, record.name)
    is_new = before is None or record.identity != before.identity
    if is_new and record.identity and (uuid := uuid_key(record.identity.uuid)):
        pipe.set(keys.machine(uuid), record.name)


def _append(pipe: "Pipeline", run_id: str, entry: TimelineEntry) -> None:
    pipe.xadd(keys.events(run_id), {"entry": entry.model_dump_json()}, maxlen=_LONGEST_TIMELINE, approximate=False)
