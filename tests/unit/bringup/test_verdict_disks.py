"""The disks of a report against the expected ones: size, type, model, serial, and each disk once."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bringup.expectation import ExpectedDisk
from bringup.verdict.disks import assign, fits, judge_disks
from bringup.wire.report import CheckStatus, Disk

OK, WARN, FAIL = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL


def disk(size: float, **fields: object) -> Disk:
    """Args: size in GB."""
    return Disk.model_validate({"name": "/dev/sda", "size": round(size * 10**9), **fields})


def want(size_gb: float, **fields: object) -> ExpectedDisk:
    return ExpectedDisk.model_validate({"size_gb": size_gb, **fields})


def status(found: list[Disk], expected: list[ExpectedDisk]) -> CheckStatus:
    return judge_disks(found, expected).status


@pytest.mark.parametrize(
    ("size_gb", "size", "said"),
    [
        (480, 480_103_981_056, OK),  # a SATA SSD
        (480, 479_559_942_144, OK),  # as a RAID controller presents it
        (3840, 3_840_755_982_336, OK),
        (4000, 4_000_787_030_016, OK),
        (2000, 4_000_787_030_016, FAIL),
        (4000, 2_000_398_934_016, FAIL),
        (500, 512_110_190_592, FAIL),
        (512, 500_107_862_016, FAIL),
        (1000, 1_024_209_543_168, FAIL),
        (960, 1_000_204_886_016, FAIL),
        (1, 1_073_741_824, OK),
        (1, 2_147_483_648, FAIL),
        (1.1, 1_100_000_000, OK),
    ],
)
def test_a_disk_of_another_size_on_sale_is_another_disk(size_gb: float, size: int, said: CheckStatus) -> None:
    assert status([disk(size / 10**9)], [want(size_gb)]) is said


@pytest.mark.parametrize(
    ("given_of_it", "other"), [({"type": "nvme"}, "ssd"), ({"model": "MZ7"}, "MZ8"), ({"serial": "S1"}, "S2")]
)
def test_type_model_and_serial_count_where_they_are_given(given_of_it: dict[str, str], other: str) -> None:
    (name,) = given_of_it
    assert status([disk(480, **given_of_it)], [want(480, **given_of_it)]) is OK
    assert status([disk(480, **{name: other})], [want(480, **given_of_it)]) is FAIL
    assert status([disk(480)], [want(480, **given_of_it)]) is FAIL
    assert status([disk(480, **given_of_it)], [want(480)]) is OK


def test_a_disk_that_nobody_expects_is_a_warning_and_is_named() -> None:
    made = judge_disks([disk(480), disk(4000, serial="SX")], [want(480)])
    assert (made.status, made.observed) == (WARN, "480 GB, 4000 GB SX (not expected: 4000 GB SX)")


def test_a_missing_disk_is_named() -> None:
    made = judge_disks([disk(480), disk(480)], [want(480, count=2), want(1000, type="nvme")])
    assert (made.status, made.expected) == (FAIL, "480 GB, 480 GB, 1000 GB nvme")
    assert made.observed == "480 GB, 480 GB (missing: 1000 GB nvme)"
    assert judge_disks([], [want(480)]).observed == "none (missing: 480 GB)"


def test_a_missing_disk_is_named_among_a_thousand() -> None:
    made = judge_disks([disk(480)] * 1000, [want(480, count=1000), want(1000)])
    assert "missing: 1000 GB" in made.observed
    assert len(made.observed) < 1000


def test_no_order_of_the_disks_fails_a_machine_that_has_them_all() -> None:
    found = [disk(480, serial="A", type="ssd"), disk(480, serial="B", type="ssd"), disk(480, type="hdd")]
    expected = [want(480), want(480, type="ssd"), want(480, serial="A")]
    for some in permutations(found):
        for others in permutations(expected):
            assert status(list(some), list(others)) is OK


TYPES = st.sampled_from(["hdd", "ssd", "nvme"])
FOUND = st.lists(
    st.builds(disk, st.sampled_from([480, 960, 1000]), type=st.none() | TYPES, serial=st.sampled_from(["", "A", "B"])),
    max_size=5,
)
WANTED = st.lists(
    st.builds(want, st.sampled_from([480, 960, 1000]), type=st.none() | TYPES, serial=st.none() | st.just("A")),
    max_size=5,
)


@given(FOUND, WANTED)
def test_disks_fail_exactly_when_no_assignment_gives_each_wish_a_disk(
    found: list[Disk], wanted: list[ExpectedDisk]
) -> None:
    possible = any(
        all(fits(one, wish) for one, wish in zip(chosen, wanted, strict=True))
        for chosen in permutations(found, len(wanted))
    )
    surplus = len(found) > len(wanted)
    assert status(found, wanted) is (FAIL if not possible else WARN if surplus else OK)


@given(st.lists(st.lists(st.integers(0, 8), unique=True), max_size=8))
def test_an_assignment_gives_only_what_fits_and_nothing_twice(fits_of: list[list[int]]) -> None:
    given_to = assign(fits_of)
    assert len(set(given_to.values())) == len(given_to)
    assert all(part in fits_of[wish] for wish, part in given_to.items())


def test_thousands_of_disks_are_assigned_at_once() -> None:
    assert len(assign([list(range(4096))] * 300)) == 300


@pytest.mark.parametrize(
    "names",
    [{"wwn": "0x5000c500a1b2c3d4", "serial": "S1"}, {"wwn": "", "serial": "S1"}, {"wwn": "naa.6a", "serial": ""}],
)
def test_one_disk_that_two_paths_lead_to_is_not_two_disks(names: dict[str, str]) -> None:
    paths = [disk(480, name=name, model="MZ7", **names) for name in ("/dev/sda", "/dev/sdb")]
    assert status(paths, [want(480, count=2)]) is FAIL
    assert status(paths, [want(480)]) is OK


@pytest.mark.parametrize("names", [{}, {"serial": "0000000000"}, {"wwn": "0x0000000000000000"}])
def test_two_disks_without_a_name_of_their_own_are_two(names: dict[str, str]) -> None:
    assert status([disk(480, **names)] * 2, [want(480, count=2)]) is OK


def test_two_disks_of_two_models_with_one_serial_number_are_two() -> None:
    found = [disk(480, model=model, serial="S1") for model in ("MZ7", "MZ8")]
    assert status(found, [want(480, count=2)]) is OK
