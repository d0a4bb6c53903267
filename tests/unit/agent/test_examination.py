"""The machine is looked at until it stands still, and once only where it does."""

from collections.abc import Sequence

from agent import inspection
from agent.api import Api
from agent.heartbeat import Heartbeats
from agent.neighbours import Neighbours
from agent.parameters import Parameters
from agent.system import Outcome
from tests.unit.agent.tree import Stage, Tree

GIVEN = Parameters("02-00-00-00-00-01-1795426896", "http://api.example.net/api/v1", "the-token", 0)


def examine(tree: Tree, stage: Stage) -> inspection.Findings:
    machine = stage.machine(tree.root)
    neighbours = Neighbours(0, machine.effects.monotonic)
    return inspection.examine(machine, Heartbeats(Api(GIVEN, None), machine), neighbours)


def asked(stage: Stage) -> list[str]:
    """Which disks were asked for their health, in order."""
    return [command[-1] for command in stage.commands if command[0] == "smartctl"]


def test_a_machine_that_stands_still_is_looked_at_once(tree: Tree, stage: Stage) -> None:
    examine(tree, stage)
    assert asked(stage) == ["/dev/vda"]
    assert stage.passed == inspection.QUIET_S


def test_a_disk_that_comes_late_is_in_the_report(tree: Tree, stage: Stage) -> None:
    def while_it_looks(_: Sequence[str]) -> Outcome:
        if not (tree.root / "dev/vdb").exists():
            tree.disk("vdb")
        return Outcome(0, "")

    stage.answers = while_it_looks
    found, results = examine(tree, stage)
    assert [disk["name"] for disk in found["disks"]] == ["/dev/vda", "/dev/vdb"]
    assert results[1]["detail"] == "vda read; vdb read"
    assert asked(stage) == ["/dev/vda", "/dev/vda", "/dev/vdb"]


def test_a_disk_that_comes_and_goes_does_not_hold_the_report_back(tree: Tree, stage: Stage) -> None:
    def restless(_: Sequence[str]) -> Outcome:
        tree.disk(f"vd{chr(ord('a') + len(stage.commands))}", sectors=8)
        return Outcome(0, "")

    stage.answers = restless
    examine(tree, stage)
    assert stage.passed <= 60
