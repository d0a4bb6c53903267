"""What a change writes: records, timelines, indexes, counters and jobs, all in the transaction of the change."""

import time
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic_core import to_json

from api.runs import states
from api.runs.records import Change, DeviceRecord, RunRecord, StoredRecord
from api.state import counters, durations, timelines
from api.state.boot_slots import BootSlots
from api.state.counts import Counts
from api.state.redis import Pipeline
from api.state.run_secrets import GivenOut, write_secrets
from bringup import identity, keys, model, queues
from bringup.wire.run import TimelineEntry

# Seconds between two looks of a process for runs that are forgotten, in the list of all: hundreds may begin at once.
_FORGET_EVERY_S = 60.0


class RecordWriter:
    """Writes into the transaction of a change; nothing is in Redis before that is executed.

    Args:
        jobs: where the jobs of a change go.
        boot_slots: which runs hold one, or wait.
        counts: of devices and open runs by state.
        keep: how long a run stays on record after it was closed.
    """

    def __init__(self, jobs: queues.Queues, boot_slots: BootSlots, counts: Counts, keep: timedelta) -> None:
        self._jobs = jobs
        self._boot_slots = boot_slots
        self._counts = counts
        self._keep = keep
        self._forget_at = 0.0  # by the monotonic clock

    def change(
        self,
        pipe: Pipeline,
        change: Change,
        before: RunRecord | None,
        kept: timelines.Kept,
        *,
        had_runs: bool,
        earlier: GivenOut,
    ) -> None:
        """Write what one event changes of a run; its device is written apart.

        Args:
            pipe: of the transaction, after MULTI.
            change: what the event changes.
            before: the run as it is on record; None: there is none.
            kept: what is kept of the run, if it is closed by the change.
            earlier: what an API of an earlier build has given out for the run.
            had_runs: whether its device has had runs before, where the run is new.
        """
        run, run_id = change.run, change.run.run_id
        _write(pipe, keys.run(run_id), run, before, numbered=bool(change.lines))
        if states.closes(run, before):
            timelines.close(pipe, run_id, kept.lines, change.lines, self._keep)
        else:
            timelines.append_all(pipe, keys.events(run_id), change.lines)
        if before is None:
            self._list(pipe, run, had_runs=had_runs)
        elif states.closes(run, before):
            self._forget_later(pipe, run, kept)
        self._boot_slots.write(pipe, run, before)
        counters.add(pipe, durations.counted(run, before) | _ended(run))
        if before is None or (before.state, before.closed_at) != (run.state, run.closed_at):
            self._counts.count_run(pipe, run)
        self._enqueue(pipe, change, before)
        if change.secrets and before:
            write_secrets(pipe, before, earlier, change.secrets, self._keep)
        if change.report is not None:
            # It expires by itself: an API of version 0.1, which may close the run, does not know this key.
            pipe.set(keys.packed_report(run_id), timelines.pack(change.report), ex=self._keep)

    def _enqueue(self, pipe: Pipeline, change: Change, before: RunRecord | None) -> None:
        """Write the jobs that a change calls for, and delete the one that nothing needs after the end."""
        run = change.run
        if run.ended_at and (before is None or before.ended_at is None):
            self._jobs.cancel(model.JobKind.EXPIRE, run.run_id, pipe)
        for job in change.jobs:
            if job.at and before and before.deadline_at:
                self._jobs.postpone(job.kind, run.run_id, job.at, pipe)
            else:
                self._jobs.add(job.kind, run.run_id, at=job.at, pipeline=pipe)

    def note(self, pipe: Pipeline, run_id: str, entry: TimelineEntry, *, is_open: bool = False) -> None:
        """Write a line of a run that may be closed.

        Args:
            pipe: of the transaction, after MULTI.
            run_id: of the run.
            entry: the line.
            is_open: whether the run is not closed, by what the transaction watches.
        """
        if is_open:
            timelines.append(pipe, keys.events(run_id), entry)
        else:
            timelines.note(pipe, run_id, entry, self._keep)

    def _list(self, pipe: Pipeline, run: RunRecord, *, had_runs: bool) -> None:
        """Write where a new run is found: to list what is open, or the newest, must not read every run."""
        for index in (keys.RUNS, keys.device_runs(run.device)):
            pipe.zadd(index, {run.run_id: run.created_at.timestamp()})
        forgotten = (run.created_at - self._keep).timestamp()
        if had_runs:
            pipe.zremrangebyscore(keys.device_runs(run.device), 0, forgotten)
        if time.monotonic() >= self._forget_at:
            pipe.zremrangebyscore(keys.RUNS, 0, forgotten)
            self._forget_at = time.monotonic() + _FORGET_EVERY_S
        if run.closed_at is None:
            pipe.sadd(keys.OPEN_RUNS, run.run_id)
        else:
            pipe.expire(keys.run(run.run_id), self._keep)

    def device(self, pipe: Pipeline, record: DeviceRecord, before: DeviceRecord | None, *, numbered: bool) -> None:
        """Write what changed of a device.

        Args:
            pipe: of the transaction, after MULTI.
            record: the device as it will be.
            before: as it is on record; None: it is not.
            numbered: whether the transaction has a number in the feed.
        """
        _write(pipe, keys.device(record.name), record, before, numbered=numbered)
        if before is None:
            pipe.sadd(keys.DEVICES, record.name)
        if before is None or _counted_by(before) != _counted_by(record):
            self._counts.count_device(pipe, record)
        is_new = before is None or record.identity != before.identity
        if is_new and record.identity and (uuid := identity.uuid_key(record.identity.uuid)):
            pipe.set(keys.machine(uuid), record.name)

    def boot_slot(self, pipe: Pipeline, waited: RunRecord, freed_by: RunRecord) -> None:
        """Give a run that waits the boot slot of another, with its boot job.

        Args:
            pipe: of the transaction, after MULTI.
            waited: the run as it is on record.
            freed_by: the run that gives its slot back.
        """
        run, entry = states.boot_slot_given(waited, freed_by)
        _write(pipe, keys.run(run.run_id), run, waited, numbered=True)
        self._boot_slots.write(pipe, run, waited)
        timelines.append(pipe, keys.events(run.run_id), entry)
        self._jobs.add(model.JobKind.BOOT, run.run_id, pipeline=pipe)

    def _forget_later(self, pipe: Pipeline, run: RunRecord, kept: timelines.Kept) -> None:
        """Take a run from the open ones. What is not named here expires by itself, as long after it was written."""
        pipe.srem(keys.OPEN_RUNS, run.run_id)
        for key in (keys.run, *(() if kept.is_alone else timelines.EXPIRE_WITH_THEIR_RUN)):
            pipe.expire(key(run.run_id), self._keep)


