"""A BMC and an API in memory: the API with the real rules, the BMC with a machine that counts its starts."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import zip_longest
from typing import Any, TypeVar, cast

from api.runs import events, machine_events
from api.runs.admission import opened_by
from api.runs.permits import COVERS
from api.runs.records import Change, DeviceRecord, KnownDevice, NewImage, NewSecrets
from api.runs.states import RunContext
from bringup.errors import ApiRejected, BmcBusy, InvalidTransition, NotYet, PowerRefused, TransientError
from bringup.inventory import Device, Inventory
from bringup.model import DeviceState, FailureReason, LeaseAction, LeaseEvent, utc_now
from bringup.settings import Settings
from bringup.wire.machine import Heartbeat
from bringup.wire.run import MachineIdentity, Run, RunDetail, TimelineEntry
from bringup.wire.run_events import PERMIT_S, EventType, RunEvent, RunEventReply, RunMedia, RunStep
from workers.bmc import Bmc, OwnMedia, Permit, ReportedIdentity
from workers.job import AllowedJob, Task
from workers.job_context import Callback, JobContext

_Result = TypeVar("_Result")
MAC = "02:00:00:00:00:01"
LEASE = LeaseEvent(
    mac=MAC,
    ip=IPv4Address("192.0.2.1"),
    action=LeaseAction.ASSIGNED,
    starts=datetime(2026, 1, 1, tzinfo=UTC),
    source="tests",
)
RUN_ID = LEASE.run_id
BOOT_METHODS = {"cd"}  # of the machines of the fakes
RETRY_S = 7.0  # until a job of the fakes runs again


class Killed(BaseException):
    """What SIGKILL is to a process, this is to a job in a test."""


class Calls:
    """Every call to the outside passes here; a test may step in before or after any of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._at: dict[tuple[int, str], Callable[[], None]] = {}

    def step_in(self, number: int, when: str, act: Callable[[], None]) -> None:
        """Do ``act`` ``when`` ("before" or "after") the call with this number, counted from now, once."""
        self._at[len(self.names) + number, when] = act

    def kill(self, number: int, when: str) -> None:
        """End the job there, as SIGKILL would."""

        def die() -> None:
            raise Killed

        self.step_in(number, when, die)

    def through(self, name: str, call: Callable[[], _Result]) -> _Result:
        """Make ``call``."""
        number = len(self.names)
        self.names.append(name)
        self._at.pop((number, "before"), lambda: None)()
        result = call()
        self._at.pop((number, "after"), lambda: None)()
        return result


