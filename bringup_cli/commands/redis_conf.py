"""``bringup redis-conf``: the configuration of the Redis server for the present settings."""

import re
from pathlib import Path
from typing import Any

import click

from bringup import errors, redis_acl
from bringup.files import write_atomically
from bringup.settings import Address, Settings
from bringup.settings.rules import Use
from bringup.settings.types import addresses_in
from bringup_cli.context import Context
from bringup_cli.redis_configuration import monitored_master, redis_configuration, sentinel_configuration
from bringup_cli.redis_passwords import Passwords, present_text

_SENTINEL_PORT = 26379  # Redis's own default
# What Redis takes after ``bind``: names and addresses, ``*`` for all, a ``-`` before one that may be absent. An empty
# value would make it listen on every address; anything else would be read as more of the configuration.
# Source: https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/
_BIND = re.compile(r"-?[\w.:*%-]+( -?[\w.:*%-]+)*", re.ASCII)


class _AddressType(click.ParamType[Address]):
    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            (address,) = addresses_in(value)
        except ValueError:
            self.fail(f"{value} is no host with a port, such as r2.example.net:6379", param, ctx)
        return address


def _bind(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not _BIND.fullmatch(value):
        raise click.BadParameter("write addresses of this host with one blank between them, such as '127.0.0.1 ::1'")
    return value


@click.command("redis-conf")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("redis"), show_default=True)
@click.option("--bind", default="127.0.0.1", show_default=True, callback=_bind, help="Addresses that Redis listens on.")
@click.option("--shared-password", is_flag=True, help="Without TLS: REDIS_PASSWORD for everybody, and no ROLE.env.")
@click.option(
    "--accept-shared-password",
    is_flag=True,
    help="For an upgrade: REDIS_PASSWORD stays valid besides, until every service has its ROLE.env.",
)
@click.option("--force", is_flag=True, help="Replace existing files; users that people have added stay.")
@click.option(
    "--address",
    type=_AddressType(),
    help="With REDIS_SENTINELS: this host's own Redis. One that is not REDIS_HOST:REDIS_PORT follows that one.",
)
@click.option(
    "--sentinel-address",
    type=_AddressType(),
    help="With REDIS_SENTINELS: this host's own sentinel; default: the one of the same host as --address.",
)
@click.pass_obj
def redis_conf(
    context: Context,
    folder: Path,
    bind: str,
    *,
    shared_password: bool,
    accept_shared_password: bool,
    force: bool,
    address: Address | None,
    sentinel_address: Address | None,
) -> None:
    """Write redis.conf and an ACL file for the present settings, and for each role FOLDER/ROLE.env with its password.

    With REDIS_SENTINELS sentinel.conf, too. Run it on each of the Redis hosts, with --address and the same settings.
    """
    settings = context.settings_for(Use.REDIS_SERVER)
    _refuse_sharing(settings, shared=shared_password)
    _refuse_former_master(settings, folder / "sentinel.conf")
    secrets = Passwords(settings, folder, own=not shared_password, shared=shared_password or accept_shared_password)
    here = address or (settings.redis_host, settings.redis_port)
    files = {
        "redis.conf": redis_configuration(
            settings, folder, bind=bind, address=here, replica_password=secrets.of("replica")
        ),
        "users.acl": secrets.acl_file(),
    }
    if settings.sentinels:
        files |= _sentinel_files(settings, folder, bind, sentinel_address or _sentinel_beside(settings, here), secrets)
    files |= {name: text + _added(folder / name, text) for name, text in files.items() if name.endswith(".acl")}
    files |= secrets.new_files()
    _write(folder, files, force=force)
    _print_next_steps(folder, files)


def _refuse_sharing(settings: Settings, *, shared: bool) -> None:
    if shared and (settings.redis_use_tls or settings.environment == "production"):
        raise errors.SettingsError(
            ["--shared-password is for development without TLS: a role that shares its password is no role"]
        )


def _sentinel_files(
    settings: Settings, folder: Path, bind: str, address: Address, secrets: Passwords
) -> dict[str, str]:
    text = sentinel_configuration(
        settings, folder, bind=bind, address=address, password=secrets.of("sentinel"), peer_password=secrets.peer
    )
    return {"sentinel.conf": text, "sentinel.acl": secrets.sentinel_acl_file()}


def _sentinel_beside(settings: Settings, redis: Address) -> Address:
    beside = [address for address in settings.sentinels if address[0] == redis[0]]
    return beside[0] if len(beside) == 1 else (redis[0], _SENTINEL_PORT)


def _refuse_former_master(settings: Settings, sentinel_conf: Path) -> None:
    """After a failover REDIS_HOST names a server that may lack changes: the others would follow it and lose theirs."""
    first = (settings.redis_host, settings.redis_port)
    master = monitored_master(present_text(sentinel_conf), settings.redis_sentinel_name)
    if settings.sentinels and master not in {None, first}:
        host, port = master or first
        problem = (
            f"REDIS_HOST, REDIS_PORT: {first[0]}:{first[1]}, but since a failover the master of {sentinel_conf} is "
            f"{host}:{port}. With these settings every server would follow the former master and lose the changes "
            f"that it lacks. Set REDIS_HOST={host} and REDIS_PORT={port} on all hosts, and run this again"
        )
        raise errors.SettingsError([problem])


def _added(path: Path, written: str) -> str:
    """The users that people have added to an ACL file, which is written anew."""
    return "".join(f"{line}\n" for line in redis_acl.added_users(present_text(path), written))


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    present = [str(folder / name) for name in files if (folder / name).exists()]
    if present and not force:
        raise errors.SettingsError([f"{path} exists already; --force replaces it" for path in present])
    try:
        # Redis and Sentinel write their files anew as 0644, passwords and all: only the folder keeps others out.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "data").mkdir(mode=0o700, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, text, sole_writer=True)
    except OSError as error:
        raise errors.SettingsError([f"{error.filename} cannot be written: {error.strerror}"]) from None


def _print_next_steps(folder: Path, files: dict[str, str]) -> None:
    click.echo(f"Written (mode 0600): {', '.join(str(folder / name) for name in files)}")
    click.echo(f"Start it:  redis-server {folder / 'redis.conf'}")
    if "sentinel.conf" in files:
        click.echo(f"and:       redis-server {folder / 'sentinel.conf'} --sentinel")
    if folder.stat().st_mode & 0o077:
        click.echo(f"First run: chmod 700 {folder} (Redis writes its files anew as 0644, with the passwords in them)")
    if (folder / "worker.env").exists():
        click.echo(
            f"Services:  bringup --env-file .env --env-file {folder / 'worker.env'} work, and so each with its own"
        )
