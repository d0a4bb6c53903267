"""Quick checks that change nothing on the machine: each is a function of what it looks at; returns a `CheckResult`."""

from collections.abc import Callable
from pathlib import Path

from agent.checks import disks, hardware
from agent.checks.result import CheckResult, fail, ok
from agent.inventory import Collected
from agent.text import device_text


def run_all(root: Path, found: Collected) -> list[dict[str, str]]:
    """Run every check; never raises. The results are as `bringup.wire.report.AgentCheck` has them.

    Args:
        root: the folder that holds /proc, /sys and /dev.
        found: the inventory, which some checks judge.
    """
    results = {
        "memory": _guarded(lambda: hardware.check_memory(found.parts["memory"])),
        "disks": _guarded(lambda: disks.check_disks(root)),
        "smart": _guarded(lambda: disks.check_smart(found.parts["disks"])),
        "links": _guarded(lambda: hardware.check_links(root, found.parts["interfaces"])),
        "machine-checks": _guarded(lambda: hardware.check_machine_checks(root)),
        "inventory": _check_inventory(found),
    }
    return [
        {"name": name, "status": result.status.value, "detail": device_text(result.detail)}
        for name, result in results.items()
    ]


def _check_inventory(found: Collected) -> CheckResult:
    """What could not be read must not look as if it were not there."""
    return fail("; ".join(found.problems)) if found.problems else ok("every part was read")


def _guarded(check: Callable[[], CheckResult]) -> CheckResult:
    """The result; a check that raised has failed, and the others still run."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever a device's data did to it
        return fail(f"the check broke: {type(error).__name__}: {error}")
