"""How a run and its report are shown to people."""

from bringup.expectation import GIB
from bringup.wire.report import Disk, Report
from bringup.wire.run import RunDetail
from bringup_cli.context import print_line, print_table

_GB = 10**9  # bytes, as disks are sold


def headline(found: RunDetail) -> str:
    """The run in one line: its machine, its state and the reason."""
    why = f" ({found.reason}: {found.detail})" if found.reason else f" ({found.detail})" if found.detail else ""
    return f"Run {found.run_id} of {found.device}: {found.state}{why}"


def print_run(found: RunDetail) -> None:
    """The run with its timeline, its verdict and its artifacts."""
    print_line(headline(found))
    if found.retry_at:
        print_line(f"The next try at its BMC: {found.retry_at:%Y-%m-%d %H:%M:%S} UTC")
    start = found.created_at
    print_table(
        "Timeline",
        ("Time", "+ s", "What", "State", "By", "Detail"),
        [
            (
                e.at.isoformat(timespec="milliseconds"),
                f"{(e.at - start).total_seconds():.1f}",
                e.type if e.applied else f"{e.type} (not applied)",
                e.state,
                f"{e.by} ({e.address})" if e.by else "",
                e.detail + (f" (next try at {e.next_at:%H:%M:%S} UTC)" if e.next_at else ""),
            )
            for e in found.timeline
        ],
    )
    if found.verdict:
        print_table(
            f"Verdict: {found.verdict.state}",
            ("Check", "Status", "Expected", "Found"),
            [(c.name, c.status, c.expected, c.observed) for c in found.verdict.checks],
        )
    if found.artifacts:
        names = ", ".join(f"{one.name} ({one.size} bytes)" for one in found.artifacts)
        print_line(f"Artifacts of the machine: {names}; to read one: bringup run artifact {found.run_id} NAME")


def print_report(run_id: str, found: Report) -> None:
    """What the machine has reported: the parts that a person compares with an order; all of it is in the JSON."""
    hardware = found.inventory
    vendor, firmware = hardware.system_vendor, hardware.firmware
    print_line(f"Report of run {run_id}, by {found.agent}{', SIMULATED' if found.simulated else ''}")
    lines = {
        "Machine": f"{vendor.manufacturer} {vendor.product_name}, serial {vendor.serial_number or 'not known'}",
        "CPUs": f"{hardware.cpu.count} x {hardware.cpu.model_name or hardware.cpu.architecture}",
        "Memory": f"{hardware.memory.physical_mb / 1024:g} GiB in {len(hardware.memory.modules)} modules, "
        f"{hardware.memory.total / GIB:.1f} GiB usable",
        "Boot": hardware.boot.current_boot_mode + (", secure boot" if hardware.boot.secure_boot else ""),
        "Firmware": f"BIOS {firmware.bios_version or '?'}, BMC {firmware.bmc_version or '?'}" if firmware else "?",
        "TPM": hardware.tpm or "?",
    }
    for label, text in lines.items():
        print_line(f"{label + ':':<10} {text}")
    print_table(
        "Disks",
        ("Disk", "GB", "Type", "Model", "Serial", "Health by its own account"),
        [(d.name, f"{d.size / _GB:.0f}", d.type, d.model, d.serial, _health(d)) for d in hardware.disks],
    )
    print_table(
        "Network ports",
        ("Port", "MAC", "Link", "Mbit/s", "Address", "Firmware"),
        [
            (i.name, i.mac_address, "up" if i.has_carrier else "down", i.speed_mbps, i.ipv4_address, i.firmware_version)
            for i in hardware.interfaces
        ],
    )
    print_table(
        "Checks that ran on the machine",
        ("Check", "Status", "Detail"),
        [(c.name, c.status, c.detail) for c in found.checks],
    )


def _health(disk: Disk) -> str:
    if disk.smart is None:
        return disk.smart_problem or ("none to read" if disk.smart_unavailable else "not read")
    return {True: "passed", False: "FAILED", None: "no opinion"}[disk.smart.passed]
