"""The report of a simulated machine: what its inventory entry expects, less what its fault takes away."""

from bringup.inventory import GIB, Device
from bringup.simulate.faults import Fault
from bringup.wire import (
    AgentCheck,
    Boot,
    CheckStatus,
    Cpu,
    Disk,
    HardwareInventory,
    Interface,
    Memory,
    MemoryModule,
    Report,
    SystemVendor,
)

_MODULE_MB = 16 * 1024
_KERNEL_SHARE = 0.98  # of the physical memory; the rest the firmware keeps


def report_of(device: Device, fault: Fault, boot_id: str) -> Report:
    """What the agent on this machine would have found."""
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
    return HardwareInventory(
        cpu=Cpu(count=expected.cpu_count or 16, model_name="Simulated CPU @ 2.40GHz", architecture="x86_64"),
        memory=_memory(memory_gib),
        disks=_disks(device),
        interfaces=_interfaces(device, fault),
        system_vendor=SystemVendor(
            manufacturer="Simulated", product_name="Simulated server", serial_number=expected.serial or "SIM0"
        ),
        boot=Boot(current_boot_mode="uefi", secure_boot=False),
        hostname=device.name,
    )


def _memory(gib: float) -> Memory:
    physical_mb = int(gib * 1024)
    modules = tuple(MemoryModule(slot=f"DIMM{n}", size_mb=_MODULE_MB) for n in range(max(1, physical_mb // _MODULE_MB)))
    return Memory(total=int(gib * GIB * _KERNEL_SHARE), physical_mb=physical_mb, modules=modules)


def _disks(device: Device) -> tuple[Disk, ...]:
    sizes = [disk.size_gb for disk in device.expected.disks for _ in range(disk.count)]
    return tuple(
        Disk(name=f"/dev/sd{chr(ord('a') + n)}", size=size * 10**9, model="Simulated disk", rotational=False)
        for n, size in enumerate(sizes)
    )


def _interfaces(device: Device, fault: Fault) -> tuple[Interface, ...]:
    known = list(device.nic_macs)
    wanted = max(device.expected.nics or 0, len(known), 1)
    invented = [f"02:5a:00:00:{n:02x}:{sum(device.name.encode()) % 256:02x}" for n in range(wanted - len(known))]
    return tuple(
        Interface(
            name=f"eth{n}",
            mac_address=mac,
            has_carrier=not (fault is Fault.LINK_DOWN and n == 0),
            speed_mbps=25_000,
        )
        for n, mac in enumerate(known + invented)
    )


def _checks(fault: Fault) -> tuple[AgentCheck, ...]:
    link_down = fault is Fault.LINK_DOWN
    links = CheckStatus.WARN if link_down else CheckStatus.PASS
    return (
        AgentCheck(name="memory", status=CheckStatus.PASS, detail="no machine-check events"),
        AgentCheck(name="disks", status=CheckStatus.PASS, detail="all readable"),
        AgentCheck(name="links", status=links, detail="eth0 has no carrier" if link_down else "all up"),
    )
