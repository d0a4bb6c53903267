"""``bringup pki setup`` and ``rollover``: the CA itself."""

from dataclasses import asdict

import click

from bringup.settings import Settings
from bringup_cli.commands.pki.group import PkiGroup, open_session, pki, settings_of, store_of
from bringup_cli.context import Context, Output, output_option, print_json, print_table
from bringup_cli.site.decide import check_hosts
from pki import errors, rollover
from pki.names import STANDARD, Role, San, san_text, sans_of
from pki.setup import SetupResult, Wanted, set_up, start_over
from pki.store import SETUP, RolloverState, Stage, Store
from selftest.hosts import configured_hosts, sans_from

# The names that `--dev` adds: those by which a service on the same machine is reached.
DEVELOPMENT = ("localhost", "127.0.0.1", "::1")


@pki.command()
@click.option("--redis-san", multiple=True, metavar="NAME", help="Another name or address of Redis; repeatable.")
@click.option("--api-san", multiple=True, metavar="NAME", help="Another name or address of the API; repeatable.")
@click.option("--dev", is_flag=True, help="A development PKI: covers localhost, allows names without a dot.")
@click.option("--force", is_flag=True, help="A new CA, new keys, new certificates; the old ones are kept as a backup.")
@click.option("--encrypt-ca-key", is_flag=True, help="Ask for a passphrase for the new CA key.")
@output_option
@click.pass_obj
def setup(
    context: Context,
    output: Output,
    *,
    redis_san: tuple[str, ...],
    api_san: tuple[str, ...],
    dev: bool,
    force: bool,
    encrypt_ca_key: bool,
) -> None:
    """Make a CA and certificates for Redis, the workers and the API. A second time it changes nothing."""
    settings = settings_of(context)
    wanted = _wanted(settings, {Role.REDIS: redis_san, Role.API: api_san}, dev=dev)
    passphrase = _passphrase(settings, store_of(settings), encrypt=encrypt_ca_key, force=force)
    with open_session(settings, init=True) as session:
        act = start_over if force else set_up
        outcome = act(session, wanted, passphrase=passphrase)
    if output == "json":
        print_json(asdict(outcome))
    else:
        _report_setup(store_of(settings), outcome, crl_days=settings.crl_days)


def _wanted(settings: Settings, asked: dict[Role, tuple[str, ...]], *, dev: bool) -> list[Wanted]:
    configured = configured_hosts(settings)
    sans: dict[Role, tuple[San, ...]] = {}
    for role, names in asked.items():
        texts = configured.get(role, {}) | {f"--{role}-san": [*names, *(DEVELOPMENT if dev else ())]}
        sans[role] = sans_from(texts, single_label=dev)
    if not sans[Role.API]:
        raise errors.InvalidInput(
            "no setting names the host under which machines reach the API: it listens on every address",
            hint="set CALLBACK_API_URL, or give --api-san NAME",
        )
    return [Wanted(identity, sans.get(identity.role, ())) for identity in STANDARD]


def _passphrase(settings: Settings, store: Store, *, encrypt: bool, force: bool) -> str | None:
    if settings.ca_key_passphrase:
        return settings.ca_key_passphrase.get_secret_value()
    if encrypt and (force or not store.ca_certificate.exists()):
        return str(click.prompt("Passphrase for the new CA key", hide_input=True, confirmation_prompt=True, err=True))
    return None


def _report_setup(store: Store, outcome: SetupResult, *, crl_days: int) -> None:
    if outcome.made:
        click.echo(f"Made in {store.root}: {', '.join(outcome.made)}")
    if outcome.kept:
        click.echo(f"Already there, unchanged: {', '.join(outcome.kept)}")
    if not outcome.made:
        click.echo("Nothing to do.")
    if outcome.backup:
        click.echo(f"What was replaced is kept in {outcome.backup}")
    for note in outcome.notes:
        click.echo(f"Note: {note}")
    if outcome.made:
        print_table("Certificates", ("Identity", "Valid until", "Names"), _rows(store))
        click.echo("Next: bringup pki verify; docs/PKI.md shows how Redis, the API and the workers get theirs.")
        click.echo(f"Run bringup pki renew every day: the list of revoked certificates ends after {crl_days} days.")


def _rows(store: Store) -> list[tuple[str, str, str]]:
    return [
        (str(one), f"{certificate.not_valid_after_utc:%Y-%m-%d}", ", ".join(map(san_text, sans_of(certificate))))
        for one in store.identities()
        if (certificate := store.certificate(one))
    ]


# One CONFIG SET, because Redis checks the three files against each other at every change of one.
RELOAD_REDIS = (
    "Reload: Redis, by one CONFIG SET of tls-cert-file, tls-key-file and tls-ca-cert-file (docs/PKI.md, 'Renewal');"
    " API, workers and tailer use new files at their next connection."
)
# What an operator must do before the next stage, by the stage that was reached; None when the rollover is over.
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


@pki.group("rollover", cls=PkiGroup)
def rollover_group() -> None:
    """Replace the CA without an outage: trust both, move the clients, move the servers, drop the old."""


@rollover_group.command()
@output_option
@click.pass_obj
def start(context: Context, output: Output) -> None:
    """Make a new CA, and trust both."""
    with open_session(settings_of(context)) as session:
        moved = rollover.start(session)
    _report_step(moved, output)


@rollover_group.command()
@output_option
@click.pass_obj
def advance(context: Context, output: Output) -> None:
    """Go on: certificates of the new CA for the clients, then for the servers."""
    with open_session(settings_of(context)) as session:
        check_hosts(session)
        moved = rollover.advance(session)
    _report_step(moved, output)


@rollover_group.command()
@output_option
@click.pass_obj
def finish(context: Context, output: Output) -> None:
    """Trust the new CA alone."""
    with open_session(settings_of(context)) as session:
        check_hosts(session)
        moved = rollover.finish(session)
    _report_step(moved, output)


@rollover_group.command()
@output_option
@click.pass_obj
def status(context: Context, output: Output) -> None:
    """Show which stage has been reached, and what must be done before the next."""
    store = store_of(settings_of(context))
    if not store.ca_certificate.exists():
        raise errors.NotSetUp(f"there is no CA in {store.root}", hint=SETUP)
    state = RolloverState.read(store.state)
    if output == "json":
        next_steps = TEXTS[state.stage] if state.stage else ()
        print_json({"stage": state.stage, "since": state.since if state.stage else None, "next": next_steps})
        return
    if state.stage is None:
        click.echo("No CA rollover is under way; to begin one: bringup pki rollover start")
        return
    click.echo(f"Stage {state.stage}, since {state.since:%Y-%m-%d %H:%M} UTC.")
    for line in TEXTS[state.stage]:
        click.echo(line)


def _report_step(moved: rollover.Moved, output: Output) -> None:
    if output == "json":
        print_json({**asdict(moved), "next": TEXTS[moved.stage]})
        return
    click.echo(f"Stage: {moved.stage or 'over'}")
    if moved.reissued:
        click.echo(f"Renewed here: {', '.join(map(str, moved.reissued))}")
    if moved.carried:
        click.echo(f"Renewed, to be carried to their own machines: {', '.join(map(str, moved.carried))}")
    if moved.backup:
        click.echo(f"What was replaced is kept in {moved.backup}")
    for line in TEXTS[moved.stage]:
        click.echo(line)
