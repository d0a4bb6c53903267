"""How long BMCs take to answer: counted in this process, and reported to the API, which shows it as a metric."""

import secrets
from bisect import bisect_left
from threading import Lock

from bringup.wire.bmc import BMC_BOUNDS_S, BmcRequests


class BmcLatency:
    """Counts the requests of all threads of a process."""

    def __init__(self) -> None:
        self._lock = Lock()  # a request that ends between the reading and the clearing would not be counted
        self._counts = [0] * (len(BMC_BOUNDS_S) + 1)
        self._sum_s = 0.0
        self._unreported: BmcRequests | None = None

    def count(self, seconds: float) -> None:
        """One request has taken so long, answered or not."""
        with self._lock:
            self._counts[bisect_left(BMC_BOUNDS_S, seconds)] += 1
            self._sum_s += seconds

    def report(self) -> BmcRequests | None:
        """What is to be posted, the same until `reported`; None: nothing."""
        with self._lock:
            if self._unreported is None and any(self._counts):
                self._unreported = BmcRequests(
                    id=secrets.token_hex(16), counts=tuple(self._counts), sum_s=round(self._sum_s, 3)
                )
                self._counts = [0] * len(self._counts)
                self._sum_s = 0.0
            return self._unreported

    def reported(self) -> None:
        """The API has it."""
        with self._lock:
            self._unreported = None
