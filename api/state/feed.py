"""The feed of changes: what was changed, under the number of the change, for its followers (`api.views.changes`).

Every transaction that changes what must not be lost adds to it. It is the only place that increments the change number,
by which `api.state.changes` finds whether Redis has lost changes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from api.state import feed_entries
from api.state.feed_entries import FeedEntry
from api.state.redis import Database, Pipeline
from bringup import errors, keys, model

_Result = TypeVar("_Result")
# Entries of the feed: 10,000 machines with some twenty changes each, about 30 MB. It bounds what a loop of changes, or
# a client that makes them, can fill.
MOST_CHANGES = 200_000
# Of a time in milliseconds, until the year 5138. A larger one in a damaged entry is no time, and must not stop those
# who read the rest.
_TIME_DIGITS = 14
# As Redis writes a number of up to 16 digits: it does not add to `+7`, ` 7` or `07`.
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,15}")
# The highest number that a double of Lua holds exactly, and that a host's memory takes: a thousand changes a second for
# 280,000 years.
_HIGHEST = 2**53
# The number of the newest entry of the feed, which is the change number; 0: the feed has none, or is of another type.
# By bisection, for installed users of Redis may not call XREVRANGE.
_NEWEST = """
local function newest(feed)
    local low, high = 0, 2^53
    while low < high do
        local middle = math.floor((low + high + 1) / 2)
        local found = redis.pcall('XRANGE', feed, string.format('%.0f-0', middle), '+', 'COUNT', 1)
        if #found > 0 then low = middle else high = middle - 1 end
    end
    return low
end
"""
# Numbers each change, and adds those of one entry to the feed under the number of the last. In Lua, for only Redis has
# the number, and the change, its number and its entry must come to be together. What is older than the feed is kept is
# deleted a page at a time by every 64th change, so that no change has much to do. A feed that is ahead of the number is
# of a state that was lost: its followers must take a snapshot. What is no number is replaced by that of the feed: an
# error would come when the rest of the transaction is done, and the change would have neither number nor entry.
# KEYS: the number, the feed. ARGV: how many changes, time (ms), oldest time to keep (ms), most entries, then of each
# entry how many changes it has, and these as JSON.
_NUMBER_AND_FEED = (
    _NEWEST
    + """
local last = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(last) ~= 'number' or last < tonumber(ARGV[1]) or last > 2^53 then
    last = newest(KEYS[2]) + ARGV[1]
    redis.call('SET', KEYS[1], string.format('%.0f', last))
end
local number = last - ARGV[1]
for i = 5, #ARGV, 2 do
    local before = number
    number = number + ARGV[i]
    local id = string.format('%d-0', number)
    local trim, how, bound = 'MAXLEN', '~', ARGV[4]
    if math.floor(number / 64) > math.floor(before / 64) then
        for _, old in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 128)) do
            if (tonumber(old[2][2]) or 0) >= tonumber(ARGV[3]) then break end
            trim, how, bound = 'MINID', '=', string.format('%d-0', tonumber(string.match(old[1], '^%d+')) + 1)
        end
    end
    local added = redis.pcall('XADD', KEYS[2], trim, how, bound, id, 'at', ARGV[2], 'change', ARGV[i + 1])
    if type(added) == 'table' and added.err then
        redis.call('DEL', KEYS[2])
        redis.call('XADD', KEYS[2], id, 'at', ARGV[2], 'change', ARGV[i + 1])
    end
end
return last
"""
)
# Sets what is no change number to that of the feed. KEYS: the number, the feed. Returns the number, if it was set.
REPAIR_NUMBER = (
    _NEWEST
    + """
local found = redis.pcall('GET', KEYS[1])
local is_number = type(found) == 'string' and #found <= 16 and (found == '0' or string.match(found, '^[1-9]%d*$'))
if found == false or (is_number and tonumber(found) <= 2^53) then return false end
redis.call('SET', KEYS[1], string.format('%.0f', newest(KEYS[2])))
return redis.call('GET', KEYS[1])
"""
)
# The number and the time (ms) of the last change; no time: the feed does not have it any more.
# KEYS: the number, the feed, then strings that are read with it.
LAST_CHANGE = """#!lua flags=no-writes
local number = redis.call('GET', KEYS[1]) or '0'
if not string.match(number, '^%d+$') or #number > 16 then
    return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' holds no number')
end
local id = number .. '-0'
local last = redis.call('XRANGE', KEYS[2], id, id)[1]
local found = {number, last and last[2][2] or ''}
for i = 3, #KEYS do found[i] = redis.call('GET', KEYS[i]) or '' end
return found
"""


@dataclass(frozen=True)
class NumberedChange:
    """A change in the feed.

    Args:
        number: its change number.
        at: when it was made, by the clock of the API host that made it; 1970 where the entry has no time.
        change: None: it cannot be read.
    """

    number: int
    at: datetime
    change: FeedEntry | None


@dataclass(frozen=True)
class Feed:
    """A part of the feed of changes.

    Args:
        changes: oldest first.
        oldest: the number of the oldest change that the feed still has; one that is to come when it has none.
        newest: the number of the last change.
    """

    changes: tuple[NumberedChange, ...]
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
                entries = [part for entry in feed_entries.written(changes) for part in entry]
                arguments = len(changes), *times, MOST_CHANGES, *entries
                pipe.eval(_NUMBER_AND_FEED, 2, keys.CHANGE_NUMBER, keys.CHANGES, *arguments)

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
        read = (one for entry_id, fields in found for one in _changes(entry_id, fields))
        newest = change_number(number)
        oldest = next(iter(_changes(*first[0]))).number if first else newest + 1
        # One entry may have more changes than are asked for, of which some were asked for before.
        return Feed(tuple(one for one in read if one.number > since)[:limit], oldest, newest)


def _changes(entry_id: bytes, fields: dict[bytes, bytes]) -> list[NumberedChange]:
    """The changes of one entry, which is under the number of the last."""
    last, at = int(entry_id.partition(b"-")[0]), time_of(fields)
    read = feed_entries.read(fields.get(b"change", b""))
    first = last - len(read) + 1
    return [NumberedChange(first + place, at, change) for place, change in enumerate(read)]


def change_number(stored: bytes | None) -> int:
    """The change number as Redis holds it; 0: there is none.

    Raises:
        CorruptRecord: it is no number, or one that Redis cannot count on from.
    """
    if stored is None:
        return 0
    if not _NUMBER.fullmatch(stored) or int(stored) > _HIGHEST:
        raise errors.CorruptRecord(f"Redis holds no change number under {keys.CHANGE_NUMBER}, but {stored[:32]!r}")
    return int(stored)


def time_of(fields: dict[bytes, bytes]) -> datetime:
    """When a change was made, by the clock of the API host that made it; 1970 where its entry has no time."""
    return time_in(fields.get(b"at", b"")) or datetime.fromtimestamp(0, UTC)


def time_in(text: bytes) -> datetime | None:
    """A time as an entry has it; None: it is none."""
    is_time = text.isdigit() and len(text) <= _TIME_DIGITS
    return datetime.fromtimestamp(int(text) / 1000, UTC) if is_time else None
