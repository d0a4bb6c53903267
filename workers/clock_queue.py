"""A queue of rq whose scheduled jobs are due by the clock of Redis, not by that of this host."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rq import Queue

from bringup.connections.redis_client import redis_now

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job


class RedisClockQueue(Queue):
    """rq adds the seconds to wait to this host's time, but what is due is compared with Redis's."""

    @classmethod
    def of(cls, queue: Queue) -> "RedisClockQueue":
        """The same queue."""
        return cls(queue.name, connection=queue.connection, serializer=queue.serializer)

    def schedule_job(
        self,
        job: "Job",
        datetime: datetime,
        pipeline: "Pipeline | None" = None,
        unique: bool = False,  # noqa: FBT001, FBT002 - rq's signature
    ) -> "Job":
        """As rq, so long after now by Redis's clock as ``datetime`` is after now by ours.

        Args:
            job, pipeline, unique: as rq has them.
            datetime: by this host's clock.
        """
        wait = datetime - _host_now()
        return super().schedule_job(job, redis_now(self.connection) + wait, pipeline, unique)


def _host_now() -> datetime:
    return datetime.now(UTC)
