"""When a run's time is up, and why it must have come to nothing. Pure."""

from datetime import datetime, timedelta

from bringup.model import FailureReason, RunState
from bringup.settings import Settings
from bringup.wire import Run

CRASH_LOOP_BOOTS = 3


def deadline_of(run: Run, settings: Settings) -> datetime | None:
    """The time by which the run must have moved on; None while it waits in the queue.

    The whole run has RUN_TIMEOUT_S from its boot on; within that the first sign of life has BOOT_TIMEOUT_S
    from the power switch, and each next one HEARTBEAT_LOST_S from the last.
    """
    if run.boot_started_at is None:
        return None
    limits = [run.boot_started_at + timedelta(seconds=settings.run_timeout_s)]
    if run.last_heartbeat_at:
        limits.append(run.last_heartbeat_at + timedelta(seconds=settings.heartbeat_lost_s))
    elif run.powered_on_at:
        limits.append(run.powered_on_at + timedelta(seconds=settings.boot_timeout_s))
    return min(limits)


def reason_of(run: Run, refused_callbacks: int) -> tuple[FailureReason, str]:
    """Why a run that has timed out did not come to its end."""
    if run.state in {RunState.QUEUED, RunState.BOOTING}:
        return FailureReason.WORKER_LOST, "no worker completed the boot in time"
    if len(run.boot_ids) >= CRASH_LOOP_BOOTS:
        return FailureReason.NO_BOOT, f"the machine restarted {len(run.boot_ids)} times without a report (crash loop)"
    if refused_callbacks:
        return FailureReason.CALLBACK_REFUSED, f"calls for this run that bore a wrong token: {refused_callbacks}"
    if run.state is RunState.WAITING:
        return FailureReason.NO_BOOT, "the machine was powered on but gave no sign of life"
    return FailureReason.NO_NETWORK, "the machine's heartbeats stopped before its report"
