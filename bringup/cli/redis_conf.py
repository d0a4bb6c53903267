"""``bringup redis-conf``: the configuration of the Redis server for the present settings."""

import os
from pathlib import Path

import click

from bringup.cli.context import Context
from bringup.errors import SettingsError
from bringup.redis_conf import ROLES, acl_file, configuration
from bringup.settings.env_file import new_secret


@click.command("redis-conf")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("redis"), show_default=True)
@click.option("--bind", default="127.0.0.1", show_default=True, help="Addresses that Redis listens on.")
@click.option("--separate-passwords", is_flag=True, help="A password of its own for each role, in FOLDER/ROLE.env.")
@click.option("--force", is_flag=True, help="Write over what is there.")
@click.pass_obj
def redis_conf(context: Context, folder: Path, bind: str, *, separate_passwords: bool, force: bool) -> None:
    """Write redis.conf (and with REDIS_USE_TLS=true an ACL file) for the present settings."""
    settings = context.settings
    if settings.redis_password is None:
        raise SettingsError(["REDIS_PASSWORD: must be set; `bringup init` makes one"])
    password = settings.redis_password.get_secret_value()
    passwords = {role: new_secret() if separate_passwords else password for role in ROLES}
    files = {"redis.conf": configuration(settings, folder, bind=bind)}
    if settings.redis_use_tls:
        files["users.acl"] = acl_file(passwords)
        if separate_passwords:
            files |= {
                f"{role}.env": f"REDIS_USERNAME={role}\nREDIS_PASSWORD={own}\n" for role, own in passwords.items()
            }
    _write(folder, files, force=force)
    _say_what_next(folder, files, tls=settings.redis_use_tls)


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    present = [str(folder / name) for name in files if (folder / name).exists()]
    if present and not force:
        raise SettingsError([f"{path} is there already; --force writes over it" for path in present])
    try:
        (folder / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in files.items():
            _write_private(folder / name, text)
    except OSError as error:
        raise SettingsError([f"{error.filename} cannot be written: {error.strerror}"]) from None


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _say_what_next(folder: Path, files: dict[str, str], *, tls: bool) -> None:
    click.echo(f"Written (mode 0600): {', '.join(str(folder / name) for name in files)}")
    click.echo(f"Start it:  redis-server {folder / 'redis.conf'}")
    if tls:
        click.echo(f"Each service sets REDIS_USERNAME to its role: {', '.join(ROLES)}.")
