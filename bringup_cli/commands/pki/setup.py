"""``bringup pki setup``."""

import click

from bringup.settings import Settings
from bringup_cli.commands.pki.group import pki, settings_of, sitting, store_of
from bringup_cli.context import Context
from bringup_cli.output import show_table
from pki import setup as founding
from pki.errors import InvalidInput
from pki.names import STANDARD, Role, San, san_text, sans_of
from pki.setup import Outcome, Wanted
from pki.store import Store
from selftest.hosts import configured_hosts, sans_from

DEVELOPMENT = ("localhost", "127.0.0.1", "::1")


@pki.command()
@click.option("--redis-san", multiple=True, metavar="NAME", help="Another name or address of Redis; repeatable.")
@click.option("--api-san", multiple=True, metavar="NAME", help="Another name or address of the API; repeatable.")
@click.option("--dev", is_flag=True, help="A development PKI: covers localhost, allows names without a dot.")
@click.option("--force", is_flag=True, help="A new CA, new keys, new certificates; the old ones are kept aside.")
@click.option("--encrypt-ca-key", is_flag=True, help="Ask for a passphrase for the new CA key.")
@click.pass_obj
def setup(
    context: Context,
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
    with sitting(settings, founding=True) as opened:
        act = founding.start_over if force else founding.set_up
        outcome = act(opened, wanted, passphrase=passphrase)
    _tell(store_of(settings), outcome, crl_days=settings.crl_days)


def _wanted(settings: Settings, asked: dict[Role, tuple[str, ...]], *, dev: bool) -> list[Wanted]:
    configured = configured_hosts(settings)
    sans: dict[Role, tuple[San, ...]] = {}
    for role, names in asked.items():
        texts = configured.get(role, {}) | {f"--{role}-san": [*names, *(DEVELOPMENT if dev else ())]}
        sans[role] = sans_from(texts, single_label=dev)
    if not sans[Role.API]:
        raise InvalidInput(
            "nothing says under which name machines reach the API: it listens on every address",
            hint="set CALLBACK_API_URL, or give --api-san NAME",
        )
    return [Wanted(identity, sans.get(identity.role, ())) for identity in STANDARD]


def _passphrase(settings: Settings, store: Store, *, encrypt: bool, force: bool) -> str | None:
    if settings.ca_key_passphrase:
        return settings.ca_key_passphrase.get_secret_value()
    if encrypt and (force or not store.ca_certificate.exists()):
        return str(click.prompt("Passphrase for the new CA key", hide_input=True, confirmation_prompt=True, err=True))
    return None


def _tell(store: Store, outcome: Outcome, *, crl_days: int) -> None:
    if outcome.made:
        click.echo(f"Made in {store.root}: {', '.join(outcome.made)}")
    if outcome.kept:
        click.echo(f"Already there, unchanged: {', '.join(outcome.kept)}")
    if not outcome.made:
        click.echo("Nothing to do.")
    if outcome.aside:
        click.echo(f"What was replaced is kept in {outcome.aside}")
    for note in outcome.notes:
        click.echo(f"Note: {note}")
    if outcome.made:
        show_table("Certificates", ("Identity", "Valid until", "Names"), _rows(store))
        click.echo("Next: bringup pki verify; then docs/PKI.md tells how Redis, the API and the workers get theirs.")
        click.echo(f"Run bringup pki renew every day: the list of revoked certificates ends after {crl_days} days.")


def _rows(store: Store) -> list[tuple[str, str, str]]:
    return [
        (str(one), f"{certificate.not_valid_after_utc:%Y-%m-%d}", ", ".join(map(san_text, sans_of(certificate))))
        for one in store.identities()
        if (certificate := store.certificate(one))
    ]
