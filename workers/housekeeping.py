"""Housekeeping in Redis: rq keeps a line for every job that ended and every worker that was killed."""

from rq.worker_registration import clean_worker_registry

from bringup.model import JobKind
from bringup.queues import Queues

EVERY_S = 60.0


def forget_the_old(queues: Queues) -> None:
    """Drop what has expired. rq's own cleaning would also fail the jobs that the sweep puts back."""
    for kind in JobKind:
        queue = queues.queue(kind)
        queue.finished_job_registry.cleanup()
        queue.failed_job_registry.cleanup()
        clean_worker_registry(queue)
