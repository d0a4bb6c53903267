"""The guard: the only way to a permit, and so the only way to write to a BMC.

It connects to the BMC first, so that a slow log-in or handshake uses up no permit. It asks the API then, and the
clock of the permit starts when the question is sent. A worker that was stopped in its tracks and wakes up later
must not act upon what was true then.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from bringup.errors import ApiRejected, BmcBusy, NotYet, PermitExpired, TransientError
from bringup.wire.run import PERMIT_S, EventType
from workers.bmc import Bmc
from workers.callback import Callback
from workers.permit import Clock, Permit, boot_clock

# A slow BMC may use up a permit before it is sent anything. So often a new one is asked for before the try has
# failed; what the driver has read by then it need not read again.
_PERMITS_A_WRITE = 3
# A BMC that is busy for moments (On right after off, a job that ends) is waited for here; one that is busy for minutes
# gives the worker back, and the job comes again. So a thread is held no longer than by a slow virtual medium.
_BUSY_S = 60.0
_BUSY_LOOK_EVERY_S = 5.0


class Guard:
    """Asks for the permits of one execution of a job.

    Args:
        owner: the execution; see `bringup.wire.run.RunEvent`.
    """

    def __init__(
        self,
        run_id: str,
        bmc: Bmc,
        callback: Callback,
        owner: str,
        *,
        clock: Clock = boot_clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._run_id = run_id
        self._bmc = bmc
        self._callback = callback
        self._owner = owner
        self._clock = clock
        self._sleep = sleep
        self._is_used = False
        self._posted: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Give the last permit back: every request was answered, or waited for as long as an answer may take."""
        if self._is_used and (kind is None or issubclass(kind, Exception)):
            with suppress(ApiRejected, TransientError):  # then whoever comes next waits until nothing can arrive
                self._callback.tell(self._run_id, EventType.PERMIT_RETURNED, owner=self._owner)

    def identify(self) -> bool:
        """Read which machine answers, and let the API compare; returns whether it is the run's.

        Raises:
            ApiRejected: it is another, and the run has ended before.
        """
        self._bmc.connect()
        seen = self._bmc.identity().message()
        reply = self._callback.tell(self._run_id, EventType.MACHINE_IDENTIFIED, owner=self._owner, identity=seen)
        return not reply.state.ended

    def _wait(self, busy: BmcBusy) -> None:
        """Post what the BMC waits for, and wait with it. Raises ApiRejected: the run has gone on without us."""
        if str(busy) not in self._posted:  # a line of the timeline for each reason, not for each look
            self._posted.add(str(busy))
            self._callback.tell(self._run_id, EventType.BMC_BUSY, owner=self._owner, detail=str(busy))
        self._sleep(busy.retry_in_s or _BUSY_LOOK_EVERY_S)

    def write(self, what: EventType, act: Callable[[Permit], None], detail: str = "") -> None:
        """Let ``act`` write with a permit of the kind ``what``; with a new one when it ran out unused.

        Raises:
            ApiRejected: the permit was refused; nothing was written by this call.
            NotYet: an earlier permit may still be in use elsewhere.
            PermitExpired: the BMC is too slow to be written to while a permit holds.
            BmcBusy: it waits for its host or for a job of its own, for longer than we wait with it here.
        """
        deadline = self._clock() + _BUSY_S
        while True:
            try:
                return self._write(what, act, detail)
            except BmcBusy as busy:
                if self._clock() >= deadline:
                    raise
                self._wait(busy)

    def _write(self, what: EventType, act: Callable[[Permit], None], detail: str) -> None:
        for _ in range(_PERMITS_A_WRITE - 1):
            with suppress(PermitExpired):
                return act(self._ask(what, detail))
        return act(self._ask(what, detail))

    def _ask(self, what: EventType, detail: str) -> Permit:
        self._bmc.connect()
        asked_at = self._clock()
        reply = self._callback.tell(self._run_id, what, owner=self._owner, detail=detail)
        if reply.next_s is not None:
            raise NotYet("a request of the worker before us may still reach the BMC", retry_in_s=reply.next_s)
        self._is_used = True
        return Permit(what.value, asked_at + min(reply.permit_s or 0.0, PERMIT_S), self._clock)
