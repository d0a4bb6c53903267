"""The feed of changes: what was changed, under the number of the change, for its followers (`api.views.changes`).

Every transaction that changes what must not be lost adds to it. It is the only place that increments the change number,
by which `api.state.changes` finds whether Redis has lost changes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from api.state.redis import Database, Pipeline
from bringup import keys, model

_Result = TypeVar("_Result")
# Entries of the feed: 10,000 machines with some twenty changes each, about 30 MB. It bounds what a loop of changes, or
# a client that makes them, can fill.
MOST_CHANGES = 200_000
# Of a time in milliseconds, until the year 5138. A larger one in a damaged entry is no time, and must not stop those
# who read the rest.
_TIME_DIGITS = 14
# Numbers each change and adds it to the feed under that number. In Lua, for only Redis knows the number, and the
# change, its number and its entry must come to be together. What is older than the feed is kept is deleted a page at a
# time by every 64th change, so that no change has much to do. A feed that is ahead of the number is of a state that was
# lost: its followers must take a snapshot.
# KEYS: the number, the feed. ARGV: time (ms), oldest time to keep (ms), most entries, then each change as JSON.
_NUMBER_AND_FEED = """
local number = redis.call('INCRBY', KEYS[1], #ARGV - 3) - (#ARGV - 3)
for i = 4, #ARGV do
    number = number + 1
    local id = string.format('%d-0', number)
    local trim, how, bound = 'MAXLEN', '~', ARGV[3]
    if number % 64 == 0 then
        for _, old in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 128)) do
            if (tonumber(old[2][2]) or 0) >= tonumber(ARGV[2]) then break end
            trim, how, bound = 'MINID', '=', string.format('%d-0', tonumber(string.match(old[1], '^%d+')) + 1)
        end
    end
    local added = redis.pcall('XADD', KEYS[2], trim, how, bound, id, 'at', ARGV[1], 'change', ARGV[i])
    if type(added) == 'table' and added.err then
        redis.call('DEL', KEYS[2])
        redis.call('XADD', KEYS[2], id, 'at', ARGV[1], 'change', ARGV[i])
    end
end
return number
"""
# The number and the time (ms) of the last change; no time: the feed does not have it any more.
# KEYS: the number, the feed, then strings that are read with it.
LAST_CHANGE = """#!lua flags=no-writes
local number = redis.call('GET', KEYS[1]) or '0'
local id = number .. '-0'
local last = redis.call('XRANGE', KEYS[2], id, id)[1]
local found = {number, last and last[2][2] or ''}
for i = 3, #KEYS do found[i] = redis.call('GET', KEYS[i]) or '' end
return found
"""


@dataclass(frozen=True)
class FeedEntry:
    """One change, as the feed keeps it: the records themselves are read when the feed is.

    Args:
        what: happened, as the timeline names it.
        who: did it.
        run, device: which of them are changed; None: none is.
        state: of the run afterwards, or of the device where there is no run.
        detail: for people.
    """

    what: str
    who: str
    run: str | None = None
    device: str | None = None
    state: str = ""
    detail: str = ""

    def as_json(self) -> str:
        """As short as it can be, for there are some twenty of a run: an array of its values, without names."""
        values = [value or "" for value in vars(self).values()]
        while values and not values[-1]:
            del values[-1]
        return json.dumps(values, separators=(",", ":"))


@dataclass(frozen=True)
class Feed:
    """A part of the feed of changes.

    Args:
        entries: the number of each change, and its fields in Redis, oldest first.
        oldest: the number of the oldest change that the feed still has; one that is to come when it has none.
        newest: the number of the last change.
    """

    entries: tuple[tuple[int, dict[bytes, bytes]], ...]
    oldest: int
    newest: int


class ChangeFeed:
    """Numbers changes, and keeps what they were.

    Args:
        keep: how long an entry is kept.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def apply(
        self, body: Callable[[Pipeline], _Result], *watched: str, what: Callable[[_Result], Sequence[FeedEntry]]
    ) -> tuple[_Result, int | None]:
        """Run ``body`` as `Database.transact` does.

        Args:
            body: see there.
            watched: keys.
            what: the changes in what ``body`` returned, in their order; none: nothing that must not be lost.

        Returns:
            What ``body`` returned, and the number of the last change; None when there is none.
        """
        outcome: list[_Result] = []
        changes: list[FeedEntry] = []

        def numbered(pipe: Pipeline) -> None:
            outcome[:] = [body(pipe)]
            changes[:] = what(outcome[0])
            if changes:
                now = model.utc_now()
                oldest = now - self._keep
                times = int(now.timestamp() * 1000), int(oldest.timestamp() * 1000)
                lines = [one.as_json() for one in changes]
                pipe.eval(_NUMBER_AND_FEED, 2, keys.CHANGE_NUMBER, keys.CHANGES, *times, MOST_CHANGES, *lines)

        # In one transaction with the change: a number without its change, or the reverse, would look like a loss.
        replies = self._database.execute(numbered, *watched)
        return outcome[0], int(replies[-1]) if changes else None

    def read(self, since: int, limit: int) -> Feed:
        """The changes after number ``since``, ``limit`` of them at most."""
        with self._database.errors(), self._database.connection.pipeline(transaction=True) as pipe:
            # A transaction: a change between the two would seem to be trimmed, or to be missing. With Redis Sentinel it
            # also waits for the replicas: a number that a failover takes back would be given to another change.
            pipe.xrange(keys.CHANGES, min=f"({since}-0", count=limit)
            pipe.xrange(keys.CHANGES, count=1)
            pipe.get(keys.CHANGE_NUMBER)
            found, first, number = pipe.execute()
        entries = tuple((_number_of(entry_id), fields) for entry_id, fields in found)
        newest = int(number or 0)
        return Feed(entries, _number_of(first[0][0]) if first else newest + 1, newest)


def entry_of(fields: dict[bytes, bytes]) -> FeedEntry | None:
    """The change itself; None: it cannot be read."""
    try:
        read = json.loads(fields[b"change"])
        if isinstance(read, dict):  # by an API of an earlier build; the feed is kept for days
            read = [read.get(field.name) or "" for field in fields_of(FeedEntry)]
        if not isinstance(read, list) or len(read) < 2 or not read[0]:
            return None
        what, who, run, device, *others = [*map(str, read), "", ""]
        return FeedEntry(what, who, run or None, device or None, *others[:2])
    except (KeyError, ValueError, RecursionError):
        return None


def time_of(fields: dict[bytes, bytes]) -> datetime:
    """When a change was made, by the clock of the API host that made it; 1970 where its entry has no time."""
    return time_in(fields.get(b"at", b"")) or datetime.fromtimestamp(0, UTC)


def time_in(text: bytes) -> datetime | None:
    """A time as an entry has it; None: it is none."""
    is_time = text.isdigit() and len(text) <= _TIME_DIGITS
    return datetime.fromtimestamp(int(text) / 1000, UTC) if is_time else None


def _number_of(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
