"""Whatever is missing from a report, it never turns what is no pass into a pass."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bringup.expectation import Expectation
from bringup.model import RunState
from bringup.verdict.judge import judge
from bringup.wire.report import Report
from bringup_cli.simulate.hardware_report import Fault, report_of
from tests.unit.bringup.test_verdict_parts import DEVICE as PARTS

Path = tuple[str | int, ...]
DEVICE = PARTS.model_copy(
    update={
        "expected": Expectation.model_validate(
            PARTS.expected.model_dump()
            | {
                "memory_gib": 64,
                "cpu_count": 16,
                "nics": 1,
                "serial": "S1",
                "disks": [
                    {"size_gb": 480, "type": "ssd", "model": "M1"},
                    {"size_gb": 960, "type": "nvme", "serial": "S9"},
                ],
            }
        )
    }
)
ALL = report_of(DEVICE, Fault.NONE, "boot-1").model_dump(mode="json")
_WRONG: dict[type, list[Any]] = {
    bool: [True, False],
    int: [0, 1, 7, 10**6],
    float: [1.0, 32.0],
    str: ["", "x", "hdd", "none", "1.2", "fail", "warn", "skip"],
    type(None): [None, 1, "hdd"],
}


def places(part: Any, path: Path = ()) -> Iterator[Path]:
    """Every value of the document that is no list and no object."""
    if isinstance(part, dict | list):
        for key in part if isinstance(part, dict) else range(len(part)):
            yield from places(part[key], (*path, key))
    else:
        yield path


def fields(part: Any, path: Path = ()) -> Iterator[Path]:
    """Every key of every object in the document."""
    if isinstance(part, dict):
        yield from ((*path, key) for key in part)
    if isinstance(part, dict | list):
        for key in part if isinstance(part, dict) else range(len(part)):
            yield from fields(part[key], (*path, key))


def copied(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: copied(value) for key, value in part.items()}
    return [copied(value) for value in part] if isinstance(part, list) else part


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def state(document: Any, expected: Expectation) -> RunState | None:
    """None: the API refuses the report."""
    try:
        report = Report.model_validate(document)
    except ValidationError:
        return None
    return judge(report, expected, DEVICE.nic_macs).state


PLACES, FIELDS = list(places(ALL)), list(fields(ALL))


def test_the_report_that_the_others_are_made_of_passes() -> None:
    assert state(ALL, DEVICE.expected) is RunState.PASSED


@given(
    st.lists(st.sampled_from(PLACES), min_size=1, max_size=2),
    st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3),
    st.sampled_from([DEVICE.expected, DEVICE.expected.model_copy(update={"smart": False})]),
    st.data(),
)
def test_no_field_missing_from_a_report_turns_a_non_pass_into_a_pass(
    wrong: list[Path], missing: list[Path], expected: Expectation, data: st.DataObject
) -> None:
    document = copied(ALL)
    for path in wrong:
        at(document, path[:-1])[path[-1]] = data.draw(st.sampled_from(_WRONG[type(at(ALL, path))]))
    before = state(document, expected)
    for path in sorted(missing, key=len, reverse=True):
        at(document, path[:-1]).pop(path[-1], None)
    if before in (RunState.DEGRADED, RunState.FAILED):
        assert state(document, expected) is not RunState.PASSED


def test_every_single_field_that_is_left_out_of_a_worn_machines_report_leaves_it_no_pass() -> None:
    worn = report_of(DEVICE, Fault.WORN_DISK, "boot-1").model_dump(mode="json")
    for path in fields(worn):
        document = copied(worn)
        at(document, path[:-1]).pop(path[-1])
        for smart in (True, False):
            expected = DEVICE.expected.model_copy(update={"smart": smart})
            assert state(document, expected) is not RunState.PASSED, path


def test_the_report_of_an_agent_that_knows_none_of_the_new_parts_is_taken_and_is_no_pass() -> None:
    old = copied(ALL)
    for name in ("pcie_links", "firmware", "tpm"):
        del old["inventory"][name]
    for disk in old["inventory"]["disks"]:
        for name in ("type", "smart", "smart_problem"):
            del disk[name]
    old["checks"] = [check for check in old["checks"] if check["name"] in ("memory", "disks", "links")]
    assert state(old, DEVICE.expected.model_copy(update={"disks": ()})) is RunState.DEGRADED
    assert state(old, Expectation(memory_gib=64)) is RunState.DEGRADED
