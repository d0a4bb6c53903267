"""The queues of jobs and their quarantine, as the API works with them."""

from collections import Counter
from collections.abc import Sequence

from api.state.redis import Database
from bringup.quarantine import Quarantine, QuarantineEntry
from bringup.queues import Queues
from bringup.wire.operator import QueueView


class JobQueues:
    """Counts jobs, and moves those in quarantine.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues = Queues(database.connection)
        self._quarantine = Quarantine(database.connection)

    def counts(self, quarantine: Sequence[QuarantineEntry]) -> list[QueueView]:
        """How many jobs each queue holds, by their state, of which some are in ``quarantine``."""
        quarantined = Counter(job.queue for job in quarantine)
        with self._database.errors():
            found = self._queues.counts()
        return [QueueView(**counts, quarantined=quarantined[counts["name"]]) for counts in found]

    def quarantined(self) -> list[QuarantineEntry]:
        """All jobs in quarantine, oldest first."""
        with self._database.errors():
            return self._quarantine.jobs()

    def requeue(self, job_id: str) -> QuarantineEntry | None:
        """Put a job back on its queue; None when it is not in quarantine.

        Raises:
            AlreadyQueued: another job has its id now.
            QueueUnknown: its entry cannot be read.
        """
        with self._database.errors():
            return self._quarantine.requeue(job_id)

    def discard(self, job_id: str) -> QuarantineEntry | None:
        """Delete a job for good; None when it is not in quarantine."""
        with self._database.errors():
            return self._quarantine.discard(job_id)
