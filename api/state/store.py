"""Runs and devices: changed in one transaction together with the jobs that a change calls for.

Every change watches what it was computed from (compare and set): of two at once, the second is computed anew.
Every change that counts is numbered in its transaction (`api.state.changes`).
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from api.runs.records import Change, DeviceRecord, KnownDevice, RunRecord, StoredRecord
from api.runs.states import waits_for_boot_slot
from api.state.boot_slots import BootSlots
from api.state.changes import Changes
from api.state.installation import Installation
from api.state.inventories import InventoryHosts
from api.state.reader import Reader
from api.state.redis import Database, Pipeline
from bringup import errors, identity, keys, model, queues
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

_Result = TypeVar("_Result")
_Outcome = TypeVar("_Outcome", bound=Change | RunRecord | None)
# Lines. A run has some tens; a client that posts events in a loop must not fill the memory of Redis.
_LONGEST_TIMELINE = 1000
# A person has to accept the loss first: each worker that waits for a permit asks again after so many seconds.
_LOST_AGAIN_S = 30.0
# What expires together when a run is forgotten; a key that is missing here would stay for ever.
_OF_A_RUN = (
    *(keys.run, keys.events, keys.report, keys.run_token, keys.refused),
    *(keys.artifacts, keys.artifact_sizes),
)


class RunStore(Reader):
    """The only writer of runs and devices.

    Args:
        keep: how long a run stays on record after it was closed.
        most_boots: MAX_CONCURRENT_BOOTS.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(
        self,
        database: Database,
        hosts: InventoryHosts,
        installation: Installation,
        *,
        keep: timedelta,
        most_boots: int,
    ) -> None:
        super().__init__(database, hosts, installation)
        self.boot_slots = BootSlots(database, most_boots, self.inventory, self.runs)
        self._changes = Changes(database)
        self._keep = keep
        self._queues = queues.Queues(database.connection)

    def change_run(
        self, run_id: str, compute: Callable[[RunRecord, KnownDevice], Change], *watched: str
    ) -> Change | None:
        """Apply what ``compute`` makes of the run and its device; None when there is no such run.

        Args:
            run_id: of the run.
            compute: may be called more than once.
            watched: what else ``compute`` looks at.

        Raises:
            InvalidTransition: from ``compute``; it is on the run's timeline then, as not applied.
        """
        known = self.run(run_id)
        if known is None:
            return None
        try:
            return self._transact(
                known.device, run_id, lambda run, device: compute(run, device) if run else None, *watched
            )
        # On the timeline, so that a person sees what a late worker has tried.
        except errors.InvalidTransition as refused:
            self.note(known, "refused", str(refused), applied=False)
            raise

    def open_run(
        self, run_id: str, device_name: str, compute: Callable[[RunRecord | None, KnownDevice], Change | RunRecord]
    ) -> Change | RunRecord:
        """Apply the change that ``compute`` makes of a device; a run that it returns changes nothing.

        Args:
            run_id: of the run to open; ``compute`` gets its record, None: there is none yet.
            device_name: a device that is not known yet is created.
        """
        return self._transact(device_name, run_id, compute)

    def change_device(
        self, name: str, compute: Callable[[KnownDevice], tuple[KnownDevice, DeviceEvent]]
    ) -> KnownDevice | None:
        """Apply what ``compute`` makes of a device, with the line for its history; None when there is no such device.

        Args:
            name: of the device.
            compute: may be called more than once.
        """

        def body(pipe: Pipeline) -> KnownDevice | None:
            before = self._stored_device(name, pipe)
            device = self._device(name, before, self._withheld())
            changed, event = compute(device) if device else (None, None)
            pipe.multi()
            if changed and event:
                _write_device(pipe, changed.record, before)
                _append(pipe, keys.device_events(name), event)
            return changed

        return self._apply(body, keys.device(name), counts=lambda changed: changed is not None)

    def note(self, run: RunRecord, trigger: str, detail: str, *, applied: bool = True) -> None:
        """Write a line on a run's timeline that changes nothing else.

        Args:
            trigger: what happened.
            detail: for people.
            applied: false for what came too late or out of turn.
        """
        entry = TimelineEntry(at=self.now(), type=trigger, state=run.state, applied=applied, detail=detail)

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            _append(pipe, keys.events(run.run_id), entry)

        self._apply(write, counts=lambda _: True)

    def _transact(
        self,
        device_name: str,
        run_id: str,
        compute: Callable[[RunRecord | None, KnownDevice], _Outcome],
        *watched: str,
    ) -> _Outcome:
        def body(pipe: Pipeline) -> _Outcome:
            run = self._stored_run(run_id, pipe)
            record = self._stored_device(device_name, pipe)
            # Read in the transaction: a loss that is noticed now must stop this very change.
            withheld = self._withheld()
            device = self._device(device_name, record, withheld) or self._new_device(device_name, withheld)
            outcome = compute(run, device)
            self._refuse_permits_after_a_loss(outcome)
            successors = self._successors(pipe, run, outcome.run) if isinstance(outcome, Change) else []
            pipe.multi()
            if isinstance(outcome, Change):
                _write_device(pipe, outcome.device.record, record)
                self._write(pipe, outcome, run)
                for successor in successors:
                    self._give_boot_slot(pipe, successor, outcome.run)
            return outcome

        # Both are watched: a run is decided by its device, and one device has one active run.
        return self._apply(body, keys.run(run_id), keys.device(device_name), *watched, counts=_counts)

    def _successors(self, pipe: Pipeline, before: RunRecord | None, after: RunRecord) -> list[RunRecord]:
        """The runs that get the boot slot which the change frees, as they are on record now."""
        found = self.boot_slots.successors(pipe, before, after)
        if not found:
            return []
        # Watched, and read again: one that is ended right now must not get a slot that it would never give back.
        pipe.watch(*(keys.run(run.run_id) for run in found))  # type: ignore[no-untyped-call]
        return [run for run in self.runs(run.run_id for run in found) if waits_for_boot_slot(run)]

    def _give_boot_slot(self, pipe: Pipeline, waited: RunRecord, freed_by: RunRecord) -> None:
        run = waited.model_copy(update={"boot_slot": "held", "updated_at": freed_by.updated_at})
        _write(pipe, keys.run(run.run_id), run, waited)
        self.boot_slots.write(pipe, run)
        detail = f"the run {freed_by.run_id} has given its boot slot back"
        entry = TimelineEntry(at=run.updated_at, type="boot_slot_given", state=run.state, applied=True, detail=detail)
        _append(pipe, keys.events(run.run_id), entry)
        self._queues.add(model.JobKind.BOOT, run.run_id, pipeline=pipe)

    def _refuse_permits_after_a_loss(self, outcome: Change | RunRecord | None) -> None:
        """No permit at all, not even to clean up: what is on record of the machine may be old.

        Raises:
            NotYet: Redis has lost changes, and no person has accepted that.
        """
        if isinstance(outcome, Change) and outcome.permits_power and (lost := self._installation.withheld()):
            raise errors.NotYet(lost, retry_in_s=_LOST_AGAIN_S)

    def _apply(self, body: Callable[[Pipeline], _Result], *watched: str, counts: Callable[[_Result], bool]) -> _Result:
        """The one transaction of the store. What permits power is returned only when it cannot be lost any more.

        Without the second half a failover could forget a permit whose request is on its way to the BMC.

        Raises:
            TransientError: it is in Redis, but may still be lost; the same call again secures it.
        """
        outcome, number = self._changes.apply(body, *watched, counts=counts)
        if number is not None:
            self._installation.saw(number)
            if isinstance(outcome, Change) and outcome.permits_power:
                self._installation.secure(number)
        return outcome

    def _write(self, pipe: Pipeline, change: Change, before: RunRecord | None) -> None:
        run, run_id = change.run, change.run.run_id
        _write(pipe, keys.run(run_id), run, before)
        if change.entry:
            _append(pipe, keys.events(run_id), change.entry)
        for index in (keys.RUNS, keys.device_runs(run.device)):
            pipe.zadd(index, {run_id: run.created_at.timestamp()})
        # Sets beside the records: to list what is open, or count what boots, must not read every run.
        (pipe.srem if run.closed_at else pipe.sadd)(keys.OPEN_RUNS, run_id)
        self.boot_slots.write(pipe, run)
        _count_ended(pipe, run)
        for job in change.jobs:
            self._queues.add(job.kind, run_id, at=job.at, pipeline=pipe)
        if change.report is not None:
            pipe.set(keys.report(run_id), change.report)
        if run.closed_at:
            self._forget_later(pipe, run_id, run.device, run.closed_at)

    def _forget_later(self, pipe: Pipeline, run_id: str, device: str, closed_at: datetime) -> None:
        for key in _OF_A_RUN:
            pipe.expire(key(run_id), self._keep)
        for index in (keys.RUNS, keys.device_runs(device)):
            pipe.zremrangebyscore(index, 0, (closed_at - self._keep).timestamp())


