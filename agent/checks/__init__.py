"""Quick checks that change nothing on the machine; each is a function of where it looks."""

from collections.abc import Callable
from pathlib import Path

from agent.checks.disks import check_disks
from agent.checks.links import check_links
from agent.checks.machine_checks import check_machine_checks
from agent.checks.memory import check_memory
from agent.checks.result import Result, failed
from agent.effects import Effects
from agent.inventory import Collected
from agent.text import device_text


def run_all(root: Path, effects: Effects, found: Collected) -> list[dict[str, str]]:
    """Every check, in the form of `bringup.wire.AgentCheck`. Never raises."""
    results = {
        "memory": _guarded(lambda: check_memory(found.parts["memory"])),
        "disks": _guarded(lambda: check_disks(root, effects)),
        "links": _guarded(lambda: check_links(root, found.parts["interfaces"])),
        "machine-checks": _guarded(lambda: check_machine_checks(root)),
    }
    if found.problems:  # what was not found out must not look as if it were not there
        results["inventory"] = failed("; ".join(found.problems))
    return [
        {"name": name, "status": result.status.value, "detail": device_text(result.detail)}
        for name, result in results.items()
    ]


def _guarded(check: Callable[[], Result]) -> Result:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that broke has failed; the agent goes on
        return failed(f"the check broke: {type(error).__name__}: {error}")
