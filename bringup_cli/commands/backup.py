"""``bringup backup`` and ``bringup restore``: all of a site's state on this host, in one file, and its way back."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bringup import __version__, errors
from bringup.files import write_atomically
from bringup_cli.backup import append_only, archive, place
from bringup_cli.context import Context, print_json

_PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its first line is the passphrase. Default: it is asked for.",
)
_OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
# Characters. The file holds the CA's key: who has a copy may guess for years.
_SHORTEST_PASSPHRASE = 16
_DATA = f"redis/data/{append_only.FOLDER}/"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Of settings, certificates and redis.conf. Default: this one; /etc/bringup on a host of `bringup site`.",
)
@_PASSPHRASE_FILE
@_OUTPUT
@click.pass_obj
def backup(context: Context, *, file: Path, folder: Path, passphrase_file: Path | None, output: str) -> None:
    """Write Redis's data, PKI, inventory and settings of this host into one encrypted file.

    On the host of Redis; Redis and the services go on running. With Redis Sentinel: on the master's host.
    """
    settings, folder = context.settings_for(), folder.resolve()
    place.require_whole(settings, folder)
    passphrase = _passphrase(passphrase_file, is_new=True)
    redis = place.redis_folder(folder)
    files, links = place.taken(folder, redis)
    manifest = archive.BackupManifest(
        version=__version__,
        host=os.uname().nodename,
        made_at=datetime.now(UTC),
        folder=folder,
        redis=redis,
        db=settings.redis_db,
        links=links,
        folders=place.folders_of(files, folder, redis),
    )
    # One name for the temporary file: a timer that is killed again and again leaves one such file at most.
    write_atomically(file, archive.sealed(manifest, files, passphrase), sole_writer=True)
    size = file.stat().st_size
    if output == "json":
        print_json({"file": str(file), "files": len(files), "bytes": size, "made_at": manifest.made_at.isoformat()})
    else:
        click.echo(f"{file} written (mode 0600): {len(files)} files, {size} bytes. Keep its passphrase elsewhere.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Instead of the folder that the backup is of. What Redis writes goes below it, too.",
)
@click.option("--force", is_flag=True, help="Move away what is there.")
@click.option("--dry-run", is_flag=True, help="Check the file and show what it holds; write nothing.")
@_PASSPHRASE_FILE
@_OUTPUT
def restore(
    *, file: Path, into: Path | None, force: bool, dry_run: bool, passphrase_file: Path | None, output: str
) -> None:
    """Put what a backup holds in place, while neither Redis nor a service runs.

    Afterwards every machine is withheld until a person has looked: what came after the backup is not known.
    """
    now = datetime.now(UTC)
    try:
        manifest, files = archive.opened(file.read_bytes(), _passphrase(passphrase_file, is_new=False))
        withheld = _withheld(manifest, files, now)
    except archive.BackupRefused as error:
        raise archive.BackupRefused(f"{file}: {error}") from None
    if into is not None:
        folder = into.resolve()
        manifest = manifest.model_copy(update={"folder": folder, "redis": _moved(manifest, folder)})
    if not dry_run:
        place.put(manifest, withheld, force=force, now=now, log=lambda line: click.echo(line, err=True))
    if output == "json":
        found = manifest.model_dump(mode="json", include={"version", "host", "made_at", "folder", "redis"})
        print_json(found | {"files": sorted(files), "restored": not dry_run})
        return
    click.echo(
        f"A backup of {manifest.host} by bringup {manifest.version}, of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{len(files)} files for {manifest.folder} and {manifest.redis}."
    )
    if dry_run:
        click.echo("Nothing was written.")
    else:
        click.echo(_NEXT)


_NEXT = """\
Restored. Every machine is withheld until you have looked:
1. if the folder or an address has changed: bringup redis-conf --force
2. start Redis, then the services
3. compare `bringup devices` with the machines: it does not show which ones were put in service after the backup
4. start the API once with --accept-redis"""


def _moved(manifest: archive.BackupManifest, folder: Path) -> Path:
    """What Redis writes, in another folder: at its place there, or in redis/."""
    inside = manifest.redis.is_relative_to(manifest.folder)
    return folder / (manifest.redis.relative_to(manifest.folder) if inside else "redis")


def _withheld(
    manifest: archive.BackupManifest, files: dict[str, archive.StoredFile], now: datetime
) -> dict[str, archive.StoredFile]:
    data = {name.removeprefix(_DATA): file for name, file in files.items() if name.startswith(_DATA)}
    marked = append_only.marked(data, db=manifest.db, since=now.isoformat(), host=os.uname().nodename)
    return files | {f"{_DATA}{name}": one for name, one in marked.items()}


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except ValueError:
        raise errors.SettingsError(
            [f"--passphrase-file: {file} is no text in UTF-8; name the file of the passphrase"]
        ) from None


def _passphrase(file: Path | None, *, is_new: bool) -> str:
    if file is not None:
        given = _first_line(file)
    elif sys.stdin.isatty():
        given = str(click.prompt("Passphrase of the backup", hide_input=True, confirmation_prompt=is_new, err=True))
    else:
        raise errors.SettingsError(
            ["--passphrase-file: name a file with the passphrase; there is no terminal to ask at"]
        )
    if is_new and len(given) < _SHORTEST_PASSPHRASE:
        raise errors.SettingsError([f"the passphrase of a backup must have at least {_SHORTEST_PASSPHRASE} characters"])
    return given
