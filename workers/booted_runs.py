"""The runs whose machines this process has booted, as their clean-up finds them: it need not ask the API for them.

How the BMC of a run is reached stays as it was when the run began, and once the machine is switched on no worker
changes anything else that a clean-up goes by. Whether there is still something to clean up is for the API to know: it
permits nothing to a run that has not ended, or is closed.
"""

import hashlib
from threading import Lock

from bringup import text
from bringup.wire.run import RunDetail
from bringup.wire.run_events import RunMedia

# Runs that are remembered, some 5 KB each. A process boots a few dozen machines at once, and a run lasts ten minutes;
# of one that is forgotten, or was booted by another process, the clean-up asks the API.
_MOST = 1_000
# What every boot has asked for by its end. The clean-up only asks whether; when is for the API.
_STEPS_OF_A_BOOT = ("write_permitted_at", "override_requested_at", "power_on_requested_at")


class BootedRuns:
    """What one process remembers; several threads may use it."""

    def __init__(self) -> None:
        self._runs: dict[str, RunDetail] = {}
        self._lock = Lock()  # without it two threads that forget the oldest would fail at the second one

    def remember(self, run: RunDetail, media: RunMedia | None) -> None:
        """The machine of ``run`` is on.

        Args:
            run: as it was when this execution began.
            media: what this execution has inserted; None: an execution before it did, or there is none.
        """
        secret = text.image_secret(media.image_url or "") if media else None
        own = (hashlib.sha256(secret.encode()).hexdigest(),) if secret else ()
        marks = dict.fromkeys(_STEPS_OF_A_BOOT, run.updated_at)
        found = run.model_copy(update={"media_sha256": (*run.media_sha256, *own), **marks})
        with self._lock:
            self._runs[run.run_id] = found
            if len(self._runs) > _MOST:
                del self._runs[next(iter(self._runs))]

    def take(self, run_id: str) -> RunDetail | None:
        """The run, once; None: it is not known here."""
        with self._lock:
            return self._runs.pop(run_id, None)