def _counted_by(record: DeviceRecord) -> tuple[object, ...]:
    return record.state, record.unapproved, record.maintenance is None


def _write(
    pipe: Pipeline, key: str, record: StoredRecord, before: StoredRecord | None, *, numbered: bool = False
) -> None:
    """Write only what changed: a value of a newer version, which we read as UNKNOWN, would be lost otherwise.

    A new record has no field that is as it is without one: half of those of a run.

    Args:
        pipe: of the transaction, after MULTI.
        key: of the record.
        record: as it will be.
        before: as it is; None: there is none.
        numbered: whether the transaction has a number in the feed.
    """
    known = before.__dict__ if before else _defaults_of(type(record))
    new = {name for name, value in record.__dict__.items() if value != known[name]}
    if not new:
        return
    values = record.model_dump(mode="json", by_alias=True, include=new)
    changed: dict[Any, Any] = {name: to_json(value) for name, value in values.items()}
    pipe.hset(key, mapping=changed)
    # For the ETag of a list: in the transaction, or a client would keep what is shown no more. A number is in it, too.
    if not numbered:
        pipe.incrby(keys.RUNS_VERSION if isinstance(record, RunRecord) else keys.DEVICES_VERSION, 1)


@cache
def _defaults_of(kind: type[StoredRecord]) -> dict[str, object]:
    """What a record of this kind has where nothing is stored."""
    return {name: field.default for name, field in kind.model_fields.items()}


def _ended(run: RunRecord) -> dict[int, int]:
    """What a run adds to the counters, if it ends with this very write; what follows its end is later."""
    if run.ended_at is None or run.ended_at != run.updated_at:
        return {}
    return {counters.place_of_end(run.state.value, str(run.reason or "")): 1}
