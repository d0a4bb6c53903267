"""Quick checks that change nothing on the machine; each is a function of where it looks."""

from collections.abc import Callable
from pathlib import Path

from agent.checks.disks import check_disks
from agent.checks.links import check_links
from agent.checks.machine_checks import check_machine_checks
from agent.checks.memory import check_memory
from agent.checks.result import Result, failed, passed
from agent.checks.smart import check_smart
from agent.inventory import Collected
from agent.text import device_text


def run_all(root: Path, found: Collected) -> list[dict[str, str]]:
    """Every check, in the form of `bringup.wire.report.AgentCheck`. Never raises."""
    results = {
        "memory": _guarded(lambda: check_memory(found.parts["memory"])),
        "disks": _guarded(lambda: check_disks(root)),
        "smart": _guarded(lambda: check_smart(found.parts["disks"])),
        "links": _guarded(lambda: check_links(root, found.parts["interfaces"])),
        "machine-checks": _guarded(lambda: check_machine_checks(root)),
        "inventory": _inventory(found),
    }
    return [
        {"name": name, "status": result.status.value, "detail": device_text(result.detail)}
        for name, result in results.items()
    ]


def _inventory(found: Collected) -> Result:
    """What was not found out must not look as if it were not there."""
    return failed("; ".join(found.problems)) if found.problems else passed("everything was found out")


def _guarded(check: Callable[[], Result]) -> Result:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that broke has failed; the agent goes on
        return failed(f"the check broke: {type(error).__name__}: {error}")
