"""What a change is computed from: read in one round trip, and watched until the change is written."""

from dataclasses import dataclass
from datetime import datetime

from api.runs.records import DeviceRecord, KnownDevice, RunRecord
from api.runs.states import closes
from api.state import timelines
from api.state.batch import Asked, Batch, number, text
from api.state.boot_slots import BootSlots
from api.state.installation import Installation
from api.state.reader import Reader, Withheld
from api.state.redis import Database, Pipeline
from api.state.run_secrets import GivenOut, ask_given_out
from bringup import keys, model


@dataclass(frozen=True)
class Also:
    """What a change is computed from besides the run and its device: each costs every call that asks for it.

    Args:
        withheld: whether the machine may be touched. A change that gives a permit, or starts a run, must ask.
        boot_slot: whether a boot slot is free for the run.
        refused_callbacks: how many calls for the run had a wrong token or certificate.
        machine: the UUID of a machine of which is asked as which device it was seen first.
        closing: what Redis keeps of the run besides its record, for a change that closes it.
        given_out: what an API of an earlier build has given out for the run. A change that gives out more must ask.
        device: the record of its device. Without it the device counts as one whose state is unknown, and the change
            must not write it: for what only puts on record what has happened.
    """

    withheld: bool = False
    boot_slot: bool = False
    refused_callbacks: bool = False
    machine: str | None = None
    closing: bool = False
    given_out: bool = False
    device: bool = True


NOTHING_ELSE = Also()


@dataclass(frozen=True)
class SnapshotRequest:
    """What a snapshot is taken of.

    Args:
        run_id: of the run.
        device: name of its device; that of the run, where the run is on record, counts.
        also: what else the change is computed from.
    """

    run_id: str
    device: str
    also: Also


@dataclass(frozen=True)
class Snapshot:
    """A run and its device as they are now.

    Args:
        run: None: there is none.
        device: a new one, where neither the inventory nor a lease has named it.
        stored: what is on record of the device; None: nothing.
        now: by Redis's clock.
        refused_callbacks: how many calls for the run had a wrong token or certificate; 0 where that is not asked.
        is_slot_free: whether a boot slot is free, and stays so until the change is written; False where none is wanted.
        first_seen_as: name of the device as which the machine was seen first that was asked for.
        lost: why no permit may be given, such as what Redis has lost; None: nothing.
        kept: of the run besides its record; None where that is not asked for.
        given_out: by an API of an earlier build; nothing where that is not asked for.
    """

    run: RunRecord | None
    device: KnownDevice
    stored: DeviceRecord | None
    now: datetime
    refused_callbacks: int
    is_slot_free: bool
    first_seen_as: str | None
    lost: str | None
    kept: timelines.Kept | None
    given_out: GivenOut


class Snapshots:
    """Takes snapshots.

    Args:
        database: where the records are.
        reader: of single records.
        installation: whether Redis has lost data.
        boot_slots: whether one is free.
    """

    def __init__(self, database: Database, reader: Reader, installation: Installation, boot_slots: BootSlots) -> None:
        self._database = database
        self._reader = reader
        self._installation = installation
        self._boot_slots = boot_slots

    def take(self, pipe: Pipeline, wanted: SnapshotRequest) -> Snapshot:
        """A snapshot; what it holds is watched from before it was read.

        Both the run and its device are watched: a run is decided by its device, and one device has one active run.

        Args:
            pipe: of the transaction, before MULTI.
            wanted: what it is of.
        """
        batch, reader, also = Batch(), self._reader, wanted.also
        ask_run = reader.ask_run(batch, wanted.run_id)
        ask_record = reader.ask_device_record(batch, wanted.device) if also.device else None
        now, (lost, withheld) = self._database.clock.ask(batch), self._ask_withheld(batch, wanted=also.withheld)
        refused = batch.ask(number, "GET", keys.refused(wanted.run_id)) if also.refused_callbacks else None
        free = self._boot_slots.ask_free(batch) if also.boot_slot else None
        seen_as = batch.ask_guard(text, keys.machine(also.machine)) if also.machine else None
        kept = timelines.ask_kept(batch, wanted.run_id) if also.closing else None
        given_out = ask_given_out(batch, wanted.run_id) if also.given_out else GivenOut
        watched = [keys.run(wanted.run_id), *([keys.device(wanted.device)] if also.device else ())]
        watched += [*(BootSlots.WATCHED if also.boot_slot else ()), *([keys.events(wanted.run_id)] if kept else ())]
        self._database.read_watched(pipe, batch, *watched)
        run = ask_run()
        name = run.device if run else wanted.device
        if ask_record is None:
            record: DeviceRecord | None = DeviceRecord(name=name, state=model.DeviceState.UNKNOWN)
        else:
            record = ask_record() if name == wanted.device else self._record_of(pipe, name)
        return Snapshot(
            run=run,
            device=reader.known_device(name, record, withheld()),
            stored=record,
            now=now(),
            refused_callbacks=refused() if refused else 0,
            is_slot_free=free is not None and free(),
            first_seen_as=seen_as() if seen_as else None,
            lost=lost(),
            kept=kept() if kept else None,
            given_out=given_out(),
        )

    def kept_of(self, pipe: Pipeline, snapshot: Snapshot, after: RunRecord | None) -> timelines.Kept:
        """What is kept of a run that is closed by a change: nothing before there is a record of it.

        Args:
            pipe: of the transaction, before MULTI.
            snapshot: of the run, before the change.
            after: the run as it will be; None: there is none.
        """
        if snapshot.run is None or after is None or not closes(after, snapshot.run):
            return timelines.Kept([], is_alone=True)
        if snapshot.kept is not None:
            return snapshot.kept
        batch = Batch()
        kept = timelines.ask_kept(batch, after.run_id)
        # Watched: a line that is added right now would not be packed, and be deleted.
        self._database.read_watched(pipe, batch, keys.events(after.run_id))
        return kept()

    def _ask_withheld(self, batch: Batch, *, wanted: bool) -> tuple[Asked[str | None], Asked[Withheld]]:
        """What Redis has lost, and why a machine is withheld. Not asked for, both refuse."""
        if not wanted:
            return lambda: Reader.not_read(""), lambda: Reader.not_read
        status = self._installation.ask(batch)
        return lambda: status().withheld, self._reader.withheld_with(lambda: status().withheld, batch)

    def _record_of(self, pipe: Pipeline, name: str) -> DeviceRecord | None:
        """The inventory has the machine under another name now than when the run began."""
        batch = Batch()
        record = self._reader.ask_device_record(batch, name)
        self._database.read_watched(pipe, batch, keys.device(name))
        return record()
