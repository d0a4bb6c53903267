"""The boot slots: at most MAX_CONCURRENT_BOOTS machines boot at once, and of one boot group no more than it may.

A run that finds no slot waits in Redis, and no worker asks for it again: the transaction that frees a slot gives it to
the run that has waited longest, and enqueues its boot job. A slot belongs to a run, not to a worker: a run whose worker
was killed keeps it until another worker has done its job, or its time is up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from api.runs.records import KnownDevice, RunRecord
from api.runs.states import holds_boot_slot, waits_for_boot_slot
from api.state.batch import Asked, Batch, texts
from api.state.redis import Database, Pipeline
from bringup import keys, model
from bringup.inventory import Inventory

# Slots that one transaction gives away. More than one is free only after a limit was raised; each is a record to read
# and a job to write in a transaction that another run waits for.
_MOST_AT_ONCE = 20
# Seconds that one waits for those of its process that ask before it. While Redis does not answer each of them takes as
# long as a call may; and only time is saved by waiting.
_TURN_S = 1.0
# A run in another state has been moved on. UNKNOWN: by a newer version, which knows whether it waits.
_MAY_WAIT = {model.RunState.QUEUED, model.RunState.UNKNOWN}


@dataclass(frozen=True)
class BootNumbers:
    """How many runs hold a slot, how many wait for one, and how many of each limited boot group hold one."""

    booting: int
    waiting: int
    of_group: Mapping[str, int]


class BootSlots:
    """Which runs hold a slot, and which wait for one.

    Args:
        database: where the slots are.
        limit: MAX_CONCURRENT_BOOTS.
        inventory: as the file has it now; it names the limits of boot groups.
        ask_run: reads a run with other things; None: there is none that can be read.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    # What a transaction must watch that gives a slot to the run that asks: each change of a slot changes it, so of two
    # that see the last slot free, one is computed again.
    WATCHED = (keys.BOOTING_RUNS,)

    def __init__(
        self,
        database: Database,
        limit: int,
        inventory: Callable[[], Inventory],
        ask_run: Callable[[Batch, str], Asked[RunRecord | None]],
    ) -> None:
        self._database = database
        self._limit = limit
        self._inventory = inventory
        self._ask_run = ask_run
        # All that ask watch the same slots: of ten at once nine would be computed again, then eight of these.
        self._turn = Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block in which, as a rule, no other thread of this process asks for a slot."""
        has_turn = self._turn.acquire(timeout=_TURN_S)
        try:
            yield
        finally:
            if has_turn:
                self._turn.release()

    def refusal(self, run: RunRecord, device: KnownDevice, *, is_free: bool) -> str | None:
        """Why ``run`` has to wait; None: a slot is free, or it holds one. Only in a transaction that watches.

        Args:
            run: that asks.
            device: of the run; it names the boot group.
            is_free: whether a slot is free, whatever the boot group.
        """
        if holds_boot_slot(run):
            return None
        if not is_free:
            return f"{self._limit} machines are booting already (MAX_CONCURRENT_BOOTS)"
        group = device.boot_group
        if group and self._room_in(group) <= 0:
            limit = self._inventory().boot_groups.get(group, self._limit)  # of a file that may have changed since
            return f"{limit} machines of the boot group {group} are booting already (DEVICES_FILE)"
        return None

    def is_free(self) -> bool:
        """Whether a slot is free, whatever the boot group."""
        return self.count_booting() < self._limit

    def ask_free(self, batch: Batch) -> Asked[bool]:
        """The same, read with other things."""
        return batch.ask(lambda booting: booting < self._limit, "SCARD", keys.BOOTING_RUNS)

    def count_booting(self) -> int:
        """How many runs hold a slot."""
        return self._database.size(keys.BOOTING_RUNS)

    def ask_numbers(self, batch: Batch) -> Asked[tuple[int, int]]:
        """How many runs hold a slot, and how many wait, read with other things."""
        booting, waiting = batch.ask(int, "SCARD", keys.BOOTING_RUNS), batch.ask(int, "ZCARD", keys.WAITING_RUNS)
        return lambda: (booting(), waiting())

    def numbers(self) -> BootNumbers:
        """How many runs hold a slot and wait, and how many hold one in each boot group that has a limit."""
        batch = Batch()
        numbers, booting = self.ask_numbers(batch), batch.ask(set, "SMEMBERS", keys.BOOTING_RUNS)
        of_group = {
            group: batch.ask(set, "SMEMBERS", keys.booting_runs_of(group)) for group in self._inventory().boot_groups
        }
        self._database.read(batch)
        # Of both sets, as `_room_in` counts.
        return BootNumbers(*numbers(), {group: len(booting() & members()) for group, members in of_group.items()})

    def waiting(self) -> set[str]:
        """The ids of the runs that wait. One that an older API host has started is still among those of Redis."""
        return set(self._database.oldest(keys.WAITING_RUNS, 0)) - self._database.members(keys.BOOTING_RUNS)

    def successors(self, pipe: Pipeline, before: RunRecord | None, after: RunRecord) -> list[RunRecord]:
        """The runs that get a slot when a run becomes ``after``, longest waiting first.

        Args:
            pipe: of the transaction, before MULTI; it watches then what the result depends on.
            before: the run as it is on record.
            after: the run as it will be.
        """
        if before is None or not holds_boot_slot(before) or holds_boot_slot(after):
            return []
        batch = Batch()
        waiting = batch.ask(texts, "ZRANGE", keys.WAITING_RUNS, 0, _MOST_AT_ONCE - 1)
        # Watched before it is read: a run that begins to wait right now must not miss this slot.
        self._database.read_watched(pipe, batch, keys.WAITING_RUNS)
        return list(self._fitting(pipe, before, waiting())) if waiting() else []

    def write(self, pipe: Pipeline, run: RunRecord, before: RunRecord | None) -> None:
        """Write what a change of a run means for the slots.

        Args:
            pipe: of the transaction, after MULTI.
            run: as it will be.
            before: as it is on record; None: it is not.
        """
        held, waited = (before is not None and was(before) for was in (holds_boot_slot, waits_for_boot_slot))
        if held != holds_boot_slot(run) or (held and before and before.boot_group != run.boot_group):
            change = pipe.srem if held and not holds_boot_slot(run) else pipe.sadd
            change(keys.BOOTING_RUNS, run.run_id)
            if run.boot_group:
                change(keys.booting_runs_of(run.boot_group), run.run_id)
        if waits_for_boot_slot(run) and not waited:
            pipe.zadd(keys.WAITING_RUNS, {run.run_id: run.created_at.timestamp()})
        elif waited and not waits_for_boot_slot(run):
            pipe.zrem(keys.WAITING_RUNS, run.run_id)

    def _fitting(self, pipe: Pipeline, freed: RunRecord, first: list[str]) -> Iterator[RunRecord]:
        """The waiting runs that have room once ``freed`` has given its slot back.

        Args:
            pipe: of the transaction, before MULTI.
            freed: the run that gives its slot back.
            first: those that have waited longest.
        """
        room: dict[str, int] = {}
        given = 0
        for run, booting in self._waiting(pipe, first):
            if given >= min(self._limit - booting + 1, _MOST_AT_ONCE):
                return
            if group := run.boot_group:
                room.setdefault(group, self._room_in(group, without=freed.run_id))
                if room[group] <= 0:
                    continue
                room[group] -= 1
            given += 1
            yield run

    def _waiting(self, pipe: Pipeline, first: list[str]) -> Iterator[tuple[RunRecord, int]]:
        """Every run that waits, longest first, and how many hold a slot; read in steps: as a rule the first one fits.

        They are watched: one that is ended right now must not get a slot that it would never give back. So are the
        slots, or two runs that end at once would both give away the last one of a group.
        """
        start, step = 0, 1
        while page := first[start : start + step] or self._database.oldest(keys.WAITING_RUNS, step, start):
            batch = Batch()
            booting, asked = batch.ask(int, "SCARD", keys.BOOTING_RUNS), [self._ask_run(batch, one) for one in page]
            self._database.read_watched(pipe, batch, *self.WATCHED, *map(keys.run, page))
            runs = [run for one in asked if (run := one())]
            self._forget(run.run_id for run in runs if run.state not in _MAY_WAIT)
            yield from ((run, booting()) for run in runs if waits_for_boot_slot(run))
            start, step = start + len(page), _MOST_AT_ONCE

    def _forget(self, run_ids: Iterable[str]) -> None:
        """An older API host moves a run that waits, and knows nothing of those that do. No move leads back to it."""
        if moved := list(run_ids):
            self._database.discard(keys.WAITING_RUNS, moved)

    def _room_in(self, group: str, *, without: str = "") -> int:
        """How many more of the group may boot; a group that the inventory does not limit has room for any number.

        Args:
            without: a run that does not count.
        """
        limit = self._inventory().boot_groups.get(group)
        if limit is None:
            return self._limit
        batch = Batch()
        booting, of_group = (
            batch.ask(set, "SMEMBERS", key) for key in (keys.BOOTING_RUNS, keys.booting_runs_of(group))
        )
        self._database.read(batch)
        # Of both sets: an older API host that ends a boot knows the first alone.
        return limit - len(booting() & of_group() - {without.encode()})
