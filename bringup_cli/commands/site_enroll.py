"""``bringup site enroll`` and ``join``: a host becomes one of the site."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import click

from bringup.errors import SettingsError
from bringup.files import write_atomically
from bringup.settings import Settings, load
from bringup.settings.generated import new_secret
from bringup_cli import sealed_file
from bringup_cli.commands import selftest
from bringup_cli.commands.pki.group import now, open_session, settings_of
from bringup_cli.commands.site_hosts import standard_folder
from bringup_cli.commands.site_units import can_have_units, join_with_units, report_joining
from bringup_cli.context import Context
from bringup_cli.site import bundle, redis_users
from bringup_cli.site.enroll import bundle_files, certify, manifest_of, read_requests, user_lines
from bringup_cli.site.join import Joined, join
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import Host, HostRole, Registry
from bringup_cli.site.role_settings import problems_elsewhere
from pki.files import read

# Seconds that a command waits for another at the CA: two hosts may be enrolled at the same time.
_WAIT_S = 15
_SERVERS = {HostRole.REDIS, HostRole.API, HostRole.IMAGES}
PASSPHRASE_VARIABLE = "SITE_PASSPHRASE"  # noqa: S105 - the name of a variable
# Characters. scrypt makes each guess cost a second: ten characters that a person chose are beyond guessing offline.
_SHORTEST_PASSPHRASE = 10


@click.command()
@click.argument("host")
@click.option("--role", "roles", multiple=True, type=click.Choice([one.value for one in HostRole]), help="Repeatable.")
@click.option("--san", "sans", multiple=True, metavar="NAME", help="For servers: a name or address; repeatable.")
@click.option("--file", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default: HOST.site.age.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0, 720, min_open=True))
@click.option("--csr", "request_file", type=click.Path(dir_okay=False, path_type=Path), help="Of `site request`.")
@click.option("--dev", is_flag=True, help="Allow names without a dot, such as localhost.")
@click.option(
    "--keeper",
    "keeper_file",
    default=redis_users.KEEPER_FILE,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Password of Redis's user keeper.",
)
@click.pass_obj
def enroll(
    context: Context,
    *,
    host: str,
    roles: tuple[str, ...],
    sans: tuple[str, ...],
    target: Path | None,
    hours: float,
    request_file: Path | None,
    dev: bool,
    keeper_file: Path,
) -> None:
    """Write one encrypted file for a host: its certificates, its Redis password, its settings.

    Again for a host that is known: the same passwords, and certificates that are not due are kept.
    """
    settings, time = settings_of(context), now()
    path = target or Path(f"{host}{bundle.SUFFIX}")
    asked_roles, requests = read_requests(request_file, host) if request_file else (tuple(map(HostRole, roles)), None)
    if problems := list(problems_elsewhere(settings, asked_roles)):
        raise SettingsError(problems)
    passphrase, made = _new_passphrase()
    with open_session(settings, wait_s=_WAIT_S) as session:
        registry = Registry.read(session.store)
        found = registry.enrolled(host, asked_roles, sans, now=time, use_until=time + timedelta(hours=hours))
        registry = _with_keeper(registry.with_host(found), keeper_file)
        certify(session, found, requests, renew_days=settings.renew_days, dev=dev)
        registry.put(session)
        session.commit()
        files = bundle_files(session.store, registry, settings, found, with_keys=requests is None)
    _write(path, sealed_file.seal(bundle.pack(manifest_of(found, time), files), passphrase))
    click.echo(
        f"{path}: {found.name} ({', '.join(found.roles)}), to be used until {found.use_until:%Y-%m-%d %H:%M} UTC"
    )
    if made:
        click.echo(f"Its passphrase, shown this once: {passphrase}")
    _apply(settings, registry, found)
    click.echo(f"On {found.name}: bringup site join {path.name}")


@click.command("join")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Default, as root: /etc/bringup.")
@click.option("--force", is_flag=True, help="Replace what a file of another host, or a newer one, has put there.")
@click.pass_obj
def join_command(context: Context, *, file: Path, into: Path | None, force: bool) -> None:
    """Put everything of a file in its place, and run the self-test of what this host is.

    As root on a host with systemd, without --into: its services run as units, now and after each boot.
    """
    folder = into or standard_folder()
    manifest, files = bundle.unpack(bundle.unseal(read(file), _passphrase(file)))
    if into is None and can_have_units(HostLayout()):
        raise SystemExit(join_with_units(HostLayout(), manifest, files, force=force))
    joined = join(folder, manifest, files, now(), force=force)
    click.echo(f"{folder}: this is {manifest.host} ({', '.join(manifest.roles)})")
    report_joining(folder)
    statuses = [_examine(joined, role) for role in manifest.roles]
    raise SystemExit(max(statuses))


def _examine(joined: Joined, role: HostRole) -> int:
    """The self-test with the settings of one service. What others connect to is started first, and asked later."""
    loaded = load({}, joined.env_file(role))
    settings = loaded.settings
    click.echo(f"It is started by: {joined.start_command(role)}")
    if role is HostRole.TAILER and not settings.dhcp_path.exists():
        click.echo(
            f"It waits for {settings.dhcp_path} ({settings.dhcp_source}), which is not there; where the DHCP server "
            f"writes another file: DHCP_PATH and DHCP_SOURCE, on the CA's host, and enroll it again"
        )
    click.echo(f"The self-test of {role}{' (its files)' if role in _SERVERS else ''}:")
    return selftest.status_of(selftest.examine_host(loaded, static_only=role in _SERVERS))


def _with_keeper(registry: Registry, path: Path) -> Registry:
    """The password of user keeper: of the Redis that is here, or a new one for the Redis that is to be."""
    if path.exists():
        return registry.model_copy(update={"keeper": read(path).decode().strip()})
    return registry if registry.keeper else registry.model_copy(update={"keeper": new_secret()})


def _apply(settings: Settings, registry: Registry, host: Host) -> None:
    """The host's users in the running Redis; where it cannot be reached, what to run there."""
    lines = user_lines(host)
    if not lines:
        return
    keeper = redis_users.Keeper(settings, registry.keeper)
    failed = redis_users.everywhere(keeper, lambda address: keeper.set_users(address, lines))
    if not failed:
        click.echo(f"Redis knows {', '.join(host.redis_users)}.")
    if HostRole.REDIS in host.roles:
        return  # a Redis that is to be starts with them: they are in its file
    for address, why in failed.items():
        click.echo(f"Redis does not know {', '.join(host.redis_users)} yet ({why}).")
        click.echo("If it runs already, run this on its host, in its folder:")
        click.echo(redis_users.set_command(address, lines))


def _new_passphrase() -> tuple[str, bool]:
    """What a person chose, or else a new one; whether it was made."""
    given = os.environ.get(PASSPHRASE_VARIABLE, "")
    if not given and sys.stdin.isatty():
        text = "Passphrase of the file (empty: one is made)"
        given = str(click.prompt(text, default="", show_default=False, hide_input=True, confirmation_prompt=True))
    if given and len(given) < _SHORTEST_PASSPHRASE:
        raise SettingsError([f"the passphrase of a file must have at least {_SHORTEST_PASSPHRASE} characters"])
    return given or new_secret(), not given


def _passphrase(file: Path) -> str:
    if given := os.environ.get(PASSPHRASE_VARIABLE):
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    return str(click.prompt(f"Passphrase of {file.name}", hide_input=True, err=True))


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise SettingsError([f"{path} cannot be written: {error.strerror}"]) from None
