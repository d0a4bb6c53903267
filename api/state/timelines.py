"""Timelines: a stream while a run or a device goes on, and one compressed string once a run is closed.

A run has some twenty lines, which a stream keeps in 4.7 kB, and zlib in 0.8. What comes later, such as an event that
was refused, is in the stream again. The lines that one change adds are one entry of the stream, with line ends between
them: builds before 0.2 log and skip such an entry while a run goes on, and pack its lines rightly.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from api.runs.records import RunRecord
from api.state.artifacts import ask_artifacts
from api.state.batch import Asked, Batch, stored_bytes
from api.state.redis import Pipeline
from api.state.stored import read_line
from bringup import errors, keys, log
from bringup.model import RunState
from bringup.wire.machine import Artifact
from bringup.wire.operator import DeviceEvent
from bringup.wire.run import TimelineEntry

# Lines. A run has some tens; a client that posts events in a loop must not fill the memory of Redis.
_LONGEST = 1000
# Of a packed timeline: those of a stream, and what closes the run. Without a bound a few kB of line ends in Redis could
# occupy the API for minutes.
_LONGEST_PACKED = 2 * _LONGEST
# Bytes, unpacked: that of a report (`api.http.body`). Without a bound a few kB in Redis could fill the API's memory.
_MOST = 16 * 1024**2
# By these lines workers clean up: they must see them also when an older build, after a rollback, shows the timeline.
_ALONE = {"media_minted", "boot_override_set"}
# What may be kept of a run besides its timeline, and must expire when it does; all else expires by itself.
EXPIRE_WITH_THEIR_RUN = (keys.artifacts, keys.artifact_sizes, keys.report)
# Adds a line to the stream of a run, and where the run is closed by now, the time at which the run is forgotten: the
# stream has none that began after the end, and would stay for ever. In Lua, because a run may be closed after it was
# read. KEYS: the stream, what the run was packed into. ARGV: most lines, the line, seconds.
_NOTE = """
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'entry', ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
"""


@dataclass(frozen=True)
class Kept:
    """What Redis keeps of a run besides its record.

    Args:
        lines: of the timeline, as they are stored.
        is_alone: whether there is nothing that must expire with the run.
    """

    lines: list[bytes]
    is_alone: bool = False


def append(pipe: Pipeline, key: str, entry: TimelineEntry | DeviceEvent) -> None:
    """Write a line.

    Args:
        pipe: of the transaction, after MULTI.
        key: of the stream.
        entry: the line.
    """
    _add(pipe, key, [entry])


def append_all(pipe: Pipeline, key: str, entries: Sequence[TimelineEntry]) -> None:
    """Write the lines of one change, those of `_ALONE` each by itself.

    Args:
        pipe: of the transaction, after MULTI.
        key: of the stream.
        entries: the lines, oldest first.
    """
    for _, together in groupby(enumerate(entries), lambda one: one[0] if one[1].type in _ALONE else None):
        _add(pipe, key, [entry for _, entry in together])


def note(pipe: Pipeline, run_id: str, entry: TimelineEntry, keep: timedelta) -> None:
    """Write a line of a run that may be closed.

    Args:
        pipe: of the transaction, after MULTI.
        run_id: of the run.
        entry: the line.
        keep: how long the line is kept, if the run is closed.
    """
    places = keys.events(run_id), keys.packed_events(run_id)
    pipe.eval(_NOTE, len(places), *places, _LONGEST, _text(entry), int(keep.total_seconds()))


def close(pipe: Pipeline, run_id: str, lines: list[bytes], last: tuple[TimelineEntry, ...], keep: timedelta) -> None:
    """Write a timeline that has come to its end.

    Args:
        pipe: of the transaction, after MULTI; it watches the stream.
        run_id: of the run.
        lines: those in the stream.
        last: those that are new.
        keep: how long they are kept.
    """
    text = b"\n".join([*lines, *(_text(entry).encode() for entry in last)])
    pipe.set(keys.packed_events(run_id), pack(text), ex=keep)
    # How its image was read explains how a run ends, and nothing asks for it any more.
    pipe.delete(keys.events(run_id), *keys.image_reads(run_id))


def ask_stream(batch: Batch, key: str) -> Asked[list[bytes]]:
    """The lines in a stream, oldest first, read with other things."""
    return batch.ask(_lines, "XRANGE", key, "-", "+")


def ask_run(batch: Batch, run_id: str, *, is_open: bool = False) -> Asked[list[bytes]]:
    """The lines of a run, oldest first, read with other things; packed ones that cannot be read are logged.

    Args:
        batch: with which it is read.
        run_id: of the run.
        is_open: whether it is known that nothing is packed yet.
    """
    later = ask_stream(batch, keys.events(run_id))
    packed = None if is_open else batch.ask(stored_bytes, "GET", keys.packed_events(run_id))

    def read() -> list[bytes]:
        try:
            stored = packed() if packed else None
            earlier = unpack(stored).split(b"\n", _LONGEST_PACKED) if stored else []
        except errors.CorruptRecord as error:
            log.get("api").error("a timeline cannot be read and is skipped", record=run_id, why=str(error))
            earlier = []
        return [*earlier, *later()]

    return read


def ask_history(
    batch: Batch, run_id: str, run: RunRecord | None = None
) -> Asked[tuple[tuple[TimelineEntry, ...], tuple[Artifact, ...]]]:
    """The timeline of a run, and what its machine has left, read with other things.

    Args:
        batch: with which it is read.
        run_id: of the run.
        run: as it is now, if that is known: then what it cannot have is not read.
    """
    lines = ask_run(batch, run_id, is_open=run is not None and run.closed_at is None)
    # Its machine has had no token yet with which it could have sent anything.
    has_none = run is not None and run.token_sha256 == "" and run.state is RunState.BOOTING
    artifacts = (lambda: ()) if has_none else ask_artifacts(batch, run_id)

    def history() -> tuple[tuple[TimelineEntry, ...], tuple[Artifact, ...]]:
        read = (read_line(TimelineEntry, run_id, line) for line in lines())
        return tuple(entry for entry in read if entry), artifacts()

    return history


def ask_kept(batch: Batch, run_id: str) -> Asked[Kept]:
    """What is kept of a run that is open, read with other things."""
    lines = ask_stream(batch, keys.events(run_id))
    # The report: where an API of version 0.1 has written it, it does not expire by itself.
    found = batch.ask(int, "EXISTS", *(key(run_id) for key in EXPIRE_WITH_THEIR_RUN))
    return lambda: Kept(lines(), is_alone=not found())


def pack(text: bytes) -> bytes:
    """What `unpack` makes ``text`` of."""
    return zlib.compress(text)


def unpack(stored: bytes) -> bytes:
    """What was packed. Raises CorruptRecord."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(stored, _MOST)
    except zlib.error as error:
        raise errors.CorruptRecord(f"what was packed cannot be read: {error}") from error
    if not unpacking.eof:
        raise errors.CorruptRecord("what was packed is not whole, or too long")
    return text


def _add(pipe: Pipeline, key: str, entries: Sequence[TimelineEntry | DeviceEvent]) -> None:
    pipe.xadd(key, {"entry": "\n".join(map(_text, entries))}, maxlen=_LONGEST, approximate=False)


def _text(entry: TimelineEntry | DeviceEvent) -> str:
    """Some twenty of each run: what it does not say is not stored."""
    return entry.model_dump_json(exclude_defaults=True)


def _lines(reply: list[tuple[bytes, dict[bytes, bytes]]]) -> list[bytes]:
    """The newest ones: a client may have posted many with each of the last events."""
    return [line for _, fields in reply for line in fields.get(b"entry", b"").split(b"\n")][-_LONGEST:]
