"""Runs and devices: changed in one transaction together with the jobs that a change calls for.

Every change watches what it was computed from (compare and set): of two at once, the second is computed anew.
Every change that counts is numbered in its transaction (`api.state.feed`).
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from api.runs.records import Change, KnownDevice, RunRecord
from api.runs.states import waits_for_boot_slot
from api.state import record_writer
from api.state.boot_slots import BootSlots
from api.state.counts import Counts
from api.state.feed import ChangeFeed, FeedEntry
from api.state.installation import Installation
from api.state.inventories import InventoryHosts
from api.state.lists import Lists
from api.state.reader import Reader
from api.state.redis import Database, Pipeline
from bringup import errors, keys, queues
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

_Result = TypeVar("_Result")
_Outcome = TypeVar("_Outcome", bound=Change | RunRecord | None)
# A person has to accept the loss first: each worker that waits for a permit asks again after so many seconds.
_LOST_AGAIN_S = 30.0


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
        self.boot_slots = BootSlots(database, most_boots, self.inventory, self.runs)
        self.feed = feed
        self.lists = Lists(database, self, hosts, installation)
        self._who = who
        self.counts = Counts(database, hosts)
        jobs = queues.Queues(database.connection)
        self._writer = record_writer.RecordWriter(jobs, self.boot_slots, self.counts, keep)

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

        done: list[DeviceEvent] = []

        def body(pipe: Pipeline) -> KnownDevice | None:
            before = self._stored_device(name, pipe)
            device = self._device(name, before, self.withheld())
            changed, event = compute(device) if device else (None, None)
            done[:] = [event] if event else []
            pipe.multi()
            if changed and event:
                self._writer.device(pipe, changed.record, before)
                record_writer.append(pipe, keys.device_events(name), event)
            return changed

        def what(changed: KnownDevice | None) -> list[FeedEntry]:
            return [FeedEntry(done[0].what, self._who(), device=name, state=str(changed.state))] if changed else []

        return self._apply(body, keys.device(name), what=what)

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
            record_writer.append(pipe, keys.events(run.run_id), entry)

        self._apply(write, what=lambda _: [self._line(run, entry)])

    def _transact(
        self,
        device_name: str,
        run_id: str,
        compute: Callable[[RunRecord | None, KnownDevice], _Outcome],
        *watched: str,
    ) -> _Outcome:
        successors: list[RunRecord] = []

        def body(pipe: Pipeline) -> _Outcome:
            run = self._stored_run(run_id, pipe)
            record = self._stored_device(device_name, pipe)
            # Read in the transaction: a loss that is noticed now must stop this very change.
            withheld = self.withheld()
            device = self._device(device_name, record, withheld) or self._new_device(device_name, withheld)
            outcome = compute(run, device)
            self._refuse_permits_after_a_loss(outcome)
            successors[:] = self._successors(pipe, run, outcome.run) if isinstance(outcome, Change) else []
            pipe.multi()
            if isinstance(outcome, Change):
                self._writer.device(pipe, outcome.device.record, record)
                self._writer.change(pipe, outcome, run)
                for successor in successors:
                    self._writer.boot_slot(pipe, successor, outcome.run)
            return outcome

        # Both are watched: a run is decided by its device, and one device has one active run.
        return self._apply(
            body,
            keys.run(run_id),
            keys.device(device_name),
            *watched,
            what=lambda outcome: [*self._changed(outcome), *map(self._slot_given, successors)],
        )

    def _changed(self, outcome: Change | RunRecord | None) -> list[FeedEntry]:
        """A change that is not on the timeline, such as a heartbeat, may be lost."""
        return [self._line(outcome.run, outcome.entry)] if isinstance(outcome, Change) and outcome.entry else []

    def _line(self, run: RunRecord, entry: TimelineEntry) -> FeedEntry:
        state, who = str(entry.state), entry.by or self._who()
        return FeedEntry(entry.type, who, run.run_id, run.device, state, entry.detail)

    def _slot_given(self, run: RunRecord) -> FeedEntry:
        return FeedEntry("boot_slot_given", "api", run.run_id, run.device, str(run.state))

    def _successors(self, pipe: Pipeline, before: RunRecord | None, after: RunRecord) -> list[RunRecord]:
        """The runs that get the boot slot which the change frees, as they are on record now."""
        found = self.boot_slots.successors(pipe, before, after)
        if not found:
            return []
        # Watched, and read again: one that is ended right now must not get a slot that it would never give back.
        pipe.watch(*(keys.run(run.run_id) for run in found))  # type: ignore[no-untyped-call]
        return [run for run in self.runs(run.run_id for run in found) if waits_for_boot_slot(run)]

    def _refuse_permits_after_a_loss(self, outcome: Change | RunRecord | None) -> None:
        """No permit at all, not even to clean up: what is on record of the machine may be old.

        Raises:
            NotYet: Redis has lost changes, and no person has accepted that.
        """
        if isinstance(outcome, Change) and outcome.permits_power and (lost := self._installation.withheld()):
            raise errors.NotYet(lost, retry_in_s=_LOST_AGAIN_S)

    def _apply(
        self, body: Callable[[Pipeline], _Result], *watched: str, what: Callable[[_Result], list[FeedEntry]]
    ) -> _Result:
        """The one transaction of the store. What permits power is returned only when it cannot be lost any more.

        Without the second half a failover could forget a permit whose request is on its way to the BMC.

        Raises:
            TransientError: it is in Redis, but may still be lost; the same call again secures it.
        """
        outcome, number = self.feed.apply(body, *watched, what=what)
        if number is not None:
            self._installation.saw(number)
            if isinstance(outcome, Change) and outcome.permits_power:
                self._installation.secure(number)
        return outcome
