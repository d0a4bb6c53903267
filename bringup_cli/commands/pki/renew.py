"""``bringup pki renew``."""

import os
import subprocess
from collections.abc import Sequence

import click

from bringup_cli.commands.pki.group import EXIT_FAILED, pki, settings_of, sitting, store_of
from bringup_cli.context import Context
from bringup_cli.output import show_table
from pki import renew as renewing
from pki.renew import Renewal


@pki.command()
@click.argument("identities", nargs=-1, metavar="[IDENTITY]...")
@click.option("--force", is_flag=True, help="Renew what is not due as well.")
@click.option("--rekey", is_flag=True, help="Make new keys; the old ones are kept aside.")
@click.option("--dry-run", is_flag=True, help="Say what would be renewed, and change nothing.")
@click.option("--exec", "command", metavar="CMD", help="Run CMD in a shell if anything was renewed: reload services.")
@click.pass_obj
def renew(
    context: Context, *, identities: tuple[str, ...], force: bool, rekey: bool, dry_run: bool, command: str | None
) -> None:
    """Renew what is past two thirds of its life or ends in fewer than RENEW_DAYS days; run it daily.

    The list of revoked certificates, which lives for CRL_DAYS, is renewed with them.
    """
    settings = settings_of(context)
    store = store_of(settings)
    chosen = [store.named(name) for name in identities] or store.identities()
    with sitting(settings) as opened:
        renewals = list(renewing.plan(opened, chosen, renew_days=settings.renew_days, force=force, rekey=rekey))
        due = [one for one in renewals if one.due]
        refresh = bool(due) or renewing.crl_is_due(opened)
        if not dry_run:
            renewing.carry_out(opened, due, rekey=rekey)
            if refresh:
                opened.publish_crl()
            opened.commit(keep_replaced=rekey or force)
    _tell(renewals, refreshed=refresh, dry_run=dry_run)
    if refresh and command and not dry_run:
        _run(command, due)
    if any(one.attention for one in renewals):
        raise SystemExit(EXIT_FAILED)


def _tell(renewals: Sequence[Renewal], *, refreshed: bool, dry_run: bool) -> None:
    done = "would be renewed" if dry_run else "renewed"
    rows = [(one.identity, done if one.due else "left alone", one.reason) for one in renewals]
    show_table("Renewal", ("Identity", "Result", "Why"), rows)
    if refreshed:
        click.echo("The list of revoked certificates would be renewed too." if dry_run else "crl renewed.")
    elif not any(one.due for one in renewals):
        click.echo("Nothing is due; nothing was changed.")


def _run(command: str, due: Sequence[Renewal]) -> None:
    environment = {**os.environ, "BRINGUP_RENEWED": " ".join(str(one.identity) for one in due)}
    status = subprocess.run(["/bin/sh", "-c", command], env=environment, check=False).returncode  # noqa: S603
    if status:
        click.echo(f"bringup pki: renewed, but {command!r} ended with status {status}: reload the services", err=True)
        raise SystemExit(EXIT_FAILED)
