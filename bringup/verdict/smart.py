"""What the disks report of their own health: the limits, each with its source, and the judgement.

NVMe: NVM Express Base Specification 2.0, s.5.16.1.3 (SMART / Health Information log page). ATA: the meaning of
attributes is the vendors', not the standard's; these five are the ones that published studies found to announce
failures. A limit marked "our choice" has no standard: it is the wear that we accept in a machine that goes into
service.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bringup.verdict.compare import severity, shorten, worst
from bringup.wire.report import CheckResult, CheckStatus, Disk, Smart, SmartCounter

_FAIL, _WARN, _SKIP, _OK = CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIP, CheckStatus.OK


class Limit(NamedTuple):
    """From which value on a counter is a warning, and a failure."""

    warn_at: int
    fail_at: int
    source: str


_FAST07 = "Pinheiro, Weber, Barroso: Failure Trends in a Large Disk Drive Population, FAST 2007, s.3.5"
_BACKBLAZE = "Backblaze: Hard Drive SMART Stats, 2014-11-12 (a drive is replaced when 187 is above 0)"

LIMITS = {
    SmartCounter.PERCENTAGE_USED: Limit(
        80, 100, "NVMe Base 2.0 s.5.16.1.3: 100 is the end of the rated endurance; warning at 80: our choice"
    ),
    SmartCounter.MEDIA_ERRORS: Limit(
        1, 10, "NVMe Base 2.0 s.5.16.1.3: unrecovered data integrity errors; failure at 10: our choice"
    ),
    SmartCounter.REALLOCATED_SECTORS: Limit(
        1, 100, f"{_FAST07}.2: after the first, 14 times as likely to fail within 60 days; failure at 100: our choice"
    ),
    SmartCounter.REPORTED_UNCORRECTABLE: Limit(1, 1, _BACKBLAZE),
    SmartCounter.PENDING_SECTORS: Limit(
        1, 1, f"{_FAST07}.4: after the first, 16 times as likely to fail; such a sector cannot be read now"
    ),
    SmartCounter.OFFLINE_UNCORRECTABLE: Limit(
        1, 1, f"{_FAST07}.3: after the first, 21 times as likely to fail; such a sector cannot be read now"
    ),
    SmartCounter.GROWN_DEFECTS: Limit(
        1, 100, "SBC-4, grown defect list: as ATA's reallocated sectors, whose limits it has"
    ),
    SmartCounter.UNCORRECTED_ERRORS: Limit(
        1, 10, "SPC-5, error counter log pages, total uncorrected errors: as NVMe's media errors, whose limits it has"
    ),
}

# Source: NVMe Base 2.0 s.5.16.1.3, Critical Warning.
_CRITICAL_WARNINGS = {
    0: (_FAIL, "spare below its threshold"),
    1: (_WARN, "temperature out of its range"),
    2: (_FAIL, "reliability degraded"),
    3: (_FAIL, "read only"),
    4: (_FAIL, "backup of volatile memory failed"),
    5: (_FAIL, "persistent memory read only or unreliable"),
}

_ATA_COUNTERS = (
    SmartCounter.REALLOCATED_SECTORS,
    SmartCounter.REPORTED_UNCORRECTABLE,
    SmartCounter.PENDING_SECTORS,
    SmartCounter.OFFLINE_UNCORRECTABLE,
)
_SCSI_COUNTERS = (SmartCounter.GROWN_DEFECTS, SmartCounter.UNCORRECTED_ERRORS)
_NVME_COUNTERS = (
    SmartCounter.CRITICAL_WARNING,
    SmartCounter.AVAILABLE_SPARE,
    SmartCounter.SPARE_THRESHOLD,
    SmartCounter.PERCENTAGE_USED,
    SmartCounter.MEDIA_ERRORS,
)
_ERROR_COUNTERS = {"nvme": _NVME_COUNTERS, "ata": _ATA_COUNTERS, "scsi": _SCSI_COUNTERS}

Finding = tuple[CheckStatus, str]


def judge_smart(disks: Iterable[Disk], *, required: bool) -> list[CheckResult]:
    """One line for all disks, the worst first; none where there is no disk.

    Args:
        required: a disk that has no SMART data is a skip; otherwise the inventory accepts it. One whose data could
            not be read for another reason is a skip always.
    """
    findings = sorted(
        ((status, f"{disk.name}: {text}") for disk in disks for status, text in _judged(disk, required=required)),
        key=lambda finding: severity(finding[0]),
    )
    if not findings:
        return []
    shown = [text for status, text in findings if status is not _OK] or [text for _, text in findings]
    status = worst(status for status, _ in findings)
    return [CheckResult(name="SMART", status=status, observed=shorten("; ".join(shown)))]


def _judged(disk: Disk, *, required: bool) -> list[Finding]:
    if disk.smart is not None:
        return list(_problems(disk.smart)) or [(_OK, "healthy")]
    if disk.smart_unavailable and not required:
        return [(_OK, "no SMART data, which the inventory accepts")]
    return [(_SKIP, disk.smart_problem or "the agent reported no SMART data")]


def _problems(smart: Smart) -> Iterator[Finding]:
    if smart.passed is None:
        yield _SKIP, "the disk gave no opinion of its own"
    elif not smart.passed:
        yield _FAIL, "the disk itself reports that it is failing"
    yield from _incomplete(smart)
    yield from _over_limits(smart)
    yield from _nvme_problems(smart)


def _incomplete(smart: Smart) -> Iterator[Finding]:
    """A counter that is absent was not asked for; one of None is none that this disk keeps, which NVMe always does."""
    named = _ERROR_COUNTERS[smart.protocol]
    absent = [c.value for c in (*named, SmartCounter.PERCENTAGE_USED) if c not in smart.counters]
    values = [smart.counters.get(counter) for counter in named]
    if absent:
        yield _SKIP, f"not reported: {', '.join(sorted(set(absent)))}"
    elif all(value is None for value in values) or (smart.protocol == "nvme" and None in values):
        yield _SKIP, "the disk keeps no error counters"


def _over_limits(smart: Smart) -> Iterator[Finding]:
    for counter, limit in LIMITS.items():
        value = smart.counters.get(counter)
        if value is None or value < limit.warn_at:
            continue
        text = f"{counter.value.replace('_', ' ')} {value}"
        yield (_FAIL, f"{text} (at most {limit.fail_at - 1})") if value >= limit.fail_at else (_WARN, text)


def _nvme_problems(smart: Smart) -> Iterator[Finding]:
    bits = smart.counters.get(SmartCounter.CRITICAL_WARNING) or 0
    for bit in range(bits.bit_length()):
        if bits >> bit & 1:
            status, text = _CRITICAL_WARNINGS.get(bit, (_WARN, f"critical warning bit {bit}"))
            yield status, text
    spare, threshold = (smart.counters.get(c) for c in (SmartCounter.AVAILABLE_SPARE, SmartCounter.SPARE_THRESHOLD))
    if spare is None or threshold is None:
        return
    if spare > 100 or threshold > 100:
        yield _SKIP, f"spare {spare} %, threshold {threshold} %: these are no percentages"
    elif spare < threshold or spare == 0:
        yield _FAIL, f"spare {spare} % is below its threshold of {threshold} %"
    elif spare == threshold:
        yield _WARN, f"spare {spare} % has come down to its threshold"
