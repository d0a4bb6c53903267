"""When a run times out, and which failure reason explains it. Pure."""

from datetime import datetime, timedelta

from api.runs.records import ImageRead, RunRecord
from bringup.model import FailureReason, RunState
from bringup.settings import Settings

# Two boots may be one power cycle more than planned; the third without a report is a loop.
CRASH_LOOP_BOOTS = 3
# A BMC reads a few sectors of any medium, whether or not a machine boots from it: less than this is no boot.
PROBE_BYTES = 64 * 1024


def deadline_of(run: RunRecord, settings: Settings) -> datetime | None:
    """The time by which the run must have moved on; None while it waits in the queue.

    The whole run has RUN_TIMEOUT_S from its boot on; within that the first sign of life has BOOT_TIMEOUT_S
    from the power switch, and each next one HEARTBEAT_LOST_S from the last.
    """
    if run.boot_started_at is None:
        return None
    # The shortest limit counts.
    limits = [run.boot_started_at + timedelta(seconds=settings.run_timeout_s)]
    if run.last_heartbeat_at:
        limits.append(run.last_heartbeat_at + timedelta(seconds=settings.heartbeat_lost_s))
    elif run.powered_on_at:
        limits.append(run.powered_on_at + timedelta(seconds=run.boot_timeout_s or settings.boot_timeout_s))
    return min(limits)


def reason_of(run: RunRecord, refused_callbacks: int, image: ImageRead | None = None) -> tuple[FailureReason, str]:
    """Why a run that has timed out did not come to its end.

    Args:
        refused_callbacks: how many calls for it had a wrong token or certificate.
        image: what was read of its image, where we serve it.
    """
    if run.state in {RunState.QUEUED, RunState.BOOTING}:
        return FailureReason.WORKER_LOST, "no worker completed the boot in time; the timeline shows its last step"
    # The most specific reason first: a crash loop may also have had refused calls.
    if len(run.boot_ids) >= CRASH_LOOP_BOOTS:
        return FailureReason.NO_BOOT, f"the machine restarted {len(run.boot_ids)} times without a report (crash loop)"
    if refused_callbacks:
        return (
            FailureReason.CALLBACK_REFUSED,
            f"calls for this run that bore a wrong token or certificate: {refused_callbacks}",
        )
    if run.state is RunState.WAITING:
        return _of_silence(image)
    return FailureReason.NO_NETWORK, "the machine's heartbeats stopped before its report"


def _of_silence(image: ImageRead | None) -> tuple[FailureReason, str]:
    if image is None:
        return FailureReason.NO_BOOT, "the machine was powered on but gave no sign of life"
    if not image.parameters and image.bytes_read < PROBE_BYTES:
        read = f"{image.bytes_read} bytes" if image.bytes_read else "nothing"
        detail = f"the machine was powered on, but of its image {read} was read"
        if image.other_reader:
            detail += (
                f" by its BMC; {image.other_reader} read it without the run's parameters: where the BMC has that "
                "address, set IMAGE_READERS at the API"
            )
        return FailureReason.MEDIA_NOT_READ, detail
    read = f"{image.bytes_read / 1024**2:.1f} MiB"
    return FailureReason.NO_BOOT, f"the image was read ({read}) but the machine gave no sign of life"
