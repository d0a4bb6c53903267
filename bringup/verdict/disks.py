"""Whether the disks are the expected ones: each of them, and no other."""

from collections import deque
from collections.abc import Iterable, Sequence

from bringup import expectation, identity
from bringup.verdict.compare import shorten
from bringup.wire.report import CheckResult, CheckStatus, Disk

GB = 10**9  # bytes, as disks are sold
# Disks of one nominal size differ by up to 0.1 % between vendors (IDEMA LBA1-03 rounds up; RAID controllers round
# down). The nearest sizes on sale differ by 2.4 % (500 and 512 GB, 1000 and 1024 GB): 1 % lies well between.
SIZE_TOLERANCE = 0.01
# The inventory's sizes are whole GB as a rule: half of the last digit, which counts only below 50 GB.
SIZE_ROUNDING_GB = 0.5


def judge_disks(found: Sequence[Disk], expected: Sequence[expectation.ExpectedDisk]) -> CheckResult:
    """Every expected disk needs a disk of its own that fits in all that is given of it.

    One disk that two paths lead to (multipath SAS) is one disk.

    A missing disk fails. A disk that is not expected is a warning: it may hold data, or belong to another machine.
    """
    found = distinct(found)
    wanted = [disk for disk in expected for _ in range(disk.count)]
    given = assign([[number for number, disk in enumerate(found) if fits(disk, want)] for want in wanted])
    missing = [_wanted_in_words(want) for number, want in enumerate(wanted) if number not in given]
    surplus = [_found_in_words(disk) for number, disk in enumerate(found) if number not in given.values()]
    return CheckResult(
        name="disks",
        status=CheckStatus.FAIL if missing else CheckStatus.WARN if surplus else CheckStatus.OK,
        expected=shorten(", ".join(map(_wanted_in_words, wanted))),
        observed=_observed(found, missing, surplus),
    )


def distinct(disks: Iterable[Disk]) -> list[Disk]:
    """Each disk once, by its WWN, else by model and serial number; one that has neither is a disk of its own."""
    return list({_name_of(disk) or number: disk for number, disk in enumerate(disks)}.values())


def _name_of(disk: Disk) -> tuple[str | None, ...] | None:
    if wwn := identity.serial_key(disk.wwn.removeprefix("0x")):
        return ("wwn", wwn)
    serial = identity.serial_key(disk.serial)
    return ("serial", disk.model, serial) if serial else None


def fits(disk: Disk, want: expectation.ExpectedDisk) -> bool:
    """Size within the tolerance, and everything else that is given of it exactly."""
    return (
        size_fits(disk.size, want.size_gb)
        and want.type in (None, disk.type)
        and want.model in (None, disk.model)
        and want.serial in (None, disk.serial)
    )


def size_fits(size: int, expected_gb: float) -> bool:
    """Args: size in bytes, expected_gb in 10^9 bytes."""
    return abs(size - expected_gb * GB) <= max(expected_gb * SIZE_TOLERANCE, SIZE_ROUNDING_GB) * GB


def _observed(found: Sequence[Disk], missing: list[str], surplus: list[str]) -> str:
    differences = [
        f"{what}: {shorten(', '.join(disks))}"
        for what, disks in (("missing", missing), ("not expected", surplus))
        if disks
    ]
    every = shorten(", ".join(map(_found_in_words, found)) or "none")
    return f"{every} ({'; '.join(differences)})" if differences else every


def _wanted_in_words(want: expectation.ExpectedDisk) -> str:
    return " ".join(filter(None, (f"{want.size_gb:g} GB", want.type, want.model, want.serial)))


def _found_in_words(disk: Disk) -> str:
    return " ".join(filter(None, (f"{disk.size / GB:.0f} GB", disk.type, disk.model, disk.serial)))


def assign(fits: Sequence[Sequence[int]]) -> dict[int, int]:
    """The largest possible assignment, so that no wish fails because another took its only part.

    Args:
        fits: for each wish the parts, by number, that would do.

    Returns:
        Wish to part, both by number; no part twice.

    Source: augmenting paths, Berge 1957 ("Two theorems in graph theory").
    """
    given: dict[int, int] = {}
    for wish in range(len(fits)):
        _augment(wish, fits, given)
    return given


def _augment(start: int, fits: Sequence[Sequence[int]], given: dict[int, int]) -> None:
    """Give ``start`` a part, moving other wishes to other parts where that frees one."""
    owner = {part: wish for wish, part in given.items()}
    reached_from: dict[int, int] = {}  # part -> the wish that would take it
    waiting = deque([start])
    while waiting:
        wish = waiting.popleft()
        for part in fits[wish]:
            if part in reached_from:
                continue
            reached_from[part] = wish
            if part not in owner:
                _take(part, reached_from, given)
                return
            waiting.append(owner[part])


def _take(free: int, reached_from: dict[int, int], given: dict[int, int]) -> None:
    """Along the path back to its start, each wish takes the part that it reached."""
    part: int | None = free
    while part is not None:
        wish = reached_from[part]
        before = given.get(wish)
        given[wish] = part
        part = before
