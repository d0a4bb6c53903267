"""What each tailer reports to Redis while it runs: that it does, and whether it keeps up with its file.

Without it nobody but the tailer's own host could see that leases are read no more.
"""

from datetime import datetime, timedelta
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
    """What the tailers of the last seven days have reported, by host and file, and Redis's time now."""
    now = redis_now(connection)
    stored = cast("dict[bytes, bytes]", connection.hgetall(keys.TAILERS))
    found = [report for _, text in sorted(stored.items()) if (report := _read(text))]
    return [report for report in found if now - report.at < FORGET_AFTER], now


def _read(text: bytes) -> TailerReport | None:
    """None: it is of a version that we do not know. It must not hide the others."""
    try:
        return TailerReport.model_validate_json(text)
    except ValidationError:
        return None
