"""The four jobs. Each may be killed anywhere and run again: it asks the API where the run stands, and goes on."""

from collections.abc import Mapping
from functools import partial

from bringup import log
from bringup.errors import ApiRejected, NotYet
from bringup.model import JobKind, LeaseEvent
from bringup.queues import FUNCTION_OF
from bringup.wire.run import EventType
from workers.boot import boot
from workers.callback import is_stale
from workers.context import Tools
from workers.finish import finish
from workers.job import JobFunction, Task


def job_functions(tools: Tools) -> Mapping[str, JobFunction]:
    """The allow-list: every function that a job may name, and nothing else."""
    functions: dict[JobKind, JobFunction] = {
        JobKind.DISCOVER: discover,
        JobKind.BOOT: boot,
        JobKind.FINISH: finish,
        JobKind.EXPIRE: expire,
    }
    return {FUNCTION_OF[kind]: partial(function, tools) for kind, function in functions.items()}


def discover(tools: Tools, _task: Task, *, lease: dict[str, object]) -> None:
    """Tell the API of a lease. What follows from it, the API enqueues in the same transaction."""
    event = LeaseEvent.model_validate(lease, extra="ignore")  # a newer tailer, since rolled back, may have queued it
    decision = tools.callback.put_run(event)
    log.get("workers").info("lease told", decision=str(decision.decision), reason=decision.reason)


def expire(tools: Tools, _task: Task, *, run_id: str) -> None:
    """Ask the API whether the run's time is up; if not, come back when it may be.

    Raises:
        NotYet: with the seconds until then.
    """
    try:
        reply = tools.callback.tell(run_id, EventType.DEADLINE)
    except ApiRejected as error:
        if is_stale(error):
            return
        raise
    if reply.next_s is not None:
        raise NotYet("the run's time is not up", retry_in_s=reply.next_s)
