"""When a job is tried again, by Redis's clock."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rq import Queue

from bringup.connections.redis_client import redis_now

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job


class RedisClockQueue(Queue):
    """rq adds the seconds to wait to this host's time; what is due is compared with Redis's."""

    def schedule_job(
        self,
        job: "Job",
        datetime: datetime,
        pipeline: "Pipeline | None" = None,
        unique: bool = False,  # noqa: FBT001, FBT002 - rq's signature
    ) -> "Job":
        """As rq, so long after now by Redis's clock as ``datetime`` is after now by ours."""
        wait = datetime - _host_now()
        return super().schedule_job(job, redis_now(self.connection) + wait, pipeline, unique)


def _host_now() -> datetime:
    return datetime.now(UTC)
