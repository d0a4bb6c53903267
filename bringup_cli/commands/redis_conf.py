"""``bringup redis-conf``: the configuration of the Redis server for the present settings."""

import re
from pathlib import Path
from typing import Any

import click
from dotenv import dotenv_values

from bringup import errors, redis_acl
from bringup.files import write_atomically
from bringup.settings import Address, Settings
from bringup.settings.generated import new_secret
from bringup.settings.types import addresses_in
from bringup_cli.context import Context
from bringup_cli.redis_configuration import monitored_master, redis_configuration, sentinel_configuration

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
@click.option("--separate-passwords", is_flag=True, help="A password of its own for each role, in FOLDER/ROLE.env.")
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
    separate_passwords: bool,
    force: bool,
    address: Address | None,
    sentinel_address: Address | None,
) -> None:
    """Write redis.conf (and with REDIS_USE_TLS=true an ACL file) for the present settings.

    With REDIS_SENTINELS sentinel.conf, too. Run it on each of the Redis hosts, with --address and the same settings.
    """
    settings = context.settings
    _refuse_former_master(settings, folder / "sentinel.conf")
    passwords = _passwords(settings, folder, separate=separate_passwords)
    own = address or (settings.redis_host, settings.redis_port)
    replica = passwords["replica"] if settings.redis_use_tls else passwords[""]
    files = {"redis.conf": redis_configuration(settings, folder, bind=bind, address=own, replica_password=replica)}
    if settings.redis_use_tls:
        files["users.acl"] = redis_acl.acl_file({role: passwords[role] for role in _redis_roles(settings)})
    if settings.sentinels:
        files |= _sentinel_files(settings, folder, bind, sentinel_address or _sentinel_beside(settings, own), passwords)
    files |= {name: text + _added(folder / name, text) for name, text in files.items() if name.endswith(".acl")}
    if separate_passwords:
        files |= {f"{role}.env": _env_text(role, passwords[role]) for role in _roles(settings)}
    _write(folder, files, force=force)
    _print_next_steps(folder, files, tls=settings.redis_use_tls)


def _roles(settings: Settings) -> list[str]:
    """The roles with a password that `bringup redis-conf` may make."""
    redis = _redis_roles(settings) if settings.redis_use_tls else []
    return [*redis, *(["peer"] if settings.sentinels else [])]


def _redis_roles(settings: Settings) -> list[str]:
    return [*redis_acl.ROLES, *(redis_acl.REPLICATION_ROLES if settings.sentinels else ())]


def _passwords(settings: Settings, folder: Path, *, separate: bool) -> dict[str, str]:
    """The password of each role, and as "" that of the default user.

    Every host of an installation needs the same passwords: those that are in FOLDER already, copied from the first
    host, are kept.
    """
    if settings.redis_password is None:
        raise errors.SettingsError(["REDIS_PASSWORD: must be set; `bringup init` makes one"])
    if settings.sentinels and settings.redis_sentinel_password is None:
        raise errors.SettingsError(
            ["REDIS_SENTINEL_PASSWORD: must be set with REDIS_SENTINELS; `bringup init` makes one"]
        )
    common = settings.redis_password.get_secret_value()
    sentinel = settings.redis_sentinel_password.get_secret_value() if settings.redis_sentinel_password else ""
    shared = {
        "": common,
        **dict.fromkeys([*redis_acl.ROLES, *redis_acl.REPLICATION_ROLES], common),
        "default": sentinel,
        "peer": sentinel,
    }
    return shared | ({role: _own_password(folder / f"{role}.env") for role in _roles(settings)} if separate else {})


def _own_password(path: Path) -> str:
    return (
        dotenv_values(path, interpolate=False).get("REDIS_PASSWORD") or new_secret() if path.exists() else new_secret()
    )


def _env_text(role: str, password: str) -> str:
    return f"REDIS_USERNAME={role}\nREDIS_PASSWORD={password}\n"


def _sentinel_files(
    settings: Settings, folder: Path, bind: str, address: Address, passwords: dict[str, str]
) -> dict[str, str]:
    password = passwords["sentinel"] if settings.redis_use_tls else passwords[""]
    text = sentinel_configuration(
        settings, folder, bind=bind, address=address, password=password, peer_password=passwords["peer"]
    )
    return {"sentinel.conf": text, "sentinel.acl": redis_acl.sentinel_acl_file(passwords)}


def _sentinel_beside(settings: Settings, redis: Address) -> Address:
    beside = [address for address in settings.sentinels if address[0] == redis[0]]
    return beside[0] if len(beside) == 1 else (redis[0], _SENTINEL_PORT)


def _refuse_former_master(settings: Settings, sentinel_conf: Path) -> None:
    """After a failover REDIS_HOST names a server that may lack changes: the others would follow it and lose theirs."""
    first = (settings.redis_host, settings.redis_port)
    master = monitored_master(_present(sentinel_conf), settings.redis_sentinel_name)
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
    return "".join(f"{line}\n" for line in redis_acl.added_users(_present(path), written))


def _present(path: Path) -> str:
    """The present text of a file; empty if there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise errors.SettingsError(
            [f"{path} cannot be read: {error}; what others have written to it would be lost"]
        ) from None


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


def _print_next_steps(folder: Path, files: dict[str, str], *, tls: bool) -> None:
    click.echo(f"Written (mode 0600): {', '.join(str(folder / name) for name in files)}")
    click.echo(f"Start it:  redis-server {folder / 'redis.conf'}")
    if "sentinel.conf" in files:
        click.echo(f"and:       redis-server {folder / 'sentinel.conf'} --sentinel")
    if folder.stat().st_mode & 0o077:
        click.echo(f"First run: chmod 700 {folder} (Redis writes its files anew as 0644, with the passwords in them)")
    if tls:
        click.echo(f"Each service sets REDIS_USERNAME to its role: {', '.join(redis_acl.ROLES)}.")
