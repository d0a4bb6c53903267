"""``bringup pki rollover``: replacing the CA, one stage after another."""

import click

from bringup_cli.commands.pki.group import PkiGroup, pki, settings_of, sitting, store_of
from bringup_cli.context import Context
from pki import rollover as rolling
from pki.errors import NotSetUp
from pki.rollover import Moved
from pki.rollover_state import RolloverState, Stage
from pki.store import SETUP

RELOAD_REDIS = (
    "Reload: Redis, by one CONFIG SET of tls-cert-file, tls-key-file and tls-ca-cert-file (docs/PKI.md, 'Renewal');"
    " API, workers and tailer use new files at their next connection."
)
TEXTS: dict[Stage | None, tuple[str, ...]] = {
    Stage.TRUST: (
        "Both CAs are trusted; the old one still signs.",
        "Now carry ca/ca-cert.pem and ca/ca-crl.pem to every machine: Redis, API, workers, and new validation ISOs.",
        RELOAD_REDIS,
        "Check on each machine: bringup pki show ca (it must show two), then bringup pki verify.",
        "Only when ALL of them trust both: bringup pki rollover advance",
    ),
    Stage.CLIENTS: (
        "The new CA signs; the clients' certificates are renewed with their old keys.",
        "Now carry the certificates in workers/ and issued/ to their machines, and ca/ca-crl.pem to the API.",
        "Reload: nothing; API, workers and tailer use new files at their next connection.",
        "Check on each machine: bringup pki verify; and that runs go on.",
        "When every client has its new certificate: bringup pki rollover advance",
    ),
    Stage.SERVERS: (
        "The servers' certificates are renewed with their old keys.",
        "Now carry the certificates in redis/ and api/ to their machines.",
        RELOAD_REDIS,
        "Check each server: openssl s_client -connect HOST:PORT must show the new CA as issuer (docs/PKI.md).",
        "When Redis and the API present their new certificates: bringup pki rollover finish",
    ),
    None: (
        "The new CA alone is trusted; the rollover is over.",
        "Now carry ca/ca-cert.pem and ca/ca-crl.pem to every machine again, and build new validation ISOs.",
        RELOAD_REDIS,
        "Check on each machine: bringup pki show ca (it must show one), then bringup pki verify.",
    ),
}


@pki.group(cls=PkiGroup)
def rollover() -> None:
    """Replace the CA without an outage: trust both, move the clients, move the servers, drop the old."""


@rollover.command()
@click.pass_obj
def start(context: Context) -> None:
    """Make a new CA, and trust both."""
    with sitting(settings_of(context)) as opened:
        moved = rolling.start(opened)
    _tell(moved)


@rollover.command()
@click.pass_obj
def advance(context: Context) -> None:
    """Go on: certificates of the new CA for the clients, then for the servers."""
    with sitting(settings_of(context)) as opened:
        moved = rolling.advance(opened)
    _tell(moved)


@rollover.command()
@click.pass_obj
def finish(context: Context) -> None:
    """Trust the new CA alone."""
    with sitting(settings_of(context)) as opened:
        moved = rolling.finish(opened)
    _tell(moved)


@rollover.command()
@click.pass_obj
def status(context: Context) -> None:
    """Say which stage has been reached, and what must be done before the next."""
    store = store_of(settings_of(context))
    if not store.ca_certificate.exists():
        raise NotSetUp(f"there is no CA in {store.root}", hint=SETUP)
    state = RolloverState.read(store.state)
    if state.stage is None:
        click.echo("No CA rollover is under way; to begin one: bringup pki rollover start")
        return
    click.echo(f"Stage {state.stage}, since {state.since:%Y-%m-%d %H:%M} UTC.")
    for line in TEXTS[state.stage]:
        click.echo(line)


def _tell(moved: Moved) -> None:
    click.echo(f"Stage: {moved.stage or 'over'}")
    if moved.reissued:
        click.echo(f"Renewed here: {', '.join(map(str, moved.reissued))}")
    if moved.carried:
        click.echo(f"Renewed, to be carried to their own machines: {', '.join(map(str, moved.carried))}")
    if moved.aside:
        click.echo(f"What was replaced is kept in {moved.aside}")
    for line in TEXTS[moved.stage]:
        click.echo(line)
