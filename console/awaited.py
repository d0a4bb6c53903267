"""What a machine waits for: what it is, who sends it, until when, and what a person can do next. Pure."""

from dataclasses import dataclass
from datetime import datetime

from bringup.failure_reasons import EXPLANATIONS
from bringup.model import FailureReason
from console.state.machine import Machine


@dataclass(frozen=True)
class Awaited:
    """What comes next for a machine.

    Args:
        what: is awaited; empty: nothing.
        by: whose turn it is.
        until: when it must have come; None: there is no limit.
        do: what a person does now; empty: nothing but wait.
    """

    what: str
    by: str = ""
    until: datetime | None = None
    do: str = ""


def awaited(machine: Machine) -> Awaited:
    """What ``machine`` waits for now."""
    run = machine.run
    if run and run.is_open:
        return _of_open_run(machine, machine.state)
    if run and run.closed_at is None and run.decision == "start" and not machine.reason:
        return Awaited(
            "the next try of the clean-up" if run.retry_at else "the clean-up at its BMC", "a worker", run.retry_at
        )
    return _at_rest(machine)


def _of_open_run(machine: Machine, state: str) -> Awaited:
    run = machine.run
    until = run.deadline_at if run else None
    if state == "queued" and run and run.boot_slot == "waits":
        return Awaited("a boot slot", "other machines that boot now", None, "")
    if state == "booting" and run and run.retry_at:
        return Awaited("the next try at its BMC", "a worker", run.retry_at, "See why on the page of its run.")
    found = {
        "queued": Awaited("a worker for the boot job", "bringup work", until),
        "booting": Awaited(
            "the BMC: medium, boot order, power", f"BMC {run.bmc}" if run and run.bmc else "its BMC", until
        ),
        "waiting": Awaited("its first call", "the machine", until),
        "running": Awaited("its report", "the machine", until),
    }
    return found.get(state, Awaited("the end of its run", "", until))


def _at_rest(machine: Machine) -> Awaited:
    reason = machine.reason
    if machine.state in {"failed", "timed_out", "aborted"}:
        end = "" if look_at(reason).endswith("?") else "."
        return Awaited("a person", "an operator", None, f"Look at: {look_at(reason)}{end} Then start another run.")
    found = {
        "degraded": Awaited(
            "a decision", "an operator", None, "Read the differences; put it in service, or start another run."
        ),
        "discovered": Awaited("approval", "an operator", None, "Add it to devices.toml, which approves it."),
        "approved": Awaited("its next DHCP lease", "the machine", None, "Or start a run without a lease."),
        "maintenance": Awaited("the end of its maintenance", "an operator"),
    }
    return found.get(machine.state, Awaited(""))


def look_at(reason: str) -> str:
    """The first place to look at for a failure reason, as a part of a sentence."""
    if reason in _ON_THE_PAGE:
        return _ON_THE_PAGE[reason]
    return EXPLANATIONS[FailureReason(reason)].look if reason in set(FailureReason) else "the page of its run"


# Where the general text names a command, the page has it.
_ON_THE_PAGE = {
    FailureReason.CHECK_FAILED.value: "the verdict of its run",
    FailureReason.ABORTED.value: "why it was aborted, in its run",
}


def meaning(reason: str) -> str:
    """What a failure reason means, in one line; empty for one that only a newer version knows."""
    return EXPLANATIONS[FailureReason(reason)].meaning if reason in set(FailureReason) else ""
