"""``bringup site request``, ``status``, ``revoke`` and ``forget``: before a host joins, and after."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from bringup.wire.site import HostView, HostViewList, Trust, TrustView
from bringup_cli.commands.pki.group import EXIT_FAILED, now, open_session, settings_of, store_of
from bringup_cli.context import Context, Output, output_option, print_json, print_table
from bringup_cli.site import decide, enroll, join, redis_users, sign
from bringup_cli.site import revoke as revocation
from bringup_cli.site.registry import Host, HostRole, Registry
from bringup_cli.site.status import Seen, remember, rows
from pki.ledger import REASONS

# Seconds that a command waits for another at the CA.
_WAIT_S = 15


@click.command()
@click.argument("host")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([one.value for one in HostRole]))
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Default, as root: /etc/bringup.")
def request(*, host: str, roles: tuple[str, ...], into: Path | None) -> None:
    """On the host: make its keys, and one file that asks for certificates. No secret is in it."""
    path = Path(f"{host}{enroll.REQUEST_SUFFIX}")
    made = enroll.make_request(into or standard_folder(), host, tuple(map(HostRole, roles)))
    try:
        path.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise errors.SettingsError([f"{path} cannot be written: {error.strerror}"]) from None
    click.echo(f"{path}: asks for {', '.join(made.requests)}")
    click.echo(f"On the CA's host: bringup site enroll {host} --csr {path}")


@click.command()
@click.argument("host")
@click.option("--reason", type=click.Choice(list(REASONS)), default="unspecified", show_default=True)
@click.pass_obj
def revoke(context: Context, *, host: str, reason: str) -> None:
    """Cut a host off: its certificates, its API calls, its Redis users and their connections. Run it again if it fails.

    Exit status 1: an API or a Redis could not be reached, and still lets it in.
    """
    settings = settings_of(context)
    with open_session(settings, wait_s=_WAIT_S) as session:
        done = revocation.revoke(session, host, reason)
        keeper = redis_users.Keeper(settings, Registry.read(session.store).keeper)
        trust = sign.trust_of(session)
    failed = _removed_from_redis(keeper, done.host)
    failed |= _published(settings, trust)
    click.echo(f"{host} is revoked: {len(done.entries)} certificates; {', '.join(done.host.redis_users) or 'no user'}")
    for what, why in failed.items():
        click.echo(f"{what} was not reached: {why}", err=True)
    if failed:
        click.echo(f"It still lets {host} in. Once it is there again: bringup site revoke {host}", err=True)
        raise SystemExit(EXIT_FAILED)


@click.command()
@click.argument("host")
@click.pass_obj
def forget(context: Context, *, host: str) -> None:
    """Let the name of a revoked host be used again."""
    with open_session(settings_of(context), wait_s=_WAIT_S) as session:
        revocation.forget(session, host)
    click.echo(f"{host} is forgotten; its certificates stay revoked.")


@click.command()
@output_option
@click.pass_obj
def status(context: Context, output: Output) -> None:
    """Every host: its roles, days left, when it was last seen, and what is due."""
    settings = settings_of(context)
    with open_session(settings, wait_s=_WAIT_S) as session:
        registry = Registry.read(session.store)
    found = Seen(_users(settings, registry), _reports(settings), now())
    with open_session(settings, wait_s=_WAIT_S) as session:
        remember(session, {name: found.last(host) for name, host in registry.hosts.items()})
    listed = rows(store_of(settings), registry, found, renew_days=settings.renew_days)
    trusted = decide.trusted_by(store_of(settings), {name: view.report for name, view in found.reports.items()})
    for row in listed:
        row["trusts"] = trusted.get(row["host"], [])
    if output == "json":
        print_json(listed)
        return
    columns = ("Host", "Roles", "State", "Days left", "Joined", "Last seen", "Due", "Trusts")
    print_table("Site", columns, [[_cell(value) for value in row.values()] for row in listed])


def standard_folder() -> Path:
    """Where a host joins into. Raises SettingsError: only root may write there."""
    if os.geteuid() == 0:
        return join.STANDARD_FOLDER
    raise errors.SettingsError([f"--into: name a folder; only root can write to {join.STANDARD_FOLDER}"])


def _removed_from_redis(keeper: redis_users.Keeper, host: Host) -> dict[str, str]:
    users = list(host.redis_users)
    failed = redis_users.everywhere(keeper, lambda address: keeper.remove_users(address, users)) if users else {}
    for address in failed:
        click.echo("On the host of that Redis, in its folder:")
        click.echo(redis_users.remove_command(address, users))
    return {f"Redis at {address[0]}:{address[1]}": why for address, why in failed.items()}


def _published(settings: Settings, trust: Trust) -> dict[str, str]:
    """The list of revoked certificates at the API; what kept it from there."""
    try:
        _api(settings).put("/trust", trust, TrustView)
    except errors.BringupError as error:
        return {"the API": str(error)}
    return {}


def _api(settings: Settings) -> ApiClient:
    files = store_of(settings).files(enroll.CA_CLIENT)
    own = {"api_client_cert": files.certificate, "api_client_key": files.key, "api_timeout_s": 2}
    return ApiClient(settings.model_copy(update=own), tls.ClientContexts())


def _users(settings: Settings, registry: Registry) -> dict[str, bool] | None:
    """Of all Redis servers together: a user must be known to each, and one that is revoked to none."""
    keeper, known = redis_users.Keeper(settings, registry.keeper), []
    failed = redis_users.everywhere(keeper, lambda address: known.append(keeper.users(address)))
    for address, why in failed.items():
        click.echo(f"Redis at {address[0]}:{address[1]} was not asked: {why}", err=True)
    if not known:
        return None
    revoked = {user for host in registry.hosts.values() if host.revoked_at for user in host.redis_users}
    everyone = set(known[0]).intersection(*known[1:]) | revoked & set[str]().union(*known)
    return {user: any(one.get(user) for one in known) for user in everyone}


def _reports(settings: Settings) -> Mapping[str, HostView]:
    try:
        return {view.name: view for view in _api(settings).get("/hosts", HostViewList).hosts}
    except errors.BringupError as error:
        click.echo(f"The API was not asked: {error}", err=True)
        return {}


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, dict):  # of a join
        return f"{_cell(value['at'])} from {value['address']}"
    return ", ".join(str(_cell(one)) for one in value) if isinstance(value, list) else value
