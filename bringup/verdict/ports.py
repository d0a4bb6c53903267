"""The network ports, each by its MAC: link speed and firmware."""

from collections.abc import Iterable, Iterator

from bringup.expectation import ExpectedPort
from bringup.verdict.compare import compare
from bringup.wire.report import CheckResult, CheckStatus, HardwareInventory, Interface


def judge_ports(found: HardwareInventory, expected: Iterable[ExpectedPort]) -> Iterator[CheckResult]:
    """A port that is not there fails, and so does a speed that is expected of a port without a link."""
    by_mac = {interface.mac_address: interface for interface in found.interfaces}
    for want in expected:
        port = by_mac.get(want.mac)
        if port is None:
            yield CheckResult(name=f"port {want.mac}", status=CheckStatus.FAIL, expected="present", observed="missing")
        else:
            yield from _port(port, want)


def _port(port: Interface, want: ExpectedPort) -> Iterator[CheckResult]:
    if want.speed_mbps is not None:
        speed = port.speed_mbps if port.has_carrier else "no link"
        yield compare(f"port {want.mac} speed", want.speed_mbps, speed)
    if want.firmware is not None:
        yield compare(f"port {want.mac} firmware", want.firmware, port.firmware_version)
