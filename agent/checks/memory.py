"""Whether the kernel has got the memory that is in the slots."""

from typing import Any

from agent.checks.result import Result, failed, passed, skipped, warned

# The kernel keeps 1.6 % for its page frames; firmware and kernel keep some more whatever the size, which on a machine
# of 192 MiB is a fifth of it. A module that was trained away on a full board of eight is 12 %.
_FIXED_MB = 96
_USUAL_SHARE = 0.03
_MOST_SHARE = 0.06


def check_memory(memory: dict[str, Any]) -> Result:
    """Compare the kernel's total with the sum of the modules.

    Args:
        memory: the inventory's part.
    """
    total_mb, physical_mb = memory["total"] // 1024**2, memory["physical_mb"]
    if not total_mb:
        return failed("the kernel does not say how much memory it has")
    if not memory.get("modules"):
        return skipped(f"no SMBIOS list of modules to compare the kernel's {total_mb} MiB with")
    seen = f"the kernel has {total_mb} MiB of the {physical_mb} MiB in {len(memory['modules'])} modules"
    missing_mb = physical_mb - total_mb
    if missing_mb < 0:
        return warned(f"{seen}: the firmware's list is not complete")
    if missing_mb > _FIXED_MB + physical_mb * _MOST_SHARE:
        return failed(f"{seen}: {missing_mb} MiB are missing (a disabled module, mirroring, or a memmap limit)")
    if missing_mb > _FIXED_MB + physical_mb * _USUAL_SHARE:
        return warned(f"{seen}: {missing_mb} MiB are kept by the firmware, more than usual")
    return passed(seen)
