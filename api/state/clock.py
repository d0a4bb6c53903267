"""The time by Redis's clock, by which every API host dates and judges, without asking for it at each call."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from api.state.batch import Asked, Batch, ask_now
from bringup import model

# Seconds for which this host's own clock runs on from Redis's: it drifts by 3 ms in them at most (500 ppm, what adjtime
# allows). After a failover to a Redis whose clock differs, so long goes by until its time counts.
_ASK_AGAIN_S = 5.0
# Seconds that a reply may take for its time to be kept: it is behind Redis's by as much. A permit then ends that much
# too early, never too late (PERMIT_S of `bringup.wire.run_events` is 100 times longer).
_LATE_S = 0.05


class RedisClock:
    """Redis's clock, read from time to time; in between this host's own one runs on from there.

    Args:
        monotonic: this host's clock, in seconds; one that runs on while the host is suspended.
    """

    def __init__(self, monotonic: Callable[[], float] = model.boot_clock) -> None:
        self._monotonic = monotonic
        # By both clocks: when it was read. One value, so that no thread sees the two of different replies.
        self._read: tuple[float, datetime] = (float("-inf"), datetime.fromtimestamp(0, UTC))

    def ask(self, batch: Batch) -> Asked[datetime]:
        """The time by Redis's clock, at most a little behind; read with other things where it must be read again."""
        asked_at = self._monotonic()
        if asked_at - self._read[0] < _ASK_AGAIN_S:
            return self._now
        read = ask_now(batch)

        def answered() -> datetime:
            now, at = read(), self._monotonic()
            if at - asked_at <= _LATE_S:
                self._read = at, now
            return now

        return answered

    def _now(self) -> datetime:
        at, then = self._read
        return then + timedelta(seconds=self._monotonic() - at)
