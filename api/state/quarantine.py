"""The quarantine of jobs, as the API works with it."""

from collections import Counter

from api.state.redis import Database
from bringup.quarantine import Entry, Quarantine


class JobQuarantine:
    """Raises RedisUnavailable from every method when Redis does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._quarantine = Quarantine(database.connection)

    def jobs(self) -> list[Entry]:
        """All jobs in quarantine, oldest first."""
        with self._database.errors():
            return self._quarantine.jobs()

    def count_by_queue(self) -> Counter[str]:
        """How many jobs of each queue are in quarantine."""
        return Counter(job.queue for job in self.jobs())

    def requeue(self, job_id: str) -> Entry | None:
        """Put a job back on its queue; None when it is not in quarantine. Raises AlreadyQueued, QueueUnknown."""
        with self._database.errors():
            return self._quarantine.requeue(job_id)

    def discard(self, job_id: str) -> Entry | None:
        """Delete a job for good; None when it is not in quarantine."""
        with self._database.errors():
            return self._quarantine.discard(job_id)
