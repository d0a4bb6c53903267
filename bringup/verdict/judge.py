"""The verdict of one report: every judgement, and the state that follows."""

from collections.abc import Iterable, Iterator
from typing import Literal

from bringup.expectation import Expectation
from bringup.model import RunState
from bringup.verdict import disks, hardware, pci, smart
from bringup.wire.report import AgentCheck, CheckResult, CheckStatus, HardwareInventory, Report, Verdict

# The agent must at least have run these; a report without them proves nothing.
_REQUIRED_AGENT_CHECKS = ("memory", "disks", "links", "machine-checks", "inventory")


def judge(report: Report, expectation: Expectation, nic_macs: Iterable[str]) -> Verdict:
    """Compare a report with what the inventory expects.

    Args:
        nic_macs: the host's ports on record (without the BMC's), each of which the report must show, so that the
            report of one machine cannot pass another.

    A machine passes only if something was expected, everything expected was found and every check ran
    and passed. Any failure fails it; otherwise any warning, skip or want of an expectation degrades it.
    """
    found = report.inventory
    checks = (
        *judge_expected(found, expectation),
        *smart.judge_smart(found.disks, required=expectation.smart),
        hardware.judge_identity(found, frozenset(nic_macs)),
        *_agent_checks([check for check in report.checks if not _is_accepted(check, expectation)]),
        *_expectation_exists(expectation),
    )
    return Verdict(state=_state(checks), checks=checks)


def _state(
    checks: Iterable[CheckResult],
) -> Literal[RunState.PASSED, RunState.DEGRADED, RunState.FAILED]:
    statuses = {check.status for check in checks}
    if CheckStatus.FAIL in statuses:
        return RunState.FAILED
    return RunState.PASSED if statuses == {CheckStatus.OK} else RunState.DEGRADED


def judge_expected(found: HardwareInventory, expected: Expectation) -> Iterator[CheckResult]:
    """What is expected of the machine's parts, each beside what was found."""
    yield from hardware.judge_hardware(found, expected)
    if expected.disks:
        yield disks.judge_disks(found.disks, expected.disks)
    yield from hardware.judge_ports(found, expected.ports)
    yield from pci.judge_pcie(found, expected.pcie)
    if expected.gpus is not None:
        yield pci.judge_gpus(found, expected.gpus)
    yield from hardware.judge_firmware(found, expected)


def _is_accepted(check: AgentCheck, expected: Expectation) -> bool:
    """Not every disk has SMART data, and the inventory accepts that: `judge_smart` names the disk."""
    return check.name == "smart" and check.status is CheckStatus.SKIP and not expected.smart


def _agent_checks(checks: Iterable[AgentCheck]) -> list[CheckResult]:
    results = [CheckResult(name=f"agent {c.name}", status=c.status, observed=c.detail) for c in checks]
    missing = set(_REQUIRED_AGENT_CHECKS) - {c.name for c in checks}
    return results + [
        CheckResult(name=f"agent {name}", status=CheckStatus.SKIP, observed="the agent did not report this check")
        for name in sorted(missing)
    ]


def _expectation_exists(expected: Expectation) -> list[CheckResult]:
    if not expected.is_empty:
        return []
    return [
        CheckResult(
            name="expectation",
            status=CheckStatus.WARN,
            observed="the inventory expects nothing of this device",
        )
    ]
