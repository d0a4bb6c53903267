"""``bringup simulate``: simulates machines and their BMCs."""

import signal
import tomllib
from pathlib import Path
from threading import Thread

import click

from bringup import errors, inventory
from bringup_cli.context import Context
from bringup_cli.simulate.fleet import SimulatedFleet
from bringup_cli.simulate.hardware_report import Fault

_POLL_S = 0.1  # how soon the server sees that it must stop; the library's 0.5 s would make each test's end slower


@click.command()
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=KIND",
    help=f"Make a machine fail; KIND is one of {', '.join(fault.value for fault in Fault)}. Repeatable.",
)
@click.option("--boot-seconds", default=3.0, show_default=True, help="From power to a machine's first call.")
@click.option("--check-seconds", default=2.0, show_default=True, help="How long its checks take.")
@click.option("--machines", type=click.IntRange(1, 200), help="Write DEVICES_FILE with this many, if there is none.")
@click.option(
    "--power-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a JSON line to this file each time that a machine is switched on.",
)
@click.pass_obj
def simulate(
    context: Context,
    *,
    faults: tuple[str, ...],
    boot_seconds: float,
    check_seconds: float,
    machines: int | None,
    power_log: Path | None,
) -> None:
    """Play the SIMULATED machines of DEVICES_FILE (those whose bmc is simulated://...)."""
    settings = context.settings
    if settings.environment == "production":
        raise errors.SettingsError(["ENVIRONMENT: simulated machines must not run in production"])
    chosen = dict(_parse_fault(text) for text in faults)
    path = settings.devices_file
    new = _inventory_text(machines) if machines and not path.exists() else None
    fleet = SimulatedFleet(
        settings,
        inventory.Inventory.read(path) if new is None else _inventory_of(new),
        chosen,
        boot_s=boot_seconds,
        check_s=check_seconds,
        power_log=power_log,
    )
    server = fleet.serve()
    if new is not None:  # only now: nothing can be refused any more
        path.write_text(new, encoding="utf-8")
        click.echo(f"{path} written with {machines} simulated machines", err=True)
    elif machines:
        click.echo(f"{path} exists already and is not changed", err=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: Thread(target=server.shutdown).start())
    host, port = fleet.address
    click.echo(f"SIMULATED: {len(fleet.machines)} machines behind simulated BMCs on {host}:{port}", err=True)
    server.serve_forever(poll_interval=_POLL_S)


def _parse_fault(text: str) -> tuple[str, Fault]:
    name, _, kind = text.partition("=")
    if name and kind in set(Fault):
        return name, Fault(kind)
    known = ", ".join(fault.value for fault in Fault)
    raise click.BadParameter(f"{text!r}: write NAME=KIND, with KIND one of {known}", param_hint="--fault")


def _inventory_text(count: int) -> str:
    entries = (
        f'[[device]]\nname = "sim-{n:03d}"\nbmc_mac = "02:5b:00:00:00:{n:02x}"\nnic_macs = ["02:5c:00:00:00:{n:02x}"]\n'
        f'bmc = "simulated://127.0.0.1:9000/sim-{n:03d}"\n'
        "expected = { memory_gib = 64, cpu_count = 16, nics = 1, disks = [{ size_gb = 480, count = 2 }] }\n"
        for n in range(1, count + 1)
    )
    return "# SIMULATED machines, played by `bringup simulate`.\n\n" + "\n".join(entries)


def _inventory_of(text: str) -> inventory.Inventory:
    return inventory.Inventory(inventory.Device.model_validate(entry) for entry in tomllib.loads(text)["device"])
