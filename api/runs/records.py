"""What the API remembers: runs, devices, and the change that one event makes to them.

A record may have been written by a newer version, before a rollback. So it is read tolerantly: a field that we do
not know is left where it is, a value that we do not know reads as UNKNOWN, and `api.state.store` writes only what
changed.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from bringup import inventory, model
from bringup.wire.operator import DeviceView
from bringup.wire.run import MachineIdentity, Run, RunFields, TimelineEntry

# Made once: to build an adapter takes longer than to read the value.
_STATE: TypeAdapter[model.RunState] = TypeAdapter(model.AnyRunState)
# Of an entry of the inventory: where the BMC is, and how it proves itself.
_OF_INVENTORY = {"bmc", "bmc_ca", "bmc_fingerprint", "bmc_verify", "boot_group"}

# Of a device that the inventory does not know: nothing makes these less careful.
_GUARDED = {model.DeviceState.ACTIVE, model.DeviceState.UNKNOWN}


class StoredRecord(BaseModel):
    """Base of what is stored: one field of a Redis hash for each field here. New fields need a default."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


class RunRecord(StoredRecord, RunFields):
    """A run as it is stored."""

    bmc_seal: str = ""  # of the API, on how the BMC is reached: `api.runs.bmc_of_run`
    # The latest execution of the boot job. It stays one field, under its first name: of two fields each version would
    # check another, and during an upgrade a worker that was replaced would go on.
    fencing_token: str = Field("", alias="boot_owner")
    identity_owner: str = ""  # fencing token of the worker that has read it last
    permit_owner: str = ""  # fencing token of the worker that has the last permit, and may still use it
    permit_ends_at: AwareDatetime | None = None  # None: nothing is under way
    # Of the token and of the secret in the address of the image that were given out last; empty: none. None: by an API
    # before 0.2, which keeps them in keys of their own (`api.state.run_secrets`).
    token_sha256: str | None = None
    image_sha256: str | None = None

    def view(self) -> Run:
        """For workers and people."""
        return Run.model_validate(self)


def read_state(stored: bytes) -> model.RunState:
    """A run's state, from the field of its record alone."""
    return _STATE.validate_json(stored)


def recorded_state(state: model.DeviceState, entry: model.DeviceState | None, *, unapproved: bool) -> model.DeviceState:
    """The state on a device's record, or in its entry of the inventory if it has come there since it was seen.

    Args:
        state: on its record.
        entry: its state in the inventory; None: it is not there.
        unapproved: an operator took the approval of the inventory back.
    """
    return entry if entry and state is model.DeviceState.DISCOVERED and not unapproved else state


def careful_state(state: model.DeviceState, entry: model.DeviceState | None) -> model.DeviceState:
    """Active by either side is active; without an entry in the inventory nothing is approved.

    Args:
        state: by `recorded_state`.
        entry: the state in the inventory; None: it has no entry.
    """
    if entry is None:
        return state if state in _GUARDED else model.DeviceState.DISCOVERED
    return model.DeviceState.ACTIVE if entry is model.DeviceState.ACTIVE else state


class DeviceRecord(StoredRecord):
    """A device as the API has seen it; its entry stays in the inventory."""

    name: str
    state: model.AnyDeviceState
    unapproved: bool = False  # an operator took the approval of the inventory back
    maintenance: str | None = None
    seen_mac: str | None = None
    ip: str | None = None
    active_run: str | None = None
    last_run: str | None = None
    last_seen_at: AwareDatetime | None = None
    identity: MachineIdentity | None = None  # as seen at the first contact; the inventory goes before it
    product: str | None = None  # its model, as its last report names it
    media_sha256: tuple[str, ...] = ()  # of the secrets of the images made for it: how our medium is recognised


@dataclass(frozen=True)
class KnownDevice:
    """A device with both of its sides. Where they differ, the more careful one counts."""

    record: DeviceRecord
    entry: inventory.Device | None
    withheld: str | None = None  # a reason that is neither in its record nor in the inventory

    @property
    def state(self) -> model.DeviceState:
        """By both sides."""
        return careful_state(self.record.state, self.entry.state if self.entry else None)

    @property
    def maintenance(self) -> str | None:
        """The reason why nothing may be written to it, if any."""
        return (self.entry.maintenance if self.entry else None) or self.record.maintenance or self.withheld

    @property
    def is_withheld_alone(self) -> bool:
        """Whether nothing but `withheld` is the reason of its maintenance."""
        return self.maintenance is not None and replace(self, withheld=None).maintenance is None

    @property
    def boot_group(self) -> str | None:
        """The rack or power circuit whose limit its boots share, if any."""
        return self.entry.boot_group if self.entry else None

    def view(self) -> DeviceView:
        """For people."""
        seen = (self.record.seen_mac,) if self.record.seen_mac else ()
        return DeviceView(
            name=self.record.name,
            state=self.state,
            maintenance=self.maintenance,
            macs=self.entry.macs if self.entry else seen,
            ip=self.record.ip,
            in_inventory=self.entry is not None,
            **(self.entry.model_dump(include=_OF_INVENTORY) if self.entry else {}),
            active_run=self.record.active_run,
            last_run=self.record.last_run,
            last_seen_at=self.record.last_seen_at,
            identity=self.record.identity,
            product=self.record.product,
        )

    def with_record(self, **changes: object) -> "KnownDevice":
        """The same device with its record changed."""
        return replace(self, record=self.record.model_copy(update=changes))


@dataclass(frozen=True)
class ImageRead:
    """What was read of a run's image until now, by those who are given its parameters.

    Args:
        parameters: the run's own were among it.
        other_reader: address of the first who read it without them; empty: nobody did.
    """

    bytes_read: int
    parameters: bool
    other_reader: str = ""


@dataclass(frozen=True)
class Job:
    """A job that a change calls for; ``at`` None: now."""

    kind: model.JobKind
    at: datetime | None = None


@dataclass(frozen=True)
class Noted:
    """A line on a run's timeline; nothing else changes."""

    run: RunRecord
    entry: TimelineEntry


@dataclass(frozen=True)
class NewImage:
    """An image of a run. The one before it is not found any more.

    Args:
        locator: SHA-256 of the secret in its address, hexadecimal.
        base: digest of the base image.
        encrypted: the run's parameters.
        readers: addresses that are given them.
    """

    locator: str
    base: str
    encrypted: bytes
    readers: tuple[str, ...]


@dataclass(frozen=True)
class NewSecrets:
    """The token of a run, and its image. The token before it stops working.

    Args:
        token_sha256: of the token, hexadecimal.
        image: None: the machine boots no image of ours.
    """

    token_sha256: str
    image: NewImage | None


@dataclass(frozen=True)
class Change:
    """Everything that one event changes. It is written in one transaction, its jobs included, or not at all."""

    run: RunRecord
    device: KnownDevice
    entry: TimelineEntry | None  # None: nothing that a reader of the timeline would miss, such as a heartbeat
    jobs: tuple[Job, ...] = ()
    earlier: tuple[TimelineEntry, ...] = ()  # of the steps that were posted with the event, before its own line
    report: bytes | None = None
    secrets: NewSecrets | None = None
    permits_power: bool = False  # answered only when the change cannot be lost any more

    @property
    def lines(self) -> tuple[TimelineEntry, ...]:
        """What it adds to the timeline, oldest first."""
        return (*self.earlier, self.entry) if self.entry else self.earlier
