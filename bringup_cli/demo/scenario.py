"""The machines of the demonstration: those that the real DHCP log names, how each fails, and how its run must end.

The log was written by a real dnsmasq 2.90 (with and without ``log-dhcp``); one of its clients sends a vendor
class that tries to forge a lease. The machines behind the addresses are SIMULATED.
"""

from dataclasses import dataclass
from importlib.resources import files

from bringup.model import FailureReason, RunState
from bringup_cli.simulate.hardware_report import Fault

# Timeouts of seconds where production has minutes: the whole must fit into a minute and a half. The simulated machines
# boot in 1.5 s, so 8 s to boot and 6 s without a heartbeat still differ from a slow computer.
SETTINGS = {
    "ENVIRONMENT": "development",
    "LOG_LEVEL": "INFO",
    "API_WORKERS": "1",
    "BOOT_TIMEOUT_S": "8",
    "RUN_TIMEOUT_S": "20",
    "HEARTBEAT_INTERVAL_S": "2",
    "HEARTBEAT_LOST_S": "6",
    "BMC_TRIES": "3",
    "RETRY_MIN_S": "1",
    "RETRY_MAX_S": "2",
    "LEASE_MAX_AGE_H": "0",  # the log of a real server, and of its day
}


@dataclass(frozen=True)
class DemoMachine:
    """One machine of the scenario.

    Args:
        name: in the inventory.
        mac: of its lease in the log.
        ends: the state that its run must end in.
        reason: the failure reason that it must end with.
        fault: what the simulated fleet does to it.
        extra: one more line of its inventory entry.
        in_inventory: whether the inventory has it at all.
        nic: the MAC of its own port, where the log names it, too.
    """

    name: str
    mac: str
    ends: RunState
    reason: FailureReason | None = None
    fault: Fault = Fault.NONE
    extra: str = ""
    in_inventory: bool = True
    nic: str = ""


_FAILED, _TIMED_OUT, _AUDITED = RunState.FAILED, RunState.TIMED_OUT, RunState.AUDITED

MACHINES = (
    DemoMachine("r12u01", "02:00:00:00:00:01", RunState.PASSED, nic="52:54:00:00:02:01"),
    DemoMachine("r12u07", "02:00:00:00:00:02", RunState.PASSED),
    DemoMachine("r14u01", "02:10:00:00:00:00", RunState.PASSED),
    DemoMachine("r14u02", "02:10:00:00:00:01", RunState.DEGRADED, None, Fault.LINK_DOWN),
    DemoMachine("r12u09", "02:00:00:00:00:44", _FAILED, FailureReason.CHECK_FAILED, Fault.WRONG_MEMORY),
    DemoMachine("r14u03", "02:10:00:00:00:02", _TIMED_OUT, FailureReason.NO_BOOT, Fault.NO_BOOT),
    DemoMachine("r14u04", "02:10:00:00:00:03", _TIMED_OUT, FailureReason.NO_NETWORK, Fault.SILENT),
    DemoMachine("r14u05", "02:10:00:00:00:04", _TIMED_OUT, FailureReason.CALLBACK_REFUSED, Fault.BAD_TOKEN),
    DemoMachine("r14u06", "02:10:00:00:00:05", _TIMED_OUT, FailureReason.NO_BOOT, Fault.CRASH_LOOP),
    DemoMachine("r14u07", "02:10:00:00:00:06", _FAILED, FailureReason.BMC_UNREACHABLE, Fault.BMC_UNREACHABLE),
    DemoMachine("r14u08", "02:10:00:00:00:07", _FAILED, FailureReason.BMC_AUTH, Fault.BMC_AUTH),
    DemoMachine("r14u09", "02:10:00:00:00:08", _FAILED, FailureReason.MEDIA_REJECTED, Fault.MEDIA_REJECTED),
    DemoMachine("r14u10", "02:10:00:00:00:09", _AUDITED, extra='state = "active"'),
    DemoMachine("r14u11", "02:10:00:00:00:0a", _AUDITED, extra='maintenance = "disk replacement"'),
    DemoMachine("02-00-00-00-00-55", "02:00:00:00:00:55", _AUDITED, in_inventory=False),
)


def dhcp_log() -> list[str]:
    """The lines of the real log, line ends kept."""
    data = files("bringup_cli.demo").joinpath("data/dnsmasq.log").read_bytes()
    return data.decode(errors="surrogateescape").splitlines(keepends=True)


def inventory(bmc_port: int) -> str:
    """The inventory of the demonstration, as TOML."""
    return "# The machines of the demonstration; their BMCs are SIMULATED.\n" + "".join(
        _entry(number, machine, bmc_port) for number, machine in enumerate(MACHINES) if machine.in_inventory
    )


def faults() -> list[str]:
    """``--fault`` options for the simulated fleet."""
    return [
        argument
        for machine in MACHINES
        if machine.fault is not Fault.NONE
        for argument in ("--fault", f"{machine.name}={machine.fault.value}")
    ]


def _entry(number: int, machine: DemoMachine, bmc_port: int) -> str:
    nic = machine.nic or f"02:aa:00:00:00:{number:02x}"
    return (
        f'\n[[device]]\nname = "{machine.name}"\nbmc_mac = "{machine.mac}"\nnic_macs = ["{nic}"]\n'
        f'bmc = "simulated://127.0.0.1:{bmc_port}/{machine.name}"\n{machine.extra}\n'
        f"[device.expected]\nmemory_gib = 64\ncpu_count = 16\nnics = 2\n"
        f'serial = "SIM{number:04d}"\ndisks = [{{ size_gb = 480, count = 2 }}]\n'
    )
