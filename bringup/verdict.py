"""The verdict: what a report means for a machine. Pure; the only place where one is made."""

from collections.abc import Iterable
from typing import Literal

from bringup.inventory import GIB, Expectation, ExpectedDisk
from bringup.model import RunState
from bringup.wire import AgentCheck, CheckResult, CheckStatus, Disk, HardwareInventory, Report, Verdict

# Firmware and kernel keep some memory for themselves; a missing DIMM is far more than this share.
MEMORY_TOLERANCE = 0.03
_LONGEST = 400
# The agent must at least have run these; a report without them proves nothing.
REQUIRED_AGENT_CHECKS = ("memory", "disks", "links")


def judge(report: Report, expectation: Expectation, nic_macs: Iterable[str]) -> Verdict:
    """Compare a report with what the inventory expects.

    Args:
        nic_macs: the host's ports on record, of which the report must show at least one, so that the
            report of one machine cannot pass another.

    A machine passes only if something was expected, everything expected was found and every check ran
    and passed. Any failure fails it; otherwise any warning, skip or want of an expectation degrades it.
    """
    found = report.inventory
    checks = (
        *_hardware(found, expectation),
        _identity(found, frozenset(nic_macs)),
        *_agent_checks(report.checks),
        *_expectation_exists(expectation),
    )
    return Verdict(state=_state(checks), checks=checks)


def _state(
    checks: Iterable[CheckResult],
) -> Literal[RunState.PASSED, RunState.DEGRADED, RunState.FAILED]:
    statuses = {check.status for check in checks}
    if CheckStatus.FAIL in statuses:
        return RunState.FAILED
    return RunState.PASSED if statuses == {CheckStatus.PASS} else RunState.DEGRADED


def _hardware(found: HardwareInventory, expected: Expectation) -> list[CheckResult]:
    checks = []
    if expected.memory_gib is not None:
        checks.append(_memory(found.memory.physical_mb, expected.memory_gib))
    if expected.cpu_count is not None:
        checks.append(_compare("CPU count", expected.cpu_count, found.cpu.count))
    if expected.nics is not None:
        checks.append(_compare("NICs", expected.nics, len(found.interfaces)))
    if expected.serial is not None:
        checks.append(_compare("serial", expected.serial, found.system_vendor.serial_number))
    if expected.disks:
        checks.append(_disks(found.disks, expected.disks))
    return checks


def _compare(name: str, expected: object, observed: object) -> CheckResult:
    status = CheckStatus.PASS if expected == observed else CheckStatus.FAIL
    return CheckResult(name=name, status=status, expected=str(expected), observed=str(observed))


def _shortened(text: str) -> str:
    """A machine may report thousands of parts; its verdict must fit in a table."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _memory(physical_mb: int, expected_gib: float) -> CheckResult:
    observed_gib = physical_mb * 1024**2 / GIB
    close = abs(observed_gib - expected_gib) <= expected_gib * MEMORY_TOLERANCE
    status = CheckStatus.PASS if close else CheckStatus.FAIL
    return CheckResult(name="memory", status=status, expected=f"{expected_gib:g} GiB", observed=f"{observed_gib:g} GiB")


def _disks(found: Iterable[Disk], expected: Iterable[ExpectedDisk]) -> CheckResult:
    """Every expected disk takes the smallest found one that is large enough."""
    free = sorted(disk.size for disk in found)
    observed = _shortened(", ".join(f"{size // 10**9} GB" for size in free) or "none")
    wanted = sorted(d.size_gb for d in expected for _ in range(d.count))
    missing = False
    for size_gb in wanted:
        fit = next((size for size in free if size >= size_gb * 10**9), None)
        if fit is None:
            missing = True
        else:
            free.remove(fit)
    return CheckResult(
        name="disks",
        status=CheckStatus.FAIL if missing else CheckStatus.PASS,
        expected=", ".join(f"{size} GB" for size in wanted),
        observed=observed,
    )


def _identity(found: HardwareInventory, macs: frozenset[str]) -> CheckResult:
    reported = sorted(interface.mac_address for interface in found.interfaces)
    observed = _shortened(", ".join(reported) or "no interface")
    if not macs:
        return CheckResult(name="identity", status=CheckStatus.WARN, expected="nic_macs on record", observed="none")
    status = CheckStatus.PASS if macs & set(reported) else CheckStatus.FAIL
    return CheckResult(name="identity", status=status, expected="one of " + ", ".join(sorted(macs)), observed=observed)


def _agent_checks(checks: Iterable[AgentCheck]) -> list[CheckResult]:
    results = [CheckResult(name=f"agent {c.name}", status=c.status, observed=c.detail) for c in checks]
    missing = set(REQUIRED_AGENT_CHECKS) - {c.name for c in checks}
    return results + [
        CheckResult(name=f"agent {name}", status=CheckStatus.SKIP, observed="the agent did not report this check")
        for name in sorted(missing)
    ]


def _expectation_exists(expected: Expectation) -> list[CheckResult]:
    if expected != Expectation():
        return []
    return [
        CheckResult(
            name="expectation",
            status=CheckStatus.WARN,
            observed="the inventory expects nothing of this device",
        )
    ]
