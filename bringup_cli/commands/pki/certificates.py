"""``bringup pki issue``, ``renew``, ``revoke`` and ``crl``: certificates of single identities."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from bringup.settings import Settings
from bringup_cli.commands.pki.group import EXIT_FAILED, open_session, pki, settings_of, store_of
from bringup_cli.commands.pki.issued import issued, show_issued, write_browser_file
from bringup_cli.context import Context, Output, output_option, print_json, print_table
from pki import crl, csr, errors, issue, ledger, names, renew
from pki.files import read

# Seconds that `issue --stdout` waits for another command: runs that begin at the same time ask at the same time.
_WAIT_S = 15


@pki.command("issue")
@click.argument("role", type=click.Choice([role.value for role in names.Role]))
@click.option("--name", required=True, help="The identity becomes NAME.ROLE.bringup.internal.")
@click.option("--san", multiple=True, metavar="NAME", help="For servers: a name or address; repeatable.")
@click.option("--csr", "request_file", type=click.Path(path_type=Path), help="Certify this request; no key is made.")
@click.option("--stdout", "ephemeral", is_flag=True, help="Print certificate and key; no file of them is kept here.")
@click.option("--hours", type=click.FloatRange(0, 8760, min_open=True), help="With --stdout: how long it is valid.")
@click.option("--p12", "for_browser", is_flag=True, help="For operators: a file that their browser imports, too.")
@click.option("--dev", is_flag=True, help="Allow names without a dot, such as localhost.")
@output_option
@click.pass_obj
def issue_command(
    context: Context,
    output: Output,
    *,
    role: str,
    name: str,
    san: tuple[str, ...],
    request_file: Path | None,
    ephemeral: bool,
    hours: float | None,
    for_browser: bool,
    dev: bool,
) -> None:
    """Issue a certificate to one more identity: a second worker, an operator, a machine with its own key."""
    settings = settings_of(context)
    identity = names.Identity(names.Role(role), name)
    sans = names.unique(names.parse_san(text, single_label=dev) for text in san)
    if for_browser and (ephemeral or request_file or identity.role is not names.Role.OPERATOR):
        raise click.UsageError("--p12: only for role operator, and with a key that is made here")
    if ephemeral:
        _issue_ephemeral(settings, identity, sans, hours, request_file)
        return
    if hours is not None:
        raise click.UsageError(
            "--hours: only with --stdout; a certificate in a file is valid for VALIDITY_DAYS, and is renewed"
        )
    request = csr.read_request(_bytes(request_file), str(request_file)) if request_file else None
    certificate = store_of(settings).certificate(identity) if for_browser else None
    if certificate is None:
        with open_session(settings) as session:
            certificate = issue.issue(session, identity, sans, request=request)
    made = issued(store_of(settings), identity, certificate, request)
    if for_browser:
        made |= write_browser_file(store_of(settings), identity)
    if output == "json":
        print_json(made)
    else:
        show_issued(made)


def _issue_ephemeral(
    settings: Settings,
    identity: names.Identity,
    sans: tuple[names.San, ...],
    hours: float | None,
    request_file: Path | None,
) -> None:
    if request_file:
        raise click.UsageError("--stdout prints a new key, and --csr has one already: omit one of them")
    if sys.stdout.isatty():
        raise click.UsageError("--stdout prints a key: to a file or a pipe only")
    days = None if hours is None else hours / 24
    with open_session(settings, leaf_days=days, wait_s=_WAIT_S) as session:
        click.echo(issue.issue_ephemeral(session, identity, sans), nl=False)


def _bytes(path: Path) -> bytes:
    try:
        return read(path)
    except errors.PkiError as error:
        raise click.UsageError(str(error)) from None


@pki.command("renew")
@click.argument("identities", nargs=-1, metavar="[IDENTITY]...")
@click.option("--force", is_flag=True, help="Renew what is not due as well.")
@click.option("--rekey", is_flag=True, help="Make new keys; the old ones are kept as a backup.")
@click.option("--dry-run", is_flag=True, help="Show what would be renewed, and change nothing.")
@click.option("--exec", "command", metavar="CMD", help="Run CMD in a shell if anything was renewed: reload services.")
@output_option
@click.pass_obj
def renew_command(
    context: Context,
    output: Output,
    *,
    identities: tuple[str, ...],
    force: bool,
    rekey: bool,
    dry_run: bool,
    command: str | None,
) -> None:
    """Renew what is past two thirds of its validity or ends in fewer than RENEW_DAYS days; run it daily.

    The list of revoked certificates, which is valid for CRL_DAYS, is renewed with them.
    """
    settings = settings_of(context)
    store = store_of(settings)
    chosen = [store.named(name) for name in identities] or store.identities()
    with open_session(settings) as session:
        renewals = list(renew.plan(session, chosen, renew_days=settings.renew_days, force=force, rekey=rekey))
        due = [one for one in renewals if one.due]
        refresh = bool(due) or renew.crl_is_due(session)
        if not dry_run:
            renew.apply(session, due, rekey=rekey)
            if refresh:
                session.publish_crl()
            session.commit(backup=rekey or force)
    if output == "json":
        print_json({"dry_run": dry_run, "crl_renewed": refresh, "certificates": list(map(_as_json, renewals))})
    else:
        _report(renewals, refreshed=refresh, dry_run=dry_run)
    if refresh and command and not dry_run:
        _run(command, due)
    if any(one.attention for one in renewals):
        raise SystemExit(EXIT_FAILED)


def _as_json(one: renew.Renewal) -> dict[str, object]:
    return {"identity": str(one.identity), "due": one.due, "reason": one.reason, "attention": one.attention}


def _report(renewals: Sequence[renew.Renewal], *, refreshed: bool, dry_run: bool) -> None:
    done = "would be renewed" if dry_run else "renewed"
    rows = [(one.identity, done if one.due else "unchanged", one.reason) for one in renewals]
    print_table("Renewal", ("Identity", "Result", "Why"), rows)
    if refreshed:
        click.echo("The list of revoked certificates would be renewed too." if dry_run else "crl renewed.")
    elif not any(one.due for one in renewals):
        click.echo("Nothing is due; nothing was changed.")


def _run(command: str, due: Sequence[renew.Renewal]) -> None:
    environment = {**os.environ, "BRINGUP_RENEWED": " ".join(str(one.identity) for one in due)}
    status = subprocess.run(["/bin/sh", "-c", command], env=environment, check=False).returncode  # noqa: S603
    if status:
        click.echo(f"bringup pki: renewed, but {command!r} ended with status {status}: reload the services", err=True)
        raise SystemExit(EXIT_FAILED)


@pki.command()
@click.argument("who", metavar="NAME|SERIAL")
@click.option("--reason", type=click.Choice(list(ledger.REASONS)), default="unspecified", show_default=True)
@output_option
@click.pass_obj
def revoke(context: Context, who: str, reason: str, output: Output) -> None:
    """Revoke every certificate of an identity, or one by its serial number, and publish it."""
    settings = settings_of(context)
    with open_session(settings) as session:
        revoked = crl.revoke(session, who, reason)
    if output == "json":
        serials = [{"identity": str(one.identity or ""), "serial": one.serial} for one in revoked]
        print_json({"revoked": serials, "crl": store_of(settings).ca_crl})
        return
    for entry in revoked:
        click.echo(f"revoked: {entry.identity.dns if entry.identity else 'unknown'}, serial {entry.serial}")
    if not revoked:
        click.echo(f"{who} has no certificate that is valid and not revoked yet; the list was published again.")
    click.echo("The API refuses it from the next connection on;")
    click.echo(f"if it runs on another machine, carry {store_of(settings).ca_crl} there.")
    click.echo("Redis does not: give the user there another password (ACL SETUSER), then CLIENT KILL USER.")
    click.echo("What else to do: docs/PKI.md, 'Revocation'.")


@pki.command("crl")
@click.option(
    "--rebuild-ledger",
    "--rebuild-record",  # its name in 0.1.0
    "rebuild",
    is_flag=True,
    help="The ledger is lost: rebuild it from the files here.",
)
@output_option
@click.pass_obj
def crl_command(context: Context, output: Output, *, rebuild: bool) -> None:
    """Sign a fresh list of revoked certificates."""
    settings = settings_of(context)
    with open_session(settings) as session:
        if rebuild:
            crl.rebuild_ledger(session)
        session.publish_crl()
        session.commit(backup=rebuild)
    revoked = sum(entry.revoked_at is not None for entry in session.ledger.entries)
    path, number = store_of(settings).ca_crl, session.ledger.crl_number
    if output == "json":
        print_json({"crl": path, "number": number, "revoked": revoked})
    else:
        click.echo(f"{path}: number {number}, {revoked} revoked")
