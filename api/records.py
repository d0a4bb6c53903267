"""What the API remembers: runs, devices, and the change that one event makes to them."""

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from bringup.inventory import Device
from bringup.model import DeviceState, JobKind
from bringup.wire import DeviceView, Run, TimelineEntry


class DeviceRecord(BaseModel):
    """A device as the API has seen it; what the inventory says of it stays in the inventory."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    state: DeviceState
    unapproved: bool = False  # an operator took the approval of the inventory back
    maintenance: str | None = None
    seen_mac: str | None = None
    ip: str | None = None
    active_run: str | None = None
    last_run: str | None = None
    last_seen_at: AwareDatetime | None = None
    media_sha256: tuple[str, ...] = ()  # of the secrets of the images minted for it: how our medium is recognised


@dataclass(frozen=True)
class KnownDevice:
    """A device with both of its sides. Where they differ, the more careful one counts."""

    record: DeviceRecord
    entry: Device | None
    withheld: str | None = None  # a reason that concerns all machines

    @property
    def state(self) -> DeviceState:
        """Active if either side says so; without an entry in the inventory nothing is approved."""
        if self.entry is None:
            return DeviceState.ACTIVE if self.record.state is DeviceState.ACTIVE else DeviceState.DISCOVERED
        return DeviceState.ACTIVE if self.entry.state is DeviceState.ACTIVE else self.record.state

    @property
    def maintenance(self) -> str | None:
        """The reason why nobody may touch it, if any."""
        return (self.entry.maintenance if self.entry else None) or self.record.maintenance or self.withheld

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
            active_run=self.record.active_run,
            last_run=self.record.last_run,
            last_seen_at=self.record.last_seen_at,
        )

    def with_record(self, **changes: object) -> "KnownDevice":
        """The same device with its record changed."""
        return replace(self, record=self.record.model_copy(update=changes))


@dataclass(frozen=True)
class ImageRead:
    """What was read of a run's image until now; ``parameters``: the run's own were among it."""

    bytes_read: int
    parameters: bool


@dataclass(frozen=True)
class Job:
    """A job that a change calls for; ``at`` None: now."""

    kind: JobKind
    at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """Everything that one event changes. It is written in one transaction, its jobs included, or not at all."""

    run: Run
    device: KnownDevice
    entry: TimelineEntry | None  # None: nothing that a reader of the timeline would miss
    jobs: tuple[Job, ...] = ()
    run_token_sha256: str | None = None
    report: bytes | None = None
