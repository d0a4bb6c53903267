"""The machine is inspected until no device appears any more, and once only where none does."""

from collections.abc import Sequence

from agent import inspection
from agent.api import Api
from agent.heartbeat import Heartbeats
from agent.lldp import Neighbours
from agent.parameters import Parameters
from agent.system import CommandResult
from tests.unit.agent.tree import Stage, Tree

GIVEN = Parameters("02-00-00-00-00-01-1795426896", "http://api.example.net/api/v1", "the-token", 0)


def inspect(tree: Tree, stage: Stage) -> inspection.Findings:
    machine = stage.machine(tree.root)
    neighbours = Neighbours(0, machine.system.monotonic)
    return inspection.inspect(machine, Heartbeats(Api(GIVEN, None), machine), neighbours)


def asked(stage: Stage) -> list[str]:
    """Which disks were asked for their health, in order."""
    return [command[-1] for command in stage.commands if command[0] == "smartctl"]


def test_a_machine_without_new_devices_is_inspected_once(tree: Tree, stage: Stage) -> None:
    inspect(tree, stage)
    assert asked(stage) == ["/dev/vda"]
    assert stage.passed == inspection.SETTLE_S


def test_a_disk_that_comes_late_is_in_the_report(tree: Tree, stage: Stage) -> None:
    def while_it_looks(_: Sequence[str]) -> CommandResult:
        if not (tree.root / "dev/vdb").exists():
            tree.disk("vdb")
        return CommandResult(0, "")

    stage.answers = while_it_looks
    found, results = inspect(tree, stage)
    assert [disk["name"] for disk in found["disks"]] == ["/dev/vda", "/dev/vdb"]
    assert results[1]["detail"] == "vda read; vdb read"
    assert asked(stage) == ["/dev/vda", "/dev/vda", "/dev/vdb"]


def test_a_disk_that_comes_and_goes_does_not_hold_the_report_back(tree: Tree, stage: Stage) -> None:
    def restless(_: Sequence[str]) -> CommandResult:
        tree.disk(f"vd{chr(ord('a') + len(stage.commands))}", sectors=8)
        return CommandResult(0, "")

    stage.answers = restless
    inspect(tree, stage)
    assert stage.passed <= 60
