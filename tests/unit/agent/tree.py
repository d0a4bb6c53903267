"""A machine made of files, and a clock that only pauses move."""

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.kernel import Kernel
from agent.log import Log
from agent.system import CommandResult, LocalSystem, System

MAC = "02:00:00:00:01:01"
BOOT_ID = "7c3f5b0e-0000-4000-8000-000000000001"
PCI = "sys/devices/pci0000:00/0000:00:03.0"
CPUINFO = "processor\t: 0\nmodel name\t: QEMU Virtual CPU\ncpu MHz\t\t: 2100.000\nflags\t\t: fpu vme sse2\n\n"


class Tree:
    """The files under which the agent looks: /proc, /sys, /dev and /etc."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, content: str | bytes = "") -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def link(self, path: str, target: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(self.root / target)

    def port(self, name: str, mac: str = MAC, *, carrier: str = "1", **files: str) -> None:
        """An Ethernet port on the PCI device."""
        place = f"sys/class/net/{name}"
        for file, content in ({"type": "1", "address": mac, "carrier": carrier, "speed": "1000"} | files).items():
            self.put(f"{place}/{file}", content + "\n")
        self.link(f"{place}/device", PCI)

    def disk(self, name: str, *, sectors: int = 2048, **files: str) -> Path:
        """A disk with its device node, a plain file of that size."""
        for file, content in ({"size": str(sectors), "removable": "0", "queue/rotational": "0"} | files).items():
            self.put(f"sys/block/{name}/{file}", content + "\n")
        return self.put(f"dev/{name}", bytes(sectors * 512))

    def pci(self, slot: str, vendor: str, device: str, kind: str, *, driven: bool = True) -> None:
        place = f"sys/devices/pci0000:00/{slot}"
        for file, content in {"vendor": vendor, "device": device, "class": kind}.items():
            self.put(f"{place}/{file}", f"0x{content}\n")
        if driven:
            self.put(f"{place}/driver/name")
        self.link(f"sys/bus/pci/devices/{slot}", place)


def whole(root: Path) -> Tree:
    """A small machine with nothing wrong: 192 MiB, one disk, one port."""
    tree = Tree(root)
    tree.pci("0000:00:03.0", "1af4", "1000", "020000")
    tree.pci("0000:00:04.0", "1af4", "1001", "010000")
    tree.port("eth0")
    tree.disk("vda", serial="S-1")
    tree.put("proc/cpuinfo", CPUINFO)
    tree.put("proc/meminfo", "MemTotal:         160000 kB\nMemFree: 1 kB\n")
    tree.put("proc/sys/kernel/random/boot_id", BOOT_ID + "\n")
    tree.put("proc/sys/kernel/hostname", "(none)\n")
    tree.put("sys/class/dmi/id/sys_vendor", "QEMU\n")
    tree.put("sys/firmware/dmi/tables/DMI", array(0x1000) + module(192, array=0x1000) + END)
    tree.put(
        "dev/kmsg", "6,1,1000000,-;Linux version 6.1\n SUBSYSTEM=x\n6,2,2000000,-;mce: CPU supports 10 MCE banks\n"
    )
    return tree


def structure(kind: int, handle: int, area: bytes, *strings: str) -> bytes:
    """DSP0134 s.6.1.2: the header, the rest of the formatted area, the strings."""
    text = b"".join(s.encode("latin-1") + b"\0" for s in strings) or b"\0"
    return struct.pack("<BBH", kind, 4 + len(area), handle) + area + text + b"\0"


def array(handle: int, use: int = 3) -> bytes:
    """A type 16 structure: a physical memory array, by default of system memory."""
    return structure(16, handle, bytes([1, use]) + bytes(9))


def module(
    size: int,
    *,
    array: int = 0x1000,
    extended: int = 0,
    technology: int = 3,
    volatile: int = 0,
    speed: int = 0,
    extended_speed: int = 0,
    slot: str = "DIMM 0",
    serial: str = "ABC123",
) -> bytes:
    """A type 17 structure of SMBIOS 3.3. ``size``, ``extended``, ``technology``, ``volatile``: as in the table."""
    area = bytearray(0x5C - 4)
    struct.pack_into("<H", area, 0x04 - 4, array)
    struct.pack_into("<H", area, 0x0C - 4, size)
    area[0x10 - 4], area[0x18 - 4] = 1, 2
    struct.pack_into("<I", area, 0x1C - 4, extended)
    struct.pack_into("<H", area, 0x20 - 4, speed)
    struct.pack_into("<I", area, 0x58 - 4, extended_speed)
    area[0x28 - 4] = technology
    struct.pack_into("<Q", area, 0x3C - 4, volatile)
    return structure(17, 0x1100, bytes(area), slot, serial)


END = structure(127, 0x7F00, b"")
NO_KERNEL = Kernel(lambda _: None, lambda _: None, lambda: None, lambda _: None, lambda: None)
KERNEL = NO_KERNEL._replace(ipv4_address=lambda port: "192.0.2.7" if port == "eth0" else None)


SMARTCTL = Path(__file__).parents[2] / "data/smartctl"


def smartctl(name: str, path: str = "", **changes: object) -> str:
    """An answer of smartctl, by the name of its file. ``path``: of another disk than it was written for."""
    answer = json.loads((SMARTCTL / f"{name}.json").read_text())
    if path and "device" in answer:
        answer["device"]["name"] = path
    return json.dumps(answer | changes)


def healthy(command: Sequence[str]) -> CommandResult:
    """Every program succeeds and says nothing, but smartctl: every disk is a healthy SSD."""
    return CommandResult(0, smartctl("sata-ssd", command[-1]) if command[0] == "smartctl" else "")


class Ended(BaseException):  # the agent outlives every Exception
    """The agent halted, or used more time than a test gives it."""


class Stage:
    """System that are only written down. Time passes only by pauses."""

    def __init__(self, *, at: float = 1_800_000_000, time_limit_s: float = 10_000) -> None:
        self.lines: list[str] = []
        self.commands: list[list[str]] = []
        self.ended: list[str] = []
        self.clock = at
        self.passed = 0.0
        self.pauses: list[float] = []
        self.answers: Callable[[Sequence[str]], CommandResult] = healthy
        self._time_limit_s = time_limit_s

    @property
    def system(self) -> System:
        return System(
            write_line=self.lines.append,
            now=lambda: self.clock + self.passed,
            monotonic=lambda: self.passed,
            set_clock=self._set_clock,
            pause=self._pause,
            execute=self._execute,
            power_off=lambda: self.ended.append("power off"),
            halt=lambda: self.ended.append("halt"),
        )

    def machine(self, root: Path, kernel: Kernel = KERNEL) -> LocalSystem:
        return LocalSystem(root, self.system, kernel, Log(self.lines.append, lambda: self.passed))

    def _set_clock(self, seconds: float) -> None:
        self.clock = seconds - self.passed

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.passed += seconds
        if self.passed > self._time_limit_s:
            raise Ended

    def _execute(self, command: Sequence[str], _timeout_s: float) -> CommandResult:
        self.commands.append(list(command))
        return self.answers(command)
