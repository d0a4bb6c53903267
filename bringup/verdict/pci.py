"""PCI devices: the width and speed of their links, and how many GPUs there are."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bringup.expectation import ExpectedGpus, ExpectedPcie
from bringup.verdict.compare import compare, compare_all, skipped
from bringup.wire.report import CheckResult, CheckStatus, HardwareInventory, PcieLink

_DEVICE = re.compile(r"(\S+) ([0-9a-f]{4}:[0-9a-f]{4}) ([0-9a-f]{6})")  # as the agent writes it
# Source: PCI Code and ID Assignment 1.11.
_DISPLAY, _ACCELERATOR = "03", "12"
# Display controllers that are no GPU: those of BMCs (ASPEED, Matrox, Huawei, Silicon Motion) and of virtual machines
# (QEMU, Red Hat). Source: the PCI ID database, pci-ids.ucw.cz.
_CONSOLE_VENDORS = ("1a03", "102b", "19e5", "126f", "1234", "1b36", "1af4")
_NOTHING = "the machine reported no PCI device"


class PciFunction(NamedTuple):
    """One function of a PCI device."""

    slot: str
    id: str  # vendor:device
    pci_class: str


def functions(found: HardwareInventory) -> list[PciFunction]:
    """What the report lists, each slot once."""
    matches = (_DEVICE.fullmatch(line) for line in found.pci_devices)
    return list({match[1]: PciFunction(*match.groups()) for match in matches if match}.values())


def is_gpu(function: PciFunction) -> bool:
    """A display controller or accelerator that is not there for the console alone."""
    if function.pci_class.startswith(_ACCELERATOR):
        return True
    return function.pci_class.startswith(_DISPLAY) and not function.id.startswith(_CONSOLE_VENDORS)


def judge_gpus(found: HardwareInventory, expected: ExpectedGpus) -> CheckResult:
    """Exactly so many. A list without any PCI device was not collected: no machine is without one."""
    name = f"GPUs {expected.id}" if expected.id else "GPUs"
    if not found.pci_devices:
        return skipped(name, str(expected.count), _NOTHING)
    gpus = [f for f in functions(found) if (f.id == expected.id if expected.id else is_gpu(f))]
    return compare(name, expected.count, len(gpus))


def judge_pcie(found: HardwareInventory, expected: Iterable[ExpectedPcie]) -> Iterator[CheckResult]:
    """Every selected function must have the expected link."""
    links = {link.slot: link for link in found.pcie_links or ()}
    for want in expected:
        yield from _selected(found, want, links)


def _selected(found: HardwareInventory, want: ExpectedPcie, links: dict[str, PcieLink]) -> Iterator[CheckResult]:
    name = "PCIe " + " ".join(filter(None, (want.slot, want.id, want.pci_class and f"class {want.pci_class}")))
    if not found.pci_devices:
        yield skipped(name, "present", _NOTHING)
        return
    chosen = [function for function in functions(found) if is_selected(function, want)]
    if want.count is not None:
        yield compare(f"{name} count", want.count, len(chosen))
    elif not chosen:
        yield CheckResult(name=name, status=CheckStatus.FAIL, expected="present", observed="missing")
    if chosen and want.width is not None:
        yield compare_all(f"{name} width", want.width, [(f.slot, _link(links, f).width) for f in chosen])
    if chosen and want.speed_gts is not None:
        yield compare_all(f"{name} GT/s", want.speed_gts, [(f.slot, _link(links, f).speed_gts) for f in chosen])


def _link(links: dict[str, PcieLink], function: PciFunction) -> PcieLink:
    return links.get(function.slot) or PcieLink(slot=function.slot)


def is_selected(function: PciFunction, want: ExpectedPcie) -> bool:
    """Slot, id and class are as given."""
    return (
        want.slot in (None, function.slot)
        and want.id in (None, function.id)
        and function.pci_class.startswith(want.pci_class or "")
    )
