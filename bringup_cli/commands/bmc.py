"""``bringup bmc check``: what a BMC can do for a run, found out by reading alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bringup import errors, inventory, model
from bringup.settings import Settings
from bringup_cli.context import Context, Output, output_option, print_json, print_line, print_table
from bringup_cli.exit_status import EXIT_FAILED
from workers.redfish.capture import anonymised, read_all, write_mockup
from workers.redfish.connection import RedfishConnection
from workers.redfish.login import Credential, Login, read_credential
from workers.redfish.survey import Survey, survey
from workers.redfish.transport import BmcAddress, GivenAddress

# An IP address without a scheme, with or without a port: https:// is added to it.
_IP_ADDRESS = re.compile(r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:]+\])(:\d{1,5})?")


@dataclass(frozen=True)
class _TargetBmc:
    """The BMC to examine, and what the inventory knows of its machine."""

    address: BmcAddress
    credential: Credential
    boot_method: str
    serial: str | None = None
    uuid: str | None = None


@click.group()
def bmc() -> None:
    """Examine a machine's BMC without changing anything."""


def _fingerprint(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return model.normalise_fingerprint(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@bmc.command()
@click.argument("name_or_address")
@click.option("--credential-file", type=click.Path(path_type=Path), help="username and password: see docs/redfish.md.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="The CA that signed the BMC's certificate.")
@click.option(
    "--fingerprint",
    callback=_fingerprint,
    help="SHA-256 of the BMC's certificate, which is accepted without a CA.",
)
@click.option("--insecure", is_flag=True, help="Accept any certificate: an attacker in between gets the password.")
@click.option(
    "--boot-method", type=click.Choice(["cd", "uefi-http", "pxe"]), help="The boot method that a run would use."
)
@click.option("--serial", help="Of the machine, where the BMC has several systems.")
@click.option("--basic", is_flag=True, help="Open no session: send name and password with each request.")
@click.option(
    "--capture",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write an anonymised mockup into this new folder.",
)
@output_option
@click.pass_obj
def check(
    context: Context,
    name_or_address: str,
    output: Output,
    *,
    credential_file: Path | None,
    ca: str | None,
    fingerprint: str | None,
    insecure: bool,
    boot_method: str | None,
    serial: str | None,
    basic: bool,
    capture: Path | None,
) -> None:
    """Show what the BMC of a machine can do, which system and slot a run would use, and what would fail.

    NAME_OR_ADDRESS is a machine of the inventory, or an address (https://...) with --credential-file. Nothing is
    written to the BMC: it sees GET requests, and a login and logout (none with --basic).
    """
    if _IP_ADDRESS.fullmatch(name_or_address):
        name_or_address = f"https://{name_or_address}"
    if "://" in name_or_address:
        if not name_or_address.startswith("https://"):
            raise click.UsageError("the address must begin with https://: a password is sent there")
        trust = GivenAddress(name_or_address, ca, fingerprint, bmc_verify=not insecure)
        target = _TargetBmc(trust, _credential_in(credential_file), boot_method or "cd", serial)
    else:
        if ca or fingerprint or insecure:
            raise click.UsageError("--ca, --fingerprint and --insecure are for an address; the inventory has its own")
        target = _in_inventory(context.settings_for(), name_or_address, credential_file, boot_method, serial)
    with _connected(context.settings_for(), target, basic=basic) as (connection, login):
        found = survey(
            connection,
            login,
            context.settings_for(),
            serial=target.serial,
            uuid=target.uuid,
            boot_method=target.boot_method,
        )
        if capture:
            write_mockup(anonymised(read_all(connection)), capture)
    if output == "json":
        print_json(found.as_json())
    else:
        _show(found, capture)
    click.get_current_context().exit(EXIT_FAILED if found.problems else 0)


@contextmanager
def _connected(settings: Settings, target: _TargetBmc, *, basic: bool) -> Iterator[tuple[RedfishConnection, Login]]:
    connection = RedfishConnection(target.address, settings)
    login = Login(connection, target.credential, basic_only=basic)
    try:
        yield connection, login
    finally:
        login.close()
        connection.close()


def _credential_in(path: Path | None) -> Credential:
    if path is None or path.suffix != ".toml":
        raise click.UsageError("an address needs --credential-file FILE.toml with username and password (mode 0600)")
    return _credential(path.stem, path.parent)


def _credential(name: str | None, folder: Path) -> Credential:
    """A credential. Raises SettingsError: without one the BMC cannot be asked, so this is no result of the check."""
    try:
        return read_credential(name, folder)
    except errors.BmcRejected as error:
        raise errors.SettingsError([str(error)]) from None


def _in_inventory(
    settings: Settings, name: str, credential_file: Path | None, boot_method: str | None, serial: str | None
) -> _TargetBmc:
    device = inventory.Inventory.read(settings.devices_file).by_name.get(name)
    if device is None:
        raise click.UsageError(f"{settings.devices_file} has no machine {name!r}; an address begins with https://")
    if not device.bmc.startswith("https://"):
        raise click.UsageError(f"the BMC of {name} is {device.bmc}: only https:// can be examined")
    credential = (
        _credential_in(credential_file)
        if credential_file
        else _credential(device.credential, settings.bmc_credentials_dir)
    )
    return _TargetBmc(device, credential, boot_method or device.boot_method, serial or device.serial, device.uuid)


def _show(found: Survey, capture: Path | None) -> None:
    for label, value in (
        ("BMC", f"{found.bmc}, Redfish {found.redfish or 'of an unknown version'}, firmware {found.firmware or '?'}"),
        ("Login", found.login),
        ("System", f"{found.system or 'none'}" + (f" ({found.system_because})" if found.system_because else "")),
        ("Machine", " ".join(filter(None, (found.maker, found.model))) or "not reported"),
        ("Identity", ", ".join(f"{k} {_words(v)}" for k, v in found.identity.items() if v and k != "system_path")),
        ("Power", found.power),
        ("Boot", f"now {found.boot_now or '?'}; written to {found.boot_written_at or '?'}"),
        ("Boots by", ", ".join(f"{method}: {way or 'no'}" for method, way in found.boot_targets.items())),
        ("Waits", ", ".join(f"{name} {value:.0f}" for name, value in found.timing.items())),
    ):
        print_line(f"{label + ':':<10} {value}")
    if len(found.systems) > 1:
        print_line(f"{'Systems:':<10} {'; '.join(found.systems)}")
    print_table(
        "Virtual media, in the order in which they are tried",
        ("Order", "Slot", "Under", "Media types", "By", "Holds", "Remark"),
        [
            (
                slot.order or "-",
                slot.path,
                slot.under,
                ", ".join(slot.media_types) or "-",
                slot.way,
                slot.holds,
                slot.why,
            )
            for slot in sorted(found.slots, key=lambda slot: slot.order or 99)
        ],
    )
    for heading, lines in (
        ("Recognised", found.quirks),
        ("Would fail", found.problems),
        ("Instead", found.alternatives),
    ):
        for line in lines:
            print_line(f"{heading + ':':<11} {line}")
    if not found.problems:
        print_line("Nothing that can be seen by reading would fail.")
    if capture:
        print_line(f"An anonymised mockup is in {capture}. Read it before you send it to others.")


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
