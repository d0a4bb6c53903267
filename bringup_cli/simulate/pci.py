"""The PCI devices of a simulated machine."""

from bringup.expectation import Expectation, ExpectedPcie
from bringup.verdict.pci import PciFunction, is_selected
from bringup.wire.report import PcieLink
from bringup_cli.simulate.faults import Fault

_BRIDGE = PciFunction("0000:00:1f.0", "8086:a1c1", "060100")
_GPU_ID, _NIC_ID = "10de:20b0", "15b3:1017"
_GPU_CLASS, _NIC_CLASS = "030200", "020000"
_WIDTH, _SPEED_GTS = 16, 16.0


def functions_of(expected: Expectation) -> list[PciFunction]:
    """A bridge, which every machine has, and what is expected."""
    found = [_BRIDGE]
    gpus = expected.gpus
    for _ in range(gpus.count if gpus else 0):
        found.append(PciFunction(_slot(found), (gpus and gpus.id) or _GPU_ID, _GPU_CLASS))
    for want in expected.pcie:
        lacking = (want.count or 1) - sum(is_selected(function, want) for function in found)
        for _ in range(lacking):
            found.append(_made_for(want, _slot(found)))
    return found


def _made_for(want: ExpectedPcie, slot: str) -> PciFunction:
    return PciFunction(want.slot or slot, want.id or _NIC_ID, (want.pci_class or _NIC_CLASS).ljust(6, "0"))


def _slot(found: list[PciFunction]) -> str:
    return f"0000:{len(found):02x}:00.0"


def links_of(functions: list[PciFunction], expected: Expectation, fault: Fault) -> tuple[PcieLink, ...]:
    """Each as it is expected; the first of these narrower where that is the fault."""
    links = [_link(function, expected) for function in functions]
    if fault is Fault.NARROW_LINK and len(links) > 1:
        links[1] = links[1].model_copy(update={"width": 1})
    return tuple(links)


def _link(function: PciFunction, expected: Expectation) -> PcieLink:
    wants = [want for want in expected.pcie if is_selected(function, want)]
    width = next((want.width for want in wants if want.width), _WIDTH)
    speed = next((want.speed_gts for want in wants if want.speed_gts), _SPEED_GTS)
    return PcieLink(slot=function.slot, width=width, speed_gts=speed)
