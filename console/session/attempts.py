"""How often one address may try to sign in."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

# Tries of one address in a window, of which none succeeded: people mistype a token a few times. A token has 190 bits,
# so that this keeps work from the API and lines from the log; it is not what makes guessing hopeless.
_MOST = 10
_WINDOW_S = 300.0
# Addresses that are remembered; one more forgets the one that began first. Each costs some 200 bytes.
_MOST_ADDRESSES = 10_000


class Attempts:
    """Counts tries to sign in, by address. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and the end of their window
        self._lock = Lock()  # without it tries that come together would count as one

    def begin(self, address: str) -> float:
        """Count one try; seconds until the next is allowed, 0: this one is.

        It counts before it is made: tries that come together are as many as those that come one after the other.
        """
        with self._lock:
            now = self._clock()
            count, ends_at = self._tries.get(address, (0, now + _WINDOW_S))
            if now >= ends_at:
                count, ends_at = 0, now + _WINDOW_S
            if count >= _MOST:
                return ends_at - now
            self._tries[address] = (count + 1, ends_at)
            if len(self._tries) > _MOST_ADDRESSES:
                self._tries.popitem(last=False)
            return 0.0

    def succeeded(self, address: str) -> None:
        """Forget the tries of this address."""
        with self._lock:
            self._tries.pop(address, None)