class Clock:
    """The time of one world: it moves when a job sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeBmc:
    """A BMC and its machine. ``ignores`` and ``delay`` make it accept a switch and do it never or late.

    ``foreign``: a medium that another user has put in.
    """

    calls: Calls = field(default_factory=Calls)
    on: bool = False
    ignores: bool = False
    delay: int = 0  # looks until a switch shows
    power_on_count: int = 0
    power_off_count: int = 0
    media: RunMedia | None = None
    foreign: str | None = None
    override: str | None = None
    booted: RunMedia | None = None
    is_machine: ReportedIdentity = field(default_factory=ReportedIdentity)
    closed: int = 0
    power_settle_s: float = 20.0
    busy: int = 0  # so many writes are refused because the host is in POST
    _wanted: bool | None = None
    _looks: int = 0

    def connect(self) -> None:
        """Always ready."""

    def identity(self) -> ReportedIdentity:
        return self.calls.through("identity", lambda: self.is_machine)

    def power_state(self) -> str:
        return self.calls.through("power_state", self._look)

    def holds_media(self, own: OwnMedia) -> bool:
        return self.calls.through("holds_media", lambda: self._holds(own))

    def has_boot_override(self) -> bool:
        return self.calls.through("has_boot_override", lambda: self.override in BOOT_METHODS)

    def insert_media(self, media: RunMedia, permit: Permit) -> None:
        self._write("insert_media", permit, lambda: self._set(media=media))

    def eject_media(self, own: OwnMedia, permit: Permit) -> None:
        def eject() -> None:
            if self._holds(own):
                self._set(media=None)

        self._write("eject_media", permit, eject)

    def set_boot_once(self, boot_method: str, permit: Permit) -> None:
        self._write("set_boot_once", permit, lambda: self._set(override=boot_method))

    def restore_boot(self, permit: Permit) -> None:
        """One to another target was set by an administrator: it stays, as a real driver has it."""
        kept = None if self.override in BOOT_METHODS else self.override
        self._write("restore_boot", permit, lambda: self._set(override=kept))

    def power_on(self, permit: Permit) -> None:
        self._write("power_on", permit, lambda: self._switch(on=True))

    def power_off(self, permit: Permit) -> None:
        self._write("power_off", permit, lambda: self._switch(on=False))

    def _holds(self, own: OwnMedia) -> bool:
        return self.media is not None and self.media.run_id == own.run_id

    def _write(self, name: str, permit: Permit, act: Callable[[], None]) -> None:
        def act_with_permit() -> None:
            permit.require()
            if self.busy:
                self.busy -= 1
                raise BmcBusy("waiting for the host to leave POST", reason=FailureReason.NO_BOOT)
            act()

        self.calls.through(name, act_with_permit)

    def close(self) -> None:
        self.closed += 1

    def _set(self, **what: Any) -> None:
        for name, value in what.items():
            setattr(self, name, value)

    def _look(self) -> str:
        if self._wanted is not None and self._looks >= self.delay:
            self._become(on=self._wanted)
        self._looks += 1
        return "On" if self.on else "Off"

    def _switch(self, *, on: bool) -> None:
        if self.ignores:
            return
        self._wanted, self._looks = on, 0
        if not self.delay:
            self._become(on=on)

    def _become(self, *, on: bool) -> None:
        self._wanted = None
        if on == self.on:
            return
        self.on = on
        if on:
            self.power_on_count += 1
            self.booted, self.override = (self.media if self.override else None), None
        else:
            self.power_off_count += 1


class FakeApi:
    """The callback API over one run in memory: every change is made by the rules of ``api.runs``."""

    def __init__(self, settings: Settings, calls: Calls, clock: Clock) -> None:
        self.settings = settings
        self.calls = calls
        self._clock = clock
        self._began_at = utc_now()
        self.entry = Device(name="m1", bmc_mac=MAC, bmc="simulated://127.0.0.1:9/m1")
        self.others: list[Device] = []  # of the inventory
        self._kept: tuple[tuple[Device, ...], Inventory] | None = None
        self.tokens = 0
        self.names_what_a_permit_covers = True  # one of a version before does not
        self.image_url: str | None = None
        self.device = KnownDevice(DeviceRecord(name="m1", state=DeviceState.APPROVED), self.entry)
        opened = opened_by(LEASE, self.device, utc_now())
        assert opened
        self.timeline: list[TimelineEntry] = []
        self._apply(opened)

    def run(self, run_id: str) -> RunDetail:
        return self.calls.through("run", lambda: self._detail(run_id))

    def post_event(
        self,
        run_id: str,
        what: EventType,
        *,
        fencing_token: str = "",
        detail: str = "",
        reason: FailureReason | None = None,
        identity: MachineIdentity | None = None,
        before: tuple[RunStep, ...] = (),
        wants_run: bool = False,
        retry_in_s: float | None = None,
        wants_media: bool = False,
    ) -> RunEventReply:
        event = RunEvent(
            type=what,
            owner=fencing_token,
            detail=detail,
            reason=reason,
            identity=identity,
            before=before,
            wants_run=wants_run,
            retry_in_s=retry_in_s,
            wants_media=wants_media,
        )
        named = before[-1].type if before and what is EventType.PERMIT_RETURNED else what
        return self.calls.through(f"post_event {named}", lambda: self._event(run_id, event))

    def heartbeat(self) -> None:
        """The machine calls."""
        self._apply(machine_events.heartbeat(self._context(), Heartbeat(boot_id="b", uptime_s=1)))

    def abort(self) -> None:
        """The operator ends the run."""
        self._apply(events.abort(self._context(), "enough"))

    def put_device(self, **record: object) -> None:
        """The operator changes the device."""
        self.device = self.device.with_record(**record)

    @property
    def secret(self) -> str:
        """In the address of the newest image."""
        return f"{self.tokens:043d}"

    def _detail(self, run_id: str) -> RunDetail:
        self._require_known(run_id)
        return RunDetail(
            **dict(self.state.view()), timeline=tuple(self.timeline), media_sha256=self.device.record.media_sha256
        )

    def _require_known(self, run_id: str) -> None:
        if run_id != RUN_ID:
            raise ApiRejected("there is no such run", kind="unknown_run")

    def _prepared(self) -> NewSecrets:
        self.tokens += 1
        digest = hashlib.sha256(self.secret.encode()).hexdigest()
        return NewSecrets("", NewImage(digest, "", b"", ()))

    def _media(self) -> RunMedia:
        return RunMedia(
            run_id=RUN_ID,
            callback_url="http://api",
            epoch=self.tokens,  # tells one minting from another
            image_url=self.image_url and self.image_url.format(secret=self.secret),
        )

    def _event(self, run_id: str, event: RunEvent) -> RunEventReply:
        self._require_known(run_id)
        made = self._prepared() if event.wants_media else None
        try:
            change = self._ruled(lambda: events.worker_event(self._context(), event, made))
        except NotYet as early:
            return RunEventReply(state=self.state.state, next_s=early.retry_in_s)
        self._apply(change)
        run = self._detail(run_id) if event.wants_run else None
        permit_s, media = PERMIT_S if change.permits_power else None, self._media() if change.secrets else None
        covers = COVERS.get(event.type, ()) if change.permits_power and self.names_what_a_permit_covers else ()
        return RunEventReply(
            state=self.state.state,
            reason=self.state.reason,
            permit_s=permit_s,
            covers=covers,
            run=run,
            media=media,
        )

    def _ruled(self, compute: Callable[[], Change]) -> Change:
        try:
            return compute()
        except PowerRefused as error:
            raise ApiRejected(str(error), kind="power_refused") from None
        except InvalidTransition as error:
            raise ApiRejected(str(error), kind="stale") from None

    def _context(self) -> RunContext:
        now = self._began_at + timedelta(seconds=self._clock())
        return RunContext(self.state, self.device, now, self.settings, inventory=self._inventory())

    def _inventory(self) -> Inventory:
        entries = (self.entry, *self.others)
        if not self._kept or any(new is not old for new, old in zip_longest(entries, self._kept[0])):
            self._kept = (entries, Inventory(entries))  # thousands of worlds ask; to build one takes a third of a boot
        return self._kept[1]

    def _apply(self, change: Change) -> None:
        self.state, self.device = change.run, change.device
        self.timeline += change.lines


class World:
    """One machine, its run, and the means to let jobs at them."""

    def __init__(self, settings: Settings, *, machine_is_on: bool = False) -> None:
        self.calls = Calls()
        self.bmc = FakeBmc(self.calls, on=machine_is_on)
        self.clock = Clock()
        self.api = FakeApi(settings, self.calls, self.clock)
        self.boot_in_flight = False
        self.meta: dict[str, Any] = {}  # of the job: it stays when the job runs again
        self.settings = settings
        self.use(lambda _run, _settings: self.bmc)

    def use(self, make_bmc: Callable[[Run, Settings], Bmc]) -> None:
        """Another BMC; the worker's settings are read anew."""
        self.context = JobContext(
            self.settings,
            cast("Callback", self.api),
            boot_in_flight=lambda _run_id: self.boot_in_flight,
            make_bmc=make_bmc,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def task(self) -> Task:
        """A new execution of the job."""
        return Task(cast("AllowedJob", _FakeJob(self.meta, self.clock)))


class _FakeJob:
    def __init__(self, meta: dict[str, Any], clock: Clock) -> None:
        self.meta = meta
        self.connection = _FakeRedis(clock)

    def save_meta(self) -> None:
        """Nothing is kept but in the dict."""

    def retry_in_s(self, error: TransientError) -> float:
        """As a BMC asks, or a while."""
        return error.retry_in_s or RETRY_S


class _FakeRedis:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def time(self) -> tuple[int, int]:
        """Source: https://redis.io/docs/latest/commands/time/"""
        return int(self._clock.now), int(self._clock.now % 1 * 1e6)
