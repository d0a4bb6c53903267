"""Each way in which a run ends: what is wrong with the machine or its BMC, and what the record must show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bringup.model import FailureReason, RunState
from tests.integration.redfish import machines
from tests.integration.redfish.emulator import uuid_of
from tests.integration.redfish.machines import Play
from tests.unit.agent.tree import MAC

FOREIGN_CA = "of a CA that did not sign its certificate"
UUID_OF_ANOTHER = "4c4c4544-0058-4b10-8032-b7c04f4d3133"
MEMORY = "expected.memory_gib"
INSERT = "/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia"
RESET = "/Actions/ComputerSystem.Reset"


@dataclass(frozen=True)
class Case:
    """One machine, and its end.

    Args:
        detail: a part of the run's detail.
        play: what the machine does once it has booted.
        entry: of the inventory, where it is not like all others.
        refuses: the requests that its BMC answers with an error: method, path behind the system's, status.
        fault: of its BMC, and for which path behind the system's; see `emulator.Front`.
        is_powered: whether the run gets as far as the power switch.
        holds_a_disc: that another user has left in the drive.
        loses_its_worker: to a SIGKILL, while the power is switched; the next one starts when the time is up.
    """

    state: RunState
    reason: FailureReason | None
    detail: str
    play: Play = machines.stays_silent
    entry: Mapping[str, Any] = field(default_factory=dict)
    refuses: tuple[str, str, int] | None = None
    fault: tuple[str, str] | None = None
    is_powered: bool = True
    holds_a_disc: bool = False
    loses_its_worker: bool = False


def _at_the_bmc(reason: FailureReason, detail: str, **more: Any) -> Case:
    return Case(RunState.FAILED, reason, detail, is_powered=False, **more)


CASES = {
    "all is well": Case(
        RunState.PASSED, None, "", play=machines.runs_the_agent, entry={"nic_macs": [MAC], MEMORY: 0.1875}
    ),
    "the BMC answers 503": _at_the_bmc(FailureReason.BMC_UNREACHABLE, "answered 503", refuses=("GET", "", 503)),
    "the BMC answers too late": _at_the_bmc(FailureReason.BMC_UNREACHABLE, "timed out", fault=("slow", "")),
    "the password is refused": _at_the_bmc(
        FailureReason.BMC_AUTH, "asked to log in, answered 401", entry={"credential": "wrong"}
    ),
    "the BMC's certificate is of another CA": _at_the_bmc(
        FailureReason.BMC_AUTH, "showed a certificate that is not trusted", entry={"bmc_ca": FOREIGN_CA}
    ),
    "the image is refused": _at_the_bmc(
        FailureReason.MEDIA_REJECTED, "/images/***/bringup-validation.iso, answered 400", refuses=("POST", INSERT, 400)
    ),
    "the image is accepted and not put in": _at_the_bmc(
        FailureReason.MEDIA_REJECTED, "accepted it and holds nothing", fault=("fetches_nothing", "")
    ),
    "another user's medium is in": _at_the_bmc(
        FailureReason.MEDIA_REJECTED, "holds a medium that is not ours", holds_a_disc=True
    ),
    "another machine answers": _at_the_bmc(
        FailureReason.WRONG_MACHINE, f"the inventory has uuid {UUID_OF_ANOTHER}", entry={"uuid": UUID_OF_ANOTHER}
    ),
    "the image is shown and never read": Case(
        RunState.TIMED_OUT, FailureReason.MEDIA_NOT_READ, "of its image nothing was read", fault=("fetches_later", "")
    ),
    "the machine hangs": Case(RunState.TIMED_OUT, FailureReason.NO_BOOT, "the image was read (0.1 MiB) but"),
    "the machine falls silent": Case(
        RunState.TIMED_OUT, FailureReason.NO_NETWORK, "heartbeats stopped", play=machines.falls_silent
    ),
    "the API's certificate has expired": Case(
        RunState.FAILED, FailureReason.TLS_CLOCK, "has expired", play=machines.meets_an_expired_certificate
    ),
    "the image carries another CA": Case(
        RunState.FAILED,
        FailureReason.TLS_TRUST,
        "the server's CA is not the one in API_TLS_CA",
        play=machines.trusts_another_ca,
    ),
    "the machine bears another token": Case(
        RunState.TIMED_OUT, FailureReason.CALLBACK_REFUSED, "bore a wrong token", play=machines.bears_another_token
    ),
    "memory is missing": Case(
        RunState.FAILED,
        FailureReason.CHECK_FAILED,
        "memory: expected 64 GiB, found 0.1875 GiB",
        play=machines.runs_the_agent,
        entry={MEMORY: 64},
    ),
    "its worker is killed": Case(
        RunState.TIMED_OUT,
        FailureReason.WORKER_LOST,
        "no worker completed the boot in time",
        fault=("slow", RESET),
        loses_its_worker=True,
    ),
    "the operator ends it": Case(RunState.ABORTED, FailureReason.ABORTED, "the wrong rack", play=machines.is_aborted),
}
UUIDS = {name: uuid_of(number) for number, name in enumerate(CASES)}


def faults() -> dict[str, Any]:
    """Of all BMCs together, as the emulator is given them."""
    found: dict[str, Any] = {"answers": [], "slow_s": 9}
    for name, case in CASES.items():
        if case.fault:
            found.setdefault(case.fault[0], []).append(UUIDS[name] + case.fault[1])
        if case.refuses:
            method, path, status = case.refuses
            refusal = {"method": method, "path": UUIDS[name] + path, "status": status, "times": 10_000}
            found["answers"].append(refusal)
    return found
