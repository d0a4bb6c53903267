"""``bringup pki issue``."""

from pathlib import Path

import click

from bringup.cli.context import Context
from bringup.cli.pki.group import pki, settings_of, sitting, store_of
from pki import csr
from pki.errors import PkiError
from pki.files import read
from pki.issue import issue as certify
from pki.names import Identity, Role, parse_san, unique


@pki.command()
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--name", required=True, help="The identity becomes NAME.ROLE.bringup.internal.")
@click.option("--san", multiple=True, metavar="NAME", help="For servers: a name or address; repeatable.")
@click.option("--csr", "request_file", type=click.Path(path_type=Path), help="Certify this request; no key is made.")
@click.option("--dev", is_flag=True, help="Allow names without a dot, such as localhost.")
@click.pass_obj
def issue(
    context: Context, *, role: str, name: str, san: tuple[str, ...], request_file: Path | None, dev: bool
) -> None:
    """Issue a certificate to one more identity: a second worker, an operator, a machine with its own key."""
    settings = settings_of(context)
    identity = Identity(Role(role), name)
    sans = unique(parse_san(text, single_label=dev) for text in san)
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


def _bytes(path: Path) -> bytes:
    try:
        return read(path)
    except PkiError as error:
        raise click.UsageError(str(error)) from None
