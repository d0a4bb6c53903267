"""What each tailer reports to Redis while it runs: that it does, and whether it keeps up with its file.

Without it nobody but the tailer's own host could see that leases are read no more.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from bringup import keys
from bringup.connections.redis_client import redis_now

if TYPE_CHECKING:
    from redis import Redis

# Seconds between two reports of one tailer: three may be lost before it counts as silent.
REPORT_EVERY_S = 10.0
SILENT_AFTER_S = 45.0
# A tailer that reported last so long ago was retired: it is no longer shown.
FORGET_AFTER = timedelta(days=7)
# What is read: a report has some hundred bytes and a site some ten tailers. Who has a tailer's password can write any
# number of any size, and the API that reads them must not run out of memory.
MOST_REPORTS = 200
_LONGEST_REPORT = 8192
# In Lua, for what is too large must not even be sent. HSCAN in small steps: each is held in memory as a whole. Where
# users.acl is of an older version, which does not permit HSCAN, everything is read.
# ARGV: most reports, bytes of the longest.
_READ = """#!lua flags=no-writes
local found, seen, cursor = {}, 0, '0'
repeat
    local page = redis.pcall('HSCAN', KEYS[1], cursor, 'COUNT', 10)
    if page.err then
        page = {'0', redis.call('HGETALL', KEYS[1])}
    end
    cursor = page[1]
    for i = 2, #page[2], 2 do
        seen = seen + 1
        if #page[2][i] <= tonumber(ARGV[2]) and seen <= tonumber(ARGV[1]) then
            found[#found + 1] = page[2][i - 1]
            found[#found + 1] = page[2][i]
        end
    end
until cursor == '0' or seen >= tonumber(ARGV[1])
return found
"""


class TailerReport(BaseModel):
    """What one tailer reports.

    Args:
        host: name of its host.
        path: the file that it follows.
        version: of its bringup.
        at: when, by Redis's clock.
        problem: why its file cannot be read; empty if it can.
        behind_s: seconds for which there has been something to read without a break; 0: it is at the end.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    source: str
    path: str
    version: str
    at: AwareDatetime
    problem: str = ""
    behind_s: float = 0.0


def put_report(connection: "Redis", report: TailerReport) -> None:
    """Replace what this tailer has reported before. Raises what redis-py raises."""
    stamped = report.model_copy(update={"at": redis_now(connection)})
    connection.hset(keys.TAILERS, f"{report.host}:{report.path}", stamped.model_dump_json())


def reports(connection: "Redis") -> tuple[list[TailerReport], datetime]:
    """What the tailers of the last seven days have reported, by host and file, and Redis's time now.

    Of the reports `MOST_REPORTS` at most are read, and none that is larger than any of ours.
    """
    pipe = connection.pipeline(transaction=False)
    pipe.time()
    pipe.eval(_READ, 1, keys.TAILERS, str(MOST_REPORTS), str(_LONGEST_REPORT))
    (seconds, microseconds), flat = cast("tuple[tuple[int, int], list[bytes]]", pipe.execute())
    now = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    stored = dict(zip(flat[::2], flat[1::2], strict=True))
    found = [report for _, text in sorted(stored.items()) if (report := _read(text))]
    return [report for report in found if now - report.at < FORGET_AFTER], now


def _read(text: bytes) -> TailerReport | None:
    """None: it is of a version that we do not know. It must not hide the others."""
    try:
        return TailerReport.model_validate_json(text)
    except ValidationError:
        return None
