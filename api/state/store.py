"""Runs and devices: changed in one transaction together with the jobs that a change calls for.

Every change watches what it was computed from (compare and set): of two at once, the second is computed anew.
Every change that counts is numbered in its transaction (`api.state.feed`).
"""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import TypeVar

from api.runs import permits
from api.runs.records import Change, KnownDevice, Noted, RunRecord
from api.state import record_writer, timelines
from api.state.batch import Batch
from api.state.boot_slots import BootSlots
from api.state.counts import Counts
from api.state.feed import ChangeFeed
from api.state.feed_entries import FeedEntry
from api.state.installation import Installation
from api.state.inventories import InventoryHosts
from api.state.list_versions import ListVersions
from api.state.lists import Lists
from api.state.reader import Reader
from api.state.redis import Database, Pipeline
from api.state.snapshot import NOTHING_ELSE, Also, Snapshot, SnapshotRequest, Snapshots
from bringup import errors, keys, queues
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

_Result = TypeVar("_Result")
_Outcome = TypeVar("_Outcome", bound=Change | Noted | RunRecord | None)
_Changed = TypeVar("_Changed", bound=Change | RunRecord)


class RunStore(Reader):
    """The only writer of runs and devices.

    Args:
        keep: how long a run stays on record after it was closed.
        most_boots: MAX_CONCURRENT_BOOTS.
        feed: of what is changed.
        who: whose request is being served, as the feed names them.

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
        feed: ChangeFeed,
        who: Callable[[], str],
    ) -> None:
        super().__init__(database, hosts, installation)
        self.boot_slots = BootSlots(database, most_boots, self.inventory, self.ask_readable_run)
        self._snapshots = Snapshots(database, self, installation, self.boot_slots)
        self.feed = feed
        self.lists = Lists(database, self)
        self.list_versions = ListVersions(database, hosts, installation, self.boot_slots)
        self._who = who
        self.counts = Counts(database, hosts)
        jobs = queues.Queues(database.connection)
        self._writer = record_writer.RecordWriter(jobs, self.boot_slots, self.counts, keep)

    def change_run(
        self,
        run_id: str,
        compute: Callable[[Snapshot], _Changed],
        also: Also = NOTHING_ELSE,
    ) -> _Changed | None:
        """Apply what ``compute`` makes of the run and its device; None when there is no such run.

        A run that it returns changes nothing; with Redis Sentinel the replicas have what is on record of it then.

        Args:
            run_id: of the run.
            compute: may be called more than once; never without a run.
            also: what it is computed from besides the run and its device.

        Raises:
            InvalidTransition: from ``compute``; it is on the run's timeline then, as not applied, except for a
                deadline after the end: each run's last job asks for one.
        """
        seen: list[Snapshot] = []

        def of_known(snapshot: Snapshot) -> _Changed | None:
            seen[:] = [snapshot]
            return compute(snapshot) if snapshot.run else None

        try:
            return self._transact(SnapshotRequest(run_id, self.device_name_of(run_id), also), of_known)
        except errors.DeadlineAfterEnd:
            raise
        # On the timeline, so that a person sees what a late worker has tried.
        except errors.InvalidTransition as refused:
            if run := seen[0].run:
                self._note(
                    run,
                    TimelineEntry(at=seen[0].now, type="refused", state=run.state, applied=False, detail=str(refused)),
                )
            raise

    def require_read_inventory(self) -> None:
        """Before a run is judged by its device's entry. Raises NotYet: the file has changed, and is being read."""
        self._hosts.own_file.require_unchanged()

    def open_run(
        self, run_id: str, device_name: str, compute: Callable[[Snapshot], Change | Noted | RunRecord]
    ) -> Change | Noted | RunRecord:
        """Apply the change that ``compute`` makes, or write its line; a run that it returns changes nothing.

        Args:
            run_id: of the run to open.
            device_name: a device that is not known yet is created.
            compute: may be called more than once; the snapshot has no run where there is none yet.
        """
        self._hosts.own_file.require_unchanged()
        return self._transact(SnapshotRequest(run_id, device_name, Also(withheld=True)), compute)

    def change_device(
        self, name: str, compute: Callable[[KnownDevice], tuple[KnownDevice, DeviceEvent]]
    ) -> KnownDevice | None:
        """Apply what ``compute`` makes of a device, with the line for its history; None when there is no such device.

        Args:
            name: of the device.
            compute: may be called more than once.
        """

        done: list[DeviceEvent] = []

        def body(pipe: Pipeline) -> KnownDevice | None:
            batch = Batch()
            ask_record, withheld = self.ask_device_record(batch, name), self.ask_withheld(batch)
            self._database.read_watched(pipe, batch, keys.device(name))
            before = ask_record()
            device = self._device(name, before, withheld())
            changed, event = compute(device) if device else (None, None)
            done[:] = [event] if event else []
            pipe.multi()
            if changed and event:
                self._writer.device(pipe, changed.record, before, numbered=True)
                timelines.append(pipe, keys.device_events(name), event)
            return changed

        def what(changed: KnownDevice | None) -> list[FeedEntry]:
            return [FeedEntry(done[0].what, self._who(), device=name, state=str(changed.state))] if changed else []

        return self._apply(body, what=what)

    def note(self, run_id: str, trigger: str, detail: str) -> None:
        """Write a line on a run's timeline that changes nothing else; none where there is no such run.

        Args:
            run_id: of the run.
            trigger: what happened.
            detail: for people.
        """

        def write(pipe: Pipeline) -> Noted | None:
            batch = Batch()
            ask_run, now = self.ask_run(batch, run_id), self._database.clock.ask(batch)
            # Watched: a line that is added while the run is closed would stay for ever.
            self._database.read_watched(pipe, batch, keys.run(run_id))
            run = ask_run()
            pipe.multi()
            if run is None:
                return None
            entry = TimelineEntry(at=now(), type=trigger, state=run.state, applied=True, detail=detail)
            self._writer.note(pipe, run_id, entry, is_open=run.closed_at is None)
            return Noted(run, entry)

        self._apply(write, what=self._changed)

    def _note(self, run: RunRecord, entry: TimelineEntry) -> None:
        def write(pipe: Pipeline) -> None:
            pipe.multi()
            self._writer.note(pipe, run.run_id, entry)

        self._apply(write, what=lambda _: [self._line(run, entry)])

    def _transact(self, wanted: SnapshotRequest, compute: Callable[[Snapshot], _Outcome]) -> _Outcome:
        successors: list[RunRecord] = []
        written: list[str] = []  # the device, where its record changes

        def body(pipe: Pipeline) -> _Outcome:
            # Before the snapshot: while that is taken and decided, another thread may replace the inventory.
            inventory = self._hosts.own_file.current()
            # Read in the transaction: a loss that is noticed now must stop this very change.
            snapshot = self._snapshots.take(pipe, wanted)
            outcome = compute(snapshot)
            permits.refuse_after_a_loss(outcome, snapshot.lost)
            if isinstance(outcome, Change) and outcome.permits_power:
                self._hosts.own_file.require_unchanged(inventory)
            after = outcome.run if isinstance(outcome, Change) else snapshot.run
            successors[:] = self.boot_slots.successors(pipe, snapshot.run, after) if after else []
            kept = self._snapshots.kept_of(pipe, snapshot, after)
            pipe.multi()
            if isinstance(outcome, Noted):
                self._writer.note(pipe, outcome.run.run_id, outcome.entry)
            if isinstance(outcome, Change):
                is_numbered, record = bool(outcome.lines or successors), outcome.device.record
                written[:] = [record.name] if record != snapshot.stored else []
                self._writer.device(pipe, record, snapshot.stored, numbered=is_numbered)
                had_runs = snapshot.stored is not None and snapshot.stored.last_run is not None
                earlier = snapshot.given_out
                self._writer.change(pipe, outcome, snapshot.run, kept, had_runs=had_runs, earlier=earlier)
                for successor in successors:
                    self._writer.boot_slot(pipe, successor, outcome.run)
            return outcome

        def what(outcome: _Outcome) -> list[FeedEntry]:
            slots = [FeedEntry("boot_slot_given", "api", one.run_id, state=str(one.state)) for one in successors]
            return [*self._changed(outcome, next(iter(written), None)), *slots]

        with self.boot_slots.turn() if wanted.also.boot_slot else nullcontext():
            return self._apply(body, what=what)

    def _changed(self, outcome: Change | Noted | RunRecord | None, device: str | None = None) -> list[FeedEntry]:
        """A change that is not on the timeline, such as a heartbeat, may be lost."""
        if isinstance(outcome, Noted):
            return [self._line(outcome.run, outcome.entry)]
        return [self._line(outcome.run, line, device) for line in outcome.lines] if isinstance(outcome, Change) else []

    def _line(self, run: RunRecord, entry: TimelineEntry, device: str | None = None) -> FeedEntry:
        state, who = str(entry.state), entry.by or self._who()
        return FeedEntry(entry.type, who, run.run_id, device, state, entry.detail)

    def _apply(self, body: Callable[[Pipeline], _Result], *, what: Callable[[_Result], list[FeedEntry]]) -> _Result:
        """The one transaction of the store. What permits power is returned only when it cannot be lost any more.

        Without the second half a failover could forget a permit whose request is on its way to the BMC.

        Raises:
            TransientError: it is in Redis, but may still be lost; the same call again secures it.
        """
        outcome, number = self.feed.apply(body, what=what)
        if number is not None:
            self._installation.saw(number)
            if isinstance(outcome, Change) and outcome.permits_power:
                self._installation.secure(number)
        return outcome
