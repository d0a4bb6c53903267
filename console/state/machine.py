"""One machine as the page shows it: its device and its present or last run, and no more than the lists need."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from bringup.model import RunState
from bringup.wire.operator import DeviceView
from bringup.wire.run import Run
from console import words

# Characters of a run's detail in a list: two lines on a narrow screen. The page of the run shows all.
_LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class EventDot:
    """One thing that happened in a run: a dot.

    Args:
        kind: as the timeline of the run names it.
        detail: for people.
        who: did it, if a person did.
    """

    at: datetime
    kind: str
    detail: str = ""
    who: str = ""


# The feed dates the event that ends a run by another clock than the run.
_SAME_EVENT = timedelta(seconds=1)
# The times that a run keeps, in the order of a run, each with the event of its timeline that it is of.
_MILESTONES = (
    ("created_at", "lease"),
    ("boot_started_at", "boot_started"),
    ("media_at", "media_inserted"),
    ("power_requested_at", "power_requested"),
    ("powered_off_at", "powered_off"),
    ("power_on_requested_at", "power_on_requested"),
    ("powered_on_at", "powered_on"),
    ("last_heartbeat_at", "heartbeat"),
)
# What the feed adds to them would be there twice.
MILESTONES = frozenset(kind for _, kind in _MILESTONES)


@dataclass(frozen=True)
class RunLine:
    """A run, as a list shows it. ``events`` in their order."""

    run_id: str
    state: RunState
    decision: str
    reason: str
    detail: str
    boot_slot: str
    boot_group: str
    stage: str
    bmc: str
    hostname: str
    created_at: datetime
    updated_at: datetime
    retry_at: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime | None
    last_heartbeat_at: datetime | None
    events: tuple[EventDot, ...]

    @classmethod
    def of(cls, run: Run, seen: tuple[EventDot, ...] = ()) -> "RunLine":
        """The line of ``run``. ``seen``: what the feed has shown of it besides its milestones."""
        events = [EventDot(at, kind) for name, kind in _MILESTONES if (at := getattr(run, name))]
        if run.ended_at:
            # What ended it is the same event under another name.
            ending = [event for event in seen if abs(event.at - run.ended_at) < _SAME_EVENT]
            who = next((event.who for event in ending if event.who), "")
            events.append(EventDot(run.ended_at, run.state.value, _short(run.detail), who))
            seen = tuple(event for event in seen if event not in ending)
        return cls(
            run_id=run.run_id,
            state=run.state,
            decision=run.decision.value,
            reason=str(run.reason or ""),
            detail=_short(run.detail),
            boot_slot=run.boot_slot,
            boot_group=run.boot_group or "",
            stage=run.stage,
            bmc=run.bmc or "",
            hostname=run.hostname or "",
            created_at=run.created_at,
            updated_at=run.updated_at,
            retry_at=run.retry_at,
            deadline_at=run.deadline_at,
            ended_at=run.ended_at,
            closed_at=run.closed_at,
            last_heartbeat_at=run.last_heartbeat_at,
            events=tuple(sorted([*events, *seen], key=lambda event: event.at)),
        )

    @property
    def is_open(self) -> bool:
        """It has not ended."""
        return self.ended_at is None


@dataclass(frozen=True)
class Machine:
    """One line of the page.

    Args:
        site: SITE_NAME of the API.
        version: the state of the fleet in which it changed last.
        since: when it came into its state; None: the console has not seen that, and its run has no time of it.
    """

    name: str
    device: DeviceView
    run: RunLine | None
    site: str
    version: int
    since: datetime | None = None

    @cached_property
    def state(self) -> str:
        """Its one state, by its name in `console.words.STATES`."""
        run = self.run.state if self.run else None
        return words.state_of(self.device.state, maintenance=self.device.maintenance is not None, run=run)

    @property
    def reason(self) -> str:
        """Why its last run did not pass, by its name in `FailureReason`; empty: it did, or is under way."""
        return self.run.reason if self.run and self.state in _WITH_REASON else ""

    @property
    def rack(self) -> str:
        """Its rack or power circuit: ``boot_group`` of the inventory."""
        return self.device.boot_group or (self.run.boot_group if self.run else "")

    @cached_property
    def text(self) -> str:
        """What a search looks in: names and addresses, in lower case."""
        device, run, identity = self.device, self.run, self.device.identity
        parts = [self.name, device.ip, device.bmc, *device.macs, self.rack, device.product]
        parts += [run.hostname, run.run_id] if run else []
        parts += [identity.serial, identity.sku, identity.asset_tag] if identity else []
        return "\n".join(filter(None, parts)).lower()


def since_by_run(state: str, run: RunLine | None) -> datetime | None:
    """When a machine came into ``state``, as far as the times of its run say it."""
    if run is None or state not in _BEGIN_OF:
        return None
    kinds = _BEGIN_OF[state]
    found = [event.at for event in run.events if event.kind in kinds]
    return run.ended_at if run.ended_at else found[-1] if found else run.created_at


# The events that lead to a state of a machine. The last heartbeat is no begin of ``running``; power-on is near it.
_BEGIN_OF = {
    "queued": frozenset({"lease"}),
    "booting": frozenset({"boot_started"}),
    "waiting": frozenset({"powered_on"}),
    "running": frozenset({"powered_on"}),
    **dict.fromkeys(("passed", "validated", "degraded", "failed", "timed_out", "aborted"), frozenset[str]()),
}
_WITH_REASON = frozenset({"failed", "timed_out", "aborted", "degraded"})


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}..."
