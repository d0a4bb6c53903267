"""Redis's append-only file: copied while Redis writes it, and marked so that what is restored is withheld.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ ("Backing up AOF backups")
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bringup import keys
from bringup_cli.backup.archive import BackupRefused, StoredFile, owner_of

FOLDER = "appendonlydir"  # Redis's own default
_MANIFEST = "appendonly.aof.manifest"
# How often a rewrite of the file may come between; one takes seconds, and the copy of a manifest milliseconds.
_TRIES = 20

# Run by Redis when it reads the file, before any client: every API host then finds a loss on record, and withholds all
# machines until a person accepts it (api/state/installation.py). One more than the last change was remembered: what
# came after the backup is not known.
_NOTE_LOSS = """\
local number = redis.call('GET', KEYS[1]) or '0'
local last = redis.call('XRANGE', KEYS[2], number .. '-0', number .. '-0')[1]
redis.call('HSET', KEYS[3], 'since', ARGV[1], 'host', ARGV[2], 'number', number,
    'at', last and last[2][2] or '', 'remembered', string.format('%d', number + 1))
redis.call('HSET', KEYS[4], ARGV[3], 1)
"""


def copied(data: Path) -> dict[str, StoredFile]:
    """The files of a Redis that runs or not, by name.

    Args:
        data: the folder that redis.conf calls ``dir``.

    Raises:
        BackupRefused: there is no append-only file, or Redis rewrote it again and again.
        OSError: it cannot be read.
    """
    folder = data / FOLDER
    for _ in range(_TRIES):
        manifest = _manifest(folder)
        try:
            files = {name: (folder / name).read_bytes() for name in _names(manifest)}
        except FileNotFoundError:
            continue  # rewritten meanwhile: the next manifest names others
        if _manifest(folder) == manifest:
            owner = owner_of(folder)
            last = list(files)[-1]
            files[last] = files[last][: _end_of_commands(files[last])]
            return {name: StoredFile(content, 0o600, owner) for name, content in {**files, _MANIFEST: manifest}.items()}
    raise BackupRefused(f"{folder}: Redis rewrites its append-only file again and again; try again later")


def marked(files: Mapping[str, StoredFile], *, db: int, since: str, host: str) -> dict[str, StoredFile]:
    """The same files, and one more that lets every API host withhold all machines.

    Args:
        files: what `copied` has returned.
        db: the number of our database.
        since: when it was restored, ISO 8601.
        host: where it was restored, for people.

    Raises:
        BackupRefused: there is no append-only file among them.
    """
    try:
        manifest = files[_MANIFEST]
        sequence = max(int(line.split()[3]) for line in manifest.content.decode().splitlines()) + 1
    except (KeyError, IndexError, ValueError):
        raise BackupRefused(f"it has no append-only file of Redis: {_MANIFEST} is missing, or is damaged") from None
    wanted = (keys.CHANGE_NUMBER, keys.CHANGES, keys.LOSS, keys.INVENTORY_HOSTS)
    mark = _command("SELECT", str(db)) + _command(
        "EVAL", _NOTE_LOSS, str(len(wanted)), *wanted, since, host, keys.LOSS_NOTED
    )
    name = f"appendonly.aof.{sequence}.incr.aof"  # as Redis itself would name the next one, to which it then appends
    line = f"file {name} seq {sequence} type i\n".encode()
    return {
        **files,
        name: StoredFile(mark, manifest.mode, manifest.owner),
        _MANIFEST: StoredFile(manifest.content + line, manifest.mode, manifest.owner),
    }


def _manifest(folder: Path) -> bytes:
    try:
        return (folder / _MANIFEST).read_bytes()
    except FileNotFoundError:
        raise BackupRefused(
            f"{folder / _MANIFEST} is not there: run this on the host of Redis, "
            "whose redis.conf is of `bringup redis-conf`"
        ) from None


def _names(manifest: bytes) -> Iterator[str]:
    """The base and what was appended since; history is what Redis is about to delete."""
    for line in manifest.decode().splitlines():
        words = line.split()
        fields = dict(zip(words[::2], words[1::2], strict=True))
        if fields["type"] != "h":
            yield Path(fields["file"]).name


def _end_of_commands(content: bytes) -> int:
    """Where the last whole command ends, or the last whole transaction: Redis may be in the middle of writing one.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    if content.startswith(b"REDIS"):  # a base alone, in the format of a snapshot, which is whole
        return len(content)
    position = end = 0
    in_transaction = False
    while (found := _command_at(content, position)) is not None:
        name, position = found
        in_transaction = name == b"MULTI" or (in_transaction and name != b"EXEC")
        end = end if in_transaction else position
    return end


def _command_at(content: bytes, start: int) -> tuple[bytes, int] | None:
    """The name of the command that begins here, and where it ends; None: it is not whole."""
    line_end = content.find(b"\r\n" if content[start : start + 1] == b"*" else b"\n", start)
    if line_end < 0:
        return None
    if content[start : start + 1] == b"#":  # an annotation, such as a time
        return b"", line_end + 1
    position, name = line_end + 2, b""
    for number in range(int(content[start + 1 : line_end])):
        line_end = content.find(b"\r\n", position)
        if line_end < 0:
            return None
        begins, length = line_end + 2, int(content[position + 1 : line_end])
        position = begins + length + 2
        if position > len(content):
            return None
        name = content[begins : begins + length].upper() if number == 0 else name
    return name, position


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
