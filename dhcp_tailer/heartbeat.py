"""The tailer's reports to Redis that it runs, and whether it keeps up."""

import socket
import time
from collections.abc import Callable

from bringup import __version__, errors, model, outages
from bringup.tailers import REPORT_EVERY_S, TailerReport
from dhcp_tailer.retry import Interrupted, Stop


class TailerHeartbeat:
    """Reports every ten seconds; what goes wrong with that stops nothing.

    Args:
        send: puts a report into Redis; raises what `bringup.connections.redis_client.redis_errors` raises.
        source: DHCP_SOURCE.
        path: the file that is followed.
        stop: a Redis that hangs must not delay it.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        send: Callable[[TailerReport], None],
        *,
        source: str,
        path: str,
        stop: Stop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._known = TailerReport(
            host=socket.gethostname(), source=source, path=path, version=__version__, at=model.utc_now()
        )
        self._stop = stop
        self._clock = clock
        self._next_s = 0.0
        self._behind_since_s: float | None = None
        self._problem: str | None = None
        lost, back = "this tailer cannot report to Redis that it runs", "this tailer reports to Redis again"
        self._alarm = outages.Alarm(__name__, lost, back)

    def beat(self, *, lag_bytes: int, problem: str | None) -> None:
        """Report if it is time.

        Args:
            lag_bytes: written by the DHCP server and not done yet.
            problem: why the file cannot be read; None: it can.
        """
        now = self._clock()
        if not lag_bytes:
            self._behind_since_s = None
        elif self._behind_since_s is None:
            self._behind_since_s = now
        # A file that cannot be read any more is reported at once.
        if now >= self._next_s or problem != self._problem:
            self._problem = problem
            self._next_s = now + REPORT_EVERY_S
            behind_s = 0.0 if self._behind_since_s is None else now - self._behind_since_s
            self._report(self._known.model_copy(update={"problem": problem or "", "behind_s": behind_s}))

    def _report(self, report: TailerReport) -> None:
        try:
            with self._stop.interruptible():
                self._send(report)
        except Interrupted:
            return  # the loop sees that it must stop
        except errors.RedisRefused as error:
            # users.acl of an older version: the leases go on.
            self._alarm.report(str(error))
        except errors.BringupError:
            return  # that Redis is away is logged by what puts leases there
        else:
            self._alarm.clear()
