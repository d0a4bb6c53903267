"""The words of the field that every part of bringup shares. No I/O, no settings."""

import re
import time
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from bringup.text import printable

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.ASCII)


def normalise_mac(text: object) -> str:
    """Lower case, colons. Raises ValueError for anything that is not six octets."""
    lower = text.strip().lower() if isinstance(text, str) else ""
    if not _MAC.fullmatch(lower):
        raise ValueError("must be six octets such as 52:54:00:00:0a:01")
    return lower.replace("-", ":")


# What the schema shows: a validator that is a function shows nothing of itself there.
Mac = Annotated[
    str,
    BeforeValidator(normalise_mac),
    Field(json_schema_extra={"pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$"}),
]
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def normalise_fingerprint(text: object) -> str:
    """SHA-256 of a certificate: lower case, no colons, as urllib3 takes it. Raises ValueError."""
    plain = text.strip().lower().replace(":", "") if isinstance(text, str) else ""
    if not _SHA256.fullmatch(plain):
        raise ValueError("must be a SHA-256 fingerprint: 32 octets in hex, with or without colons")
    return plain


Fingerprint = Annotated[
    str,
    BeforeValidator(normalise_fingerprint),
    Field(json_schema_extra={"pattern": "^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$"}),
]
DeviceText = Annotated[str, AfterValidator(printable), Field(max_length=1024)]
# Names one boot of a machine. It has its one limit here: of two limits of one text the schema shows the wrong one.
BootId = Annotated[str, AfterValidator(printable), Field(min_length=1, max_length=64)]
RUN_ID = r"^([0-9a-f]{2}-){6}[0-9]{1,12}$"
RunId = Annotated[str, Field(pattern=RUN_ID)]


class LeaseAction(StrEnum):
    """What happened to a lease."""

    ASSIGNED = "assigned"
    RENEWED = "renewed"
    RELEASED = "released"
    EXPIRED = "expired"


class LeaseEvent(BaseModel):
    """One thing that a DHCP server did with one lease."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mac: Mac  # chaddr, RFC 2131 s.2
    ip: IPv4Address | IPv6Address  # yiaddr, RFC 2131 s.2
    action: LeaseAction
    starts: AwareDatetime
    ends: AwareDatetime | None = None  # None: infinite, or the source does not report it
    hostname: DeviceText | None = None  # option 12, RFC 2132 s.3.14; chosen by the client
    vendor_class: DeviceText | None = None  # option 60, RFC 2132 s.9.13; chosen by the client
    client_id: DeviceText | None = None  # option 61, RFC 2132 s.9.14
    circuit_id: DeviceText | None = None  # option 82.1, RFC 3046 s.3.1
    source: str = Field(max_length=64)

    @property
    def run_id(self) -> str:
        """The name of the run that this lease leads to: the same wherever and whenever it is computed."""
        return run_id_of(self.mac, self.starts)


def run_id_of(mac: str, starts: datetime) -> str:
    """``<mac-with-dashes>-<lease start, seconds since the epoch>``."""
    return f"{mac.replace(':', '-')}-{int(starts.timestamp())}"


class RunState(StrEnum):
    """The state of a run; the transitions are `api.runs.states`."""

    QUEUED = "queued"
    BOOTING = "booting"
    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    DEGRADED = "degraded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    ABORTED = "aborted"
    AUDITED = "audited"  # the lease is on record; nothing was, or will be, powered
    UNKNOWN = "unknown"  # what a newer version wrote, as this one reads it; no event but an abort applies

    @property
    def ended(self) -> bool:
        """No event can change the verdict any more."""
        return self not in _OPEN_STATES


_OPEN_STATES = frozenset({RunState.QUEUED, RunState.BOOTING, RunState.WAITING, RunState.RUNNING, RunState.UNKNOWN})


class DeviceState(StrEnum):
    """The state of a machine."""

    DISCOVERED = "discovered"  # seen on the network, not approved
    APPROVED = "approved"  # the next lease starts a run
    VALIDATING = "validating"
    VALIDATED = "validated"
    FAILED = "failed"
    ACTIVE = "active"  # in service: never powered by bringup
    UNKNOWN = "unknown"  # what a newer version wrote, as this one reads it: never powered either


class Decision(StrEnum):
    """What the API makes of a lease."""

    START = "start"
    AUDIT_ONLY = "audit_only"
    RUNNING = "running"
    UNKNOWN = "unknown"  # what a newer version wrote, as this one reads it


class FailureReason(StrEnum):
    """Why a run did not pass: a closed list, so that it can be counted."""

    BMC_UNREACHABLE = "bmc_unreachable"
    BMC_AUTH = "bmc_auth"
    MEDIA_REJECTED = "media_rejected"
    MEDIA_NOT_READ = "media_not_read"
    NO_BOOT = "no_boot"
    NO_NETWORK = "no_network"
    TLS_CLOCK = "tls_clock"
    TLS_TRUST = "tls_trust"
    CALLBACK_REFUSED = "callback_refused"
    CHECK_FAILED = "check_failed"
    WORKER_LOST = "worker_lost"
    WRONG_MACHINE = "wrong_machine"  # what answers at the BMC's address is not the machine on record
    ABORTED = "aborted"


class JobKind(StrEnum):
    """The jobs that workers do."""

    DISCOVER = "discover"
    BOOT = "boot"
    FINISH = "finish"
    EXPIRE = "expire"


def or_else(fallback: StrEnum) -> BeforeValidator:
    """Read a value that only a newer version knows as ``fallback``."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return type(fallback)(value)  # by call: it knows former words, too (`CheckStatus`)
        except ValueError:
            return fallback

    return BeforeValidator(read)


# For records and replies alone: they may come from a newer version, and one new word must not hide the rest.
# Requests take the enumerations themselves. What is only shown keeps its text; what is acted upon becomes UNKNOWN.
AnyRunState = Annotated[RunState, or_else(RunState.UNKNOWN)]
AnyDeviceState = Annotated[DeviceState, or_else(DeviceState.UNKNOWN)]
AnyDecision = Annotated[Decision, or_else(Decision.UNKNOWN)]
AnyFailureReason = Annotated[FailureReason | str, Field(union_mode="left_to_right")]


def utc_now() -> datetime:
    """Now, with its zone."""
    return datetime.now(UTC)


def boot_clock() -> float:
    """Seconds since the host was started, including the time in which it was suspended: a permit runs on then."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
