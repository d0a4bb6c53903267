"""``bringup pki rollover``: replacing the CA, one stage after another."""

from typing import TYPE_CHECKING

import click

from bringup.cli.pki.group import PkiGroup, pki, settings_of, sitting, store_of
from pki import rollover as rolling
from pki.errors import NotSetUp
from pki.rollover import Moved
from pki.rollover_state import RolloverState, Stage
from pki.store import SETUP

if TYPE_CHECKING:
    from bringup.cli.root import Context

RELOAD_REDIS = "Redis: CONFIG SET tls-cert-file FILE tls-key-file FILE tls-ca-cert-file FILE, all in one command"
TEXTS: dict[Stage | None, tuple[str, ...]] = {
    Stage.TRUST: (
        "Both CAs are trusted; the old one still signs.",
        "Now carry ca/ca-cert.pem and ca/ca-crl.pem to every machine: Redis, API, workers, and new validation ISOs.",
        f"Reload: {RELOAD_REDIS}; the API and the workers read it at their next connection.",
        "Check on each machine: bringup pki show ca (it must show two), then bringup pki verify.",
        "Only when ALL of them trust both: bringup pki rollover advance",
    ),
    Stage.CLIENTS: (
        "The new CA signs; the clients' certificates are renewed with their old keys.",
        "Now carry workers/ and issued/ certificates to their machines, and ca/ca-crl.pem to the API.",
        "Reload: nothing; workers read their certificate at the next connection.",
        "Check: bringup pki verify; and that the workers' runs go on.",
        "When every client has its new certificate: bringup pki rollover advance",
    ),
    Stage.SERVERS: (
        "The servers' certificates are renewed with their old keys.",
        "Now carry redis/ and api/ certificates to their machines.",
        f"Reload: {RELOAD_REDIS}; the API reads its own at the next connection.",
        "Check: openssl s_client -connect HOST:PORT -CAfile ca/ca-cert.pem must name the new CA as issuer.",
        "When Redis and the API present their new certificates: bringup pki rollover finish",
    ),
    None: (
        "The new CA alone is trusted; the rollover is over.",
        "Now carry ca/ca-cert.pem and ca/ca-crl.pem to every machine again, and build new validation ISOs.",
        f"Reload: {RELOAD_REDIS}.",
        "Check on each machine: bringup pki show ca (it must show one), then bringup pki verify.",
    ),
}


@pki.group(cls=PkiGroup)
def rollover() -> None:
    """Replace the CA without an outage: trust both, move the clients, move the servers, drop the old."""


@rollover.command()
@click.pass_obj
def start(context: "Context") -> None:
    """Make a new CA, and trust both."""
    with sitting(settings_of(context)) as opened:
        moved = rolling.start(opened)
    _tell(moved)


@rollover.command()
@click.pass_obj
def advance(context: "Context") -> None:
    """Go on: certificates of the new CA for the clients, then for the servers."""
    with sitting(settings_of(context)) as opened:
        moved = rolling.advance(opened)
    _tell(moved)


@rollover.command()
@click.pass_obj
def finish(context: "Context") -> None:
    """Trust the new CA alone."""
    with sitting(settings_of(context)) as opened:
        moved = rolling.finish(opened)
    _tell(moved)


@rollover.command()
@click.pass_obj
def status(context: "Context") -> None:
    """Say which stage has been reached, and what must be done before the next."""
    store = store_of(settings_of(context))
    if not store.ca_certificate.exists():
        raise NotSetUp(f"there is no CA in {store.root}", mend=SETUP)
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