def _counts(outcome: Change | RunRecord | None) -> bool:
    """A change that is not on the timeline, such as a heartbeat, may be lost."""
    return isinstance(outcome, Change) and outcome.entry is not None


def _write(pipe: Pipeline, key: str, record: StoredRecord, before: StoredRecord | None) -> None:
    """Write only what changed: a value of a newer version, which we read as UNKNOWN, would be lost otherwise."""
    old = before.model_dump(mode="json", by_alias=True) if before else {}
    new = record.model_dump(mode="json", by_alias=True)
    changed: dict[Any, Any] = {
        name: json.dumps(value) for name, value in new.items() if name not in old or old[name] != value
    }
    if changed:
        pipe.hset(key, mapping=changed)


def _write_device(pipe: Pipeline, record: DeviceRecord, before: DeviceRecord | None) -> None:
    _write(pipe, keys.device(record.name), record, before)
    pipe.sadd(keys.DEVICES, record.name)
    is_new = before is None or record.identity != before.identity
    if is_new and record.identity and (uuid := identity.uuid_key(record.identity.uuid)):
        pipe.set(keys.machine(uuid), record.name)


def _append(pipe: Pipeline, key: str, entry: TimelineEntry | DeviceEvent) -> None:
    pipe.xadd(key, {"entry": entry.model_dump_json()}, maxlen=_LONGEST_TIMELINE, approximate=False)


def _count_ended(pipe: Pipeline, run: RunRecord) -> None:
    """Count a run as it is written, if it ends with this very write; what follows its end is later."""
    if run.ended_at is not None and run.ended_at == run.updated_at:
        pipe.incr(keys.ended_runs(run.state.value, str(run.reason or "")))
