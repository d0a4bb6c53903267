"""The PCIe links of the devices that matter: network, storage, GPUs."""

import re
from collections import defaultdict
from typing import Any

from bringup.verdict.pci import PciFunction, functions, is_gpu
from bringup.wire.report import HardwareInventory, PcieLink

_NETWORK_AND_STORAGE = ("01", "02")  # PCI Code and ID Assignment 1.11
_SLOT = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
Shape = tuple[int | None, float | None]  # width, GT/s


def pcie_of(found: HardwareInventory) -> list[dict[str, Any]]:
    """One line for all functions of one id that have the same link; a line for each slot where they differ."""
    links = {link.slot: link for link in found.pcie_links or ()}
    by_id: defaultdict[str, list[tuple[PciFunction, Shape]]] = defaultdict(list)
    for function in functions(found):
        if _matters(function) and any(shape := _shape(function, links.get(function.slot))):
            by_id[function.id].append((function, shape))
    every = functions(found)
    return [
        line
        for pci_id, members in by_id.items()
        for line in _lines(pci_id, members, sum(function.id == pci_id for function in every))
    ]


def _matters(function: PciFunction) -> bool:
    return function.pci_class.startswith(_NETWORK_AND_STORAGE) or is_gpu(function)


def _shape(function: PciFunction, link: PcieLink | None) -> Shape:
    """The speed of an idle GPU's link says nothing of the GPU."""
    if link is None:
        return None, None
    return link.width, None if is_gpu(function) else link.speed_gts


def _lines(pci_id: str, members: list[tuple[PciFunction, Shape]], of_this_id: int) -> list[dict[str, Any]]:
    shapes = {shape for _, shape in members}
    if len(shapes) == 1 and len(members) == of_this_id:
        return [_line({"id": pci_id, "count": of_this_id}, shapes.pop())]
    return [_line({"slot": f.slot, "id": pci_id}, shape) for f, shape in members if _SLOT.fullmatch(f.slot)]


def _line(selected: dict[str, Any], shape: Shape) -> dict[str, Any]:
    width, speed_gts = shape
    link = {"width": width, "speed_gts": int(speed_gts) if speed_gts and speed_gts.is_integer() else speed_gts}
    return selected | {name: value for name, value in link.items() if value}
