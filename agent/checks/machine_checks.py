"""Whether the hardware has reported errors of its own.

Source: Linux Documentation/admin-guide/ras.rst (EDAC counters); UEFI 2.10 appendix N.2.1 (error severity).
"""

import re
from pathlib import Path

from agent import kernel_log
from agent.checks.result import Result, failed, passed, skipped, warned, worst
from agent.text import names, read_number

_EDAC = "sys/devices/system/edac/mc"
_MARK = "[Hardware Error]"
# mce: with no mark is the kernel's greeting ("mce: CPU supports 32 MCE banks"), unless it is one of these.
_MCE = re.compile(r"\bmce: .*(uncorrected|fatal|memory failure|machine check:)", re.IGNORECASE)
_GRAVE = re.compile(r"uncorrect|fatal|panic|severity: recoverable|poison", re.IGNORECASE)
_SHOWN = 3


def check_machine_checks(root: Path) -> Result:
    """The memory controllers' counters, and the kernel's log."""
    results = [result for result in (_edac(root), _log(root)) if result is not None]
    if not results:
        return skipped("neither an EDAC driver nor the kernel's log to look at")
    return worst(results)


def _edac(root: Path) -> Result | None:
    """Uncorrected errors are a fault; corrected ones announce it. None without a driver."""
    controllers = [name for name in names(root / _EDAC) if re.fullmatch("mc[0-9]+", name)]
    if not controllers:
        return None
    uncorrected = sum(read_number(root / _EDAC / name / "ue_count") or 0 for name in controllers)
    corrected = sum(read_number(root / _EDAC / name / "ce_count") or 0 for name in controllers)
    detail = f"EDAC: {uncorrected} uncorrected, {corrected} corrected on {len(controllers)} controllers"
    if uncorrected:
        return failed(detail)
    return warned(detail) if corrected else passed(detail)


def _log(root: Path) -> Result | None:
    lines = kernel_log.lines(root)
    if not lines:
        return None
    errors = [line for line in lines if _MARK in line or _MCE.search(line)]
    if not errors:
        return passed("no hardware error in the kernel's log")
    grave = [line for line in errors if _GRAVE.search(line)]
    shown = " | ".join((grave or errors)[:_SHOWN])
    return failed(f"kernel: {shown}") if grave else warned(f"kernel: {shown}")
