"""``bringup pki revoke`` and ``bringup pki crl``."""

import click

from bringup_cli.commands.pki.group import pki, settings_of, sitting, store_of
from bringup_cli.context import Context
from pki import revoke as revoking
from pki.crl import REASONS


@pki.command()
@click.argument("who", metavar="NAME|SERIAL")
@click.option("--reason", type=click.Choice(list(REASONS)), default="unspecified", show_default=True)
@click.pass_obj
def revoke(context: Context, who: str, reason: str) -> None:
    """Revoke every certificate of an identity, or one by its serial number, and publish it."""
    settings = settings_of(context)
    with sitting(settings) as opened:
        revoked = revoking.revoke(opened, who, reason)
    for entry in revoked:
        click.echo(f"revoked: {entry.identity.dns if entry.identity else 'unknown'}, serial {entry.serial}")
    if not revoked:
        click.echo(f"{who} has no certificate that is valid and not revoked yet; the list was published again.")
    click.echo("The API refuses it from the next connection on;")
    click.echo(f"if it runs on another machine, carry {store_of(settings).ca_crl} there.")
    click.echo("Redis does not: give the user there another password (ACL SETUSER), then CLIENT KILL USER.")
    click.echo("docs/PKI.md, 'Revocation', tells who else must be told.")


@pki.command()
@click.option("--rebuild-record", is_flag=True, help="The record is lost: make it anew from the files here.")
@click.pass_obj
def crl(context: Context, *, rebuild_record: bool) -> None:
    """Sign a fresh list of revoked certificates."""
    settings = settings_of(context)
    with sitting(settings) as opened:
        if rebuild_record:
            revoking.rebuild_record(opened)
        opened.publish_crl()
        opened.commit(keep_replaced=rebuild_record)
    revoked = sum(entry.revoked_at is not None for entry in opened.record.entries)
    click.echo(f"{store_of(settings).ca_crl}: number {opened.record.crl_number}, {revoked} revoked")
