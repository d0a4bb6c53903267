"""Which ports there are, how long they are waited for, and what is logged while there is no lease."""

from pathlib import Path

import pytest

from agent import network
from agent.system import CommandResult
from tests.unit.agent.tree import Ended, Stage, Tree, whole


def test_only_ethernet_ports_of_devices_count(tree: Tree) -> None:
    tree.put("sys/class/net/lo/type", "772")
    tree.put("sys/class/net/br0/type", "1")
    tree.port("ib0", type="32")
    tree.port("eth1", carrier="0")
    tree.put("sys/devices/pci0000:00/0000:00:03.1/physfn/vendor", "1")
    tree.put("sys/class/net/vf0/type", "1")
    tree.link("sys/class/net/vf0/device", "sys/devices/pci0000:00/0000:00:03.1")
    assert network.ports(tree.root) == ["eth0", "eth1"]
    assert network.with_carrier(tree.root) == ["eth0"]


def test_all_ports_are_brought_up_and_nobody_waits_when_each_has_a_carrier(tree: Tree, stage: Stage) -> None:
    tree.port("eth1")
    network.bring_up(tree.root, stage.system)
    assert stage.commands == [["ip", "link", "set", "dev", name, "up"] for name in ("eth0", "eth1")]
    assert stage.passed == 0


def test_an_empty_port_is_waited_for_three_seconds_after_the_first_carrier(tree: Tree, stage: Stage) -> None:
    tree.port("eth1", carrier="0")
    network.bring_up(tree.root, stage.system)
    assert stage.passed == pytest.approx(3, abs=0.3)


def test_without_any_carrier_the_wait_ends_after_ten_seconds(tree: Tree, stage: Stage) -> None:
    tree.put("sys/class/net/eth0/carrier", "0")
    network.bring_up(tree.root, stage.system)
    assert stage.passed == pytest.approx(10, abs=0.3)


def test_a_lease_is_asked_for_on_ports_with_a_carrier_until_one_has_it(tree: Tree, stage: Stage) -> None:
    for name in ("eth1", "eth2"):
        tree.port(name)
    tree.port("eth3", carrier="0")
    stage.answers = lambda command: CommandResult(0 if "eth1" in command else 1, "")
    assert network.obtain_lease(stage.machine(tree.root)) == "eth1"
    assert [(command[0], command[2]) for command in stage.commands] == [("udhcpc", "eth0"), ("udhcpc", "eth1")]
    assert all("-n" in command and "-q" not in command for command in stage.commands)  # stays and renews


@pytest.mark.parametrize(
    ("carrier", "shown"),
    [
        ("1", "bringup: no DHCP lease on eth0, eth1 (carrier: eth0); trying again in "),
        ("0", "bringup: no carrier on eth0, eth1: no cable, or the switch port is off; trying again in "),
    ],
)
def test_a_machine_without_a_lease_logs_that_and_asks_again(tree: Tree, carrier: str, shown: str) -> None:
    stage = Stage(time_limit_s=60)
    stage.answers = lambda _: CommandResult(1, "")
    tree.put("sys/class/net/eth0/carrier", carrier)
    tree.port("eth1", carrier="0")
    machine = stage.machine(tree.root)
    lines: list[str] = []
    machine = machine._replace(log=type(machine.log)(lines.append, lambda: 0.0))
    with pytest.raises(Ended):
        network.obtain_lease(machine)
    assert len(lines) >= 3
    assert all(line.startswith(shown) for line in lines)


def test_a_port_whose_driver_comes_late_is_brought_up_and_asked(tmp_path: Path, stage: Stage) -> None:
    def plug(_: float) -> None:
        whole(tmp_path)

    machine = stage.machine(tmp_path)
    machine = machine._replace(system=machine.system._replace(pause=plug))
    assert network.obtain_lease(machine) == "eth0"
    assert [command[0] for command in stage.commands] == ["ip", "udhcpc"]


def test_a_machine_without_ports_logs_that_a_driver_may_be_missing(tmp_path: Path) -> None:
    stage = Stage(time_limit_s=5)
    with pytest.raises(Ended):
        network.obtain_lease(stage.machine(tmp_path))
    assert "no network port: this image has no driver" in stage.lines[0]
