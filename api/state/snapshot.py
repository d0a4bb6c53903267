"""What a change is computed from: read in one round trip, and watched until the change is written."""

from dataclasses import dataclass
from datetime import datetime

from api.runs.records import DeviceRecord, KnownDevice, RunRecord
from api.state.batch import Batch, ask_now, number, text
from api.state.boot_slots import BootSlots
from api.state.installation import Installation
from api.state.reader import Reader
from api.state.redis import Database, Pipeline
from bringup import keys


@dataclass(frozen=True)
class SnapshotRequest:
    """What a snapshot is taken of.

    Args:
        run_id: of the run.
        device: name of its device; that of the run, where the run is on record, counts.
        boot_slot: whether a run may get a boot slot by the change.
        machine: the UUID of a machine of which is asked as which device it was seen first.
    """

    run_id: str
    device: str
    boot_slot: bool = False
    machine: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A run and its device as they are now.

    Args:
        run: None: there is none.
        device: a new one, where neither the inventory nor a lease has named it.
        stored: what is on record of the device; None: nothing.
        now: by Redis's clock.
        refused_callbacks: how many calls for the run had a wrong token or certificate.
        is_slot_free: whether a boot slot is free, and stays so until the change is written; False where none is wanted.
        first_seen_as: name of the device as which the machine was seen first that was asked for.
        lost: what Redis has lost; None: nothing.
    """

    run: RunRecord | None
    device: KnownDevice
    stored: DeviceRecord | None
    now: datetime
    refused_callbacks: int
    is_slot_free: bool
    first_seen_as: str | None
    lost: str | None


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
        batch, reader = Batch(), self._reader
        ask_run, ask_record = reader.ask_run(batch, wanted.run_id), reader.ask_device_record(batch, wanted.device)
        status, withheld = self._installation.ask(batch), reader.ask_withheld(batch)
        now, refused = ask_now(batch), batch.ask(number, "GET", keys.refused(wanted.run_id))
        free = self._boot_slots.ask_free(batch) if wanted.boot_slot else None
        seen_as = batch.ask(text, "GET", keys.machine(wanted.machine)) if wanted.machine else None
        watched = [keys.run(wanted.run_id), keys.device(wanted.device)]
        self._database.read_watched(pipe, batch, *watched, *(BootSlots.WATCHED if wanted.boot_slot else ()))
        run, name, record = ask_run(), wanted.device, ask_record()
        if run and run.device != name:
            name, record = run.device, self._record_of(pipe, run)
        return Snapshot(
            run=run,
            device=reader.known_device(name, record, withheld()),
            stored=record,
            now=now(),
            refused_callbacks=refused(),
            is_slot_free=free is not None and free(),
            first_seen_as=seen_as() if seen_as else None,
            lost=status().withheld,
        )

    def _record_of(self, pipe: Pipeline, run: RunRecord) -> DeviceRecord | None:
        """The inventory has the machine under another name now than when the run began."""
        batch = Batch()
        record = self._reader.ask_device_record(batch, run.device)
        self._database.read_watched(pipe, batch, keys.device(run.device))
        return record()
