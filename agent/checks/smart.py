"""Whether each disk was asked for its own opinion, and what it is. Its counters are for the API to judge."""

from typing import Any

from agent.checks.result import Result, failed, passed, skipped, worst


def check_smart(disks: list[dict[str, Any]]) -> Result:
    """A disk whose SMART data could not be read is no pass.

    Args:
        disks: the inventory's part.
    """
    return worst([_check(disk) for disk in disks]) if disks else passed("no disks")


def _check(disk: dict[str, Any]) -> Result:
    name, found = disk["name"], disk.get("smart")
    if found is None:
        return skipped(f"{name} SMART was not read: {disk.get('smart_problem') or 'unknown'}")
    if found["passed"] is None:
        return skipped(f"{name} SMART says nothing of the disk as a whole")
    return passed(f"{name} SMART passed") if found["passed"] else failed(f"{name} SMART says: failing")
