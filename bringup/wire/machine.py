"""What a booted machine is given, and what it sends besides its report."""

import operator
from typing import Literal

from pydantic import Field, NonNegativeFloat

from bringup.model import AnyRunState, BootId, DeviceText, FailureReason, RunId
from bringup.wire.message import Message

# The base image holds one area of this many bytes that begins with this line and is otherwise blank. The API
# serves the image with the area replaced by a `RunParameters` as JSON, filled up with blanks.
AREA_SIZE = 64 * 1024


AREA_HEAD = b"#BRINGUP-RUN-PARAMETERS-V1 size=65536\n"


IMAGE_FILE = "bringup-validation.iso"  # how every image is called at the end of its address


class RunParameters(Message):
    """What the agent must know of its run. It holds secrets: it goes to the machine's BMC and nowhere else."""

    version: Literal[1] = 1
    run_id: RunId
    callback_url: str  # with /api/v1, without a slash at its end
    # Of the other API hosts. Left out where there is none, for an agent of version 0.1 refuses what it does not know.
    other_callback_urls: tuple[str, ...] = Field((), exclude_if=operator.not_)
    token: str = Field(repr=False)
    epoch: int  # seconds; the machine's clock is never set to before this
    ca_pem: str | None = None  # the only trust anchors for callback_url; None with plain HTTP
    client_cert_pem: str | None = None  # for this run only, where the API asks machines for a certificate
    client_key_pem: str | None = Field(None, repr=False)
    after: Literal["poweroff", "wait"] = "wait"  # what the agent does once its run has ended
    lldp_wait_s: NonNegativeFloat = 35  # neighbours announce themselves every 30 s


class Heartbeat(Message):
    """A sign of life of a booted machine."""

    boot_id: BootId
    uptime_s: NonNegativeFloat
    stage: DeviceText = ""


class HeartbeatReply(Message):
    """When to call again, and whether to go on at all."""

    next_s: NonNegativeFloat
    command: Literal["continue", "abort"]


class ReportReply(Message):
    """The report is on record."""

    run_id: RunId
    state: AnyRunState
    replay: bool


class TlsFailure(Message):
    """The machine does not trust the API, and reports that without trusting it: nothing secret is in here.

    ``proof`` is the hex HMAC-SHA256 of ``RUN_ID:REASON`` under the hex SHA-256 of the run token (both as ASCII):
    it proves that the machine holds the token, without showing it.
    """

    reason: Literal[FailureReason.TLS_TRUST, FailureReason.TLS_CLOCK]
    proof: str = Field(pattern=r"^[0-9a-f]{64}$")
    boot_id: BootId
    detail: DeviceText = ""


class TlsFailureReply(Message):
    """The failure is on record, and the run has ended with it."""

    run_id: RunId
    state: AnyRunState


class Artifact(Message):
    """A log that the machine of a run has left. ``size`` in bytes."""

    name: str
    size: int
