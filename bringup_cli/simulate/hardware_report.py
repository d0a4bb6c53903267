"""The report of a simulated machine: what its inventory entry expects, less what its fault takes away."""

from bringup.expectation import GIB, Expectation, ExpectedDimms, ExpectedPort
from bringup.inventory import Device
from bringup.wire.report import (
    AgentCheck,
    Boot,
    CheckStatus,
    Cpu,
    Firmware,
    HardwareInventory,
    Interface,
    Memory,
    MemoryModule,
    Report,
    SystemVendor,
)
from bringup_cli.simulate.hardware import Fault, disks_of, functions_of, links_of

_MODULE_MB = 16 * 1024
_SPEED_MTS, _SPEED_MBPS = 4800, 25_000
_KERNEL_SHARE = 0.98  # of the physical memory; the rest the firmware keeps


def report_of(device: Device, fault: Fault, boot_id: str) -> Report:
    """What the agent on this machine would have found.

    Args:
        device: the machine, as the inventory has it.
        fault: of the machine.
        boot_id: of this start.
    """
    return Report(
        schema_version=1,
        boot_id=boot_id,
        agent="bringup simulated agent",
        simulated=True,
        inventory=_hardware(device, fault),
        checks=_checks(fault),
    )


def _hardware(device: Device, fault: Fault) -> HardwareInventory:
    expected = device.expected
    memory_gib = (expected.memory_gib or 64) / (2 if fault is Fault.WRONG_MEMORY else 1)
    functions = functions_of(expected)
    return HardwareInventory(
        cpu=Cpu(count=expected.cpu_count or 16, model_name="Simulated CPU @ 2.40GHz", architecture="x86_64"),
        memory=_memory(memory_gib, expected.dimms or ExpectedDimms(speed_mts=_SPEED_MTS)),
        disks=disks_of(expected.disks, fault),
        interfaces=_interfaces(device, fault),
        system_vendor=SystemVendor(
            manufacturer="Simulated",
            product_name="Simulated server",
            serial_number=device.expectation.serial or f"SIM-{device.name}",  # one serial number belongs to one machine
        ),
        boot=Boot(current_boot_mode=expected.boot_mode or "uefi", secure_boot=bool(expected.secure_boot)),
        hostname=device.name,
        pci_devices=tuple(f"{f.slot} {f.id} {f.pci_class}" for f in functions),
        pcie_links=links_of(functions, expected, fault),
        firmware=_firmware(expected, fault),
        tpm=expected.tpm or "2.0",
    )


def _firmware(expected: Expectation, fault: Fault) -> Firmware:
    bios = "0.0-old" if fault is Fault.OLD_FIRMWARE else expected.bios_version or "1.0-simulated"
    return Firmware(bios_version=bios, bmc_version=expected.bmc_version or "1.00")


def _memory(gib: float, dimms: ExpectedDimms) -> Memory:
    physical_mb = int(gib * 1024)
    count = dimms.count or max(1, physical_mb // _MODULE_MB)
    modules = tuple(
        MemoryModule(slot=f"DIMM{n}", size_mb=physical_mb // count, speed_mts=dimms.speed_mts or _SPEED_MTS)
        for n in range(count)
    )
    return Memory(total=int(gib * GIB * _KERNEL_SHARE), physical_mb=physical_mb, modules=modules)


def _interfaces(device: Device, fault: Fault) -> tuple[Interface, ...]:
    known = list(dict.fromkeys([*device.nic_macs, *(port.mac for port in device.expected.ports)]))
    wanted = max(device.expected.nics or 0, len(known), 1)
    invented = [f"02:5a:00:00:{n:02x}:{sum(device.name.encode()) % 256:02x}" for n in range(wanted - len(known))]
    if fault is Fault.MISSING_PORT:
        known = known[:-1]
    ports = {port.mac: port for port in device.expected.ports}
    return tuple(
        _interface(n, mac, ports.get(mac), has_carrier=not (fault is Fault.LINK_DOWN and n == 0))
        for n, mac in enumerate(known + invented)
    )


def _interface(number: int, mac: str, expected: ExpectedPort | None, *, has_carrier: bool) -> Interface:
    return Interface(
        name=f"eth{number}",
        mac_address=mac,
        has_carrier=has_carrier,
        speed_mbps=(expected and expected.speed_mbps) or _SPEED_MBPS,
        firmware_version=(expected and expected.firmware) or "1.0-simulated",
    )


def _checks(fault: Fault) -> tuple[AgentCheck, ...]:
    link_down = fault is Fault.LINK_DOWN
    links = CheckStatus.WARN if link_down else CheckStatus.OK
    return (
        AgentCheck(name="memory", status=CheckStatus.OK, detail="no machine-check events"),
        AgentCheck(name="disks", status=CheckStatus.OK, detail="all readable"),
        AgentCheck(name="smart", status=CheckStatus.OK, detail="all disks answered"),
        AgentCheck(name="machine-checks", status=CheckStatus.OK, detail="no hardware error in the kernel's log"),
        AgentCheck(name="inventory", status=CheckStatus.OK, detail="everything was found out"),
        AgentCheck(name="links", status=links, detail="eth0 has no carrier" if link_down else "all up"),
    )
