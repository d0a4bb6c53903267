"""``bringup pki issue``."""

import sys
from pathlib import Path

import click

from bringup.settings import Settings
from bringup_cli.commands.pki.group import pki, settings_of, sitting, store_of
from bringup_cli.context import Context
from pki import csr
from pki.errors import PkiError
from pki.files import read
from pki.issue import hand_out
from pki.issue import issue as certify
from pki.names import Identity, Role, San, parse_san, unique

_WAIT_S = 15  # runs that begin together ask together


@pki.command()
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--name", required=True, help="The identity becomes NAME.ROLE.bringup.internal.")
@click.option("--san", multiple=True, metavar="NAME", help="For servers: a name or address; repeatable.")
@click.option("--csr", "request_file", type=click.Path(path_type=Path), help="Certify this request; no key is made.")
@click.option("--stdout", "taken_away", is_flag=True, help="Print certificate and key; no file of them is left here.")
@click.option("--hours", type=click.FloatRange(0, 8760, min_open=True), help="With --stdout: its life.")
@click.option("--dev", is_flag=True, help="Allow names without a dot, such as localhost.")
@click.pass_obj
def issue(
    context: Context,
    *,
    role: str,
    name: str,
    san: tuple[str, ...],
    request_file: Path | None,
    taken_away: bool,
    hours: float | None,
    dev: bool,
) -> None:
    """Issue a certificate to one more identity: a second worker, an operator, a machine with its own key."""
    settings = settings_of(context)
    identity = Identity(Role(role), name)
    sans = unique(parse_san(text, single_label=dev) for text in san)
    if taken_away:
        _hand_out(settings, identity, sans, hours, request_file)
        return
    if hours is not None:
        raise click.UsageError(
            "--hours: only with --stdout; what lies here lives as VALIDITY_DAYS says, and is renewed"
        )
    request = csr.read_request(_bytes(request_file), str(request_file)) if request_file else None
    with sitting(settings) as opened:
        certificate = certify(opened, identity, sans, request=request)
    files = store_of(settings).files(identity)
    click.echo(f"{identity.dns}: valid until {certificate.not_valid_after_utc:%Y-%m-%d}")
    click.echo(f"  certificate {files.certificate}")
    click.echo(f"  chain       {files.bundle}")
    click.echo(f"  key         {files.key}" if request is None else "  key         stays where the request was made")
    for wish in csr.ignored(request) if request else ():
        click.echo(f"Note: the request asked for {wish}; a request decides nothing but its key.")


def _hand_out(
    settings: Settings, identity: Identity, sans: tuple[San, ...], hours: float | None, request_file: Path | None
) -> None:
    if request_file:
        raise click.UsageError("--stdout prints a new key, and --csr has one already: leave one of them out")
    if sys.stdout.isatty():
        raise click.UsageError("--stdout prints a key: to a file or a pipe only")
    days = None if hours is None else hours / 24
    with sitting(settings, leaf_days=days, wait_s=_WAIT_S) as opened:
        click.echo(hand_out(opened, identity, sans), nl=False)


def _bytes(path: Path) -> bytes:
    try:
        return read(path)
    except PkiError as error:
        raise click.UsageError(str(error)) from None
