"""Which thread of a process listens to which queue.

A thread takes jobs from one queue at a time, because Redis moves a job atomically from one queue alone. Of each queue
one idle thread listens; when it has taken a job the next one listens, and the rest wait here, at no cost to Redis.
Any idle thread helps where jobs are, but for a few that are reserved for each kind: a storm of one kind delays no
other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition

from bringup.model import JobKind

# Of all threads, by kind: boots wait on BMCs for minutes, and so do the clean-ups of finished runs; a lease or a
# deadline is one request to the API. What is not reserved, half of the threads, helps every kind.
_RESERVED = {JobKind.BOOT: 0.25, JobKind.FINISH: 0.125, JobKind.DISCOVER: 0.125, JobKind.EXPIRE: 0.0}


def reserved_of(concurrency: int) -> dict[JobKind, int]:
    """How many threads no other kind of job may use; one at least."""
    return {kind: max(1, int(concurrency * share)) for kind, share in _RESERVED.items()}


class Turn:
    """One thread's turn at one queue: it listens, and then it does the job that it has taken."""

    def __init__(self, turns: "Turns", kind: JobKind) -> None:
        self._turns = turns
        self.kind = kind
        self.listens = True

    def took_job(self) -> None:
        """Another thread listens from now on."""
        self._turns.stop_listening(self)


class Turns:
    """The turns of all threads of one process.

    Args:
        threads: how many there are.
        reserved: by kind; together at most ``threads``.
    """

    def __init__(self, threads: int, reserved: Mapping[JobKind, int]) -> None:
        self._threads = threads
        self._reserved = reserved
        # Threads that have a turn, by kind.
        self._used: Counter[JobKind] = Counter()
        self._listening: set[JobKind] = set()
        # How many turns there have been, and which of them was the last of each kind.
        self._turn_number = 0
        self._last_turn: Counter[JobKind] = Counter()
        self._closed = False
        # Without it two threads would both take the last one that is not reserved.
        self._changed = Condition()

    @contextmanager
    def take(self) -> Iterator[Turn | None]:
        """Wait for a turn, which ends with the block; None: `close` was called."""
        turn = self._wait()
        try:
            yield turn
        except BaseException:
            self._end(turn)
            # A thread that failed does not come back at once: another one listens.
            with self._changed:
                self._changed.notify()
            raise
        self._end(turn)

    def stop_listening(self, turn: Turn) -> None:
        """The thread that has ``turn`` does a job now."""
        with self._changed:
            turn.listens = False
            self._listening.discard(turn.kind)
            self._changed.notify()

    def close(self) -> None:
        """Give no more turns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait(self) -> Turn | None:
        with self._changed:
            while not self._closed:
                if turn := self._next():
                    return turn
                self._changed.wait()
        return None

    def _next(self) -> Turn | None:
        with self._changed:
            free = [kind for kind in JobKind if self._may_listen(kind)]
            if not free:
                return None
            kind = min(free, key=self._urgency)
            self._turn_number += 1
            self._last_turn[kind] = self._turn_number
            self._used[kind] += 1
            self._listening.add(kind)
            if len(free) > 1:
                self._changed.notify()  # the next thread may have a turn, too
            return Turn(self, kind)

    def _may_listen(self, kind: JobKind) -> bool:
        if kind in self._listening:
            return False
        taken = sum(max(self._used[one], self._reserved[one]) for one in JobKind)
        return self._used[kind] < self._reserved[kind] or taken < self._threads

    def _urgency(self, kind: JobKind) -> tuple[bool, int]:
        """Kinds that do not have what is reserved for them come first, then the one that was listened to longest ago.

        By the number of their threads, the last idle one would listen to the same empty queue again and again.
        """
        return self._used[kind] >= self._reserved[kind], self._last_turn[kind]

    def _end(self, turn: Turn | None) -> None:
        if turn is None:
            return
        with self._changed:
            self._used[turn.kind] -= 1
            if turn.listens:
                self._listening.discard(turn.kind)
