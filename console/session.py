"""Who is signed in and how often one may try, in memory alone: a restart signs everybody out."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from bringup.wire.operator import OperatorView

# Seconds that a session lasts: a shift. Issue of the operator's page.
SESSION_S = 8 * 3600
# Sessions of one person: a browser on each of a few devices. One more ends the oldest.
_MOST_OF_PERSON = 10
# Bytes of chance in an id: beyond any guessing, as an operator's token is.
_ID_BYTES = 32


@dataclass(frozen=True)
class Session:
    """One person in one browser.

    Args:
        operator: as the API knew them when they signed in.
        token: their own, for what they change; None: they signed in by certificate, and may read.
        ends_at: monotonic clock, s.
        csrf: what every form of this session must carry.
    """

    operator: OperatorView
    token: str | None = field(repr=False)
    ends_at: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(_ID_BYTES), repr=False)

    @property
    def may_act(self) -> bool:
        """Whether the API would let this person change something."""
        return self.token is not None and self.operator.role == "operator"

    @property
    def lacks_token(self) -> bool:
        """An operator who has signed in by certificate alone: with their token, too, they could change something."""
        return self.token is None and self.operator.role == "operator"


class Sessions:
    """The sessions by their ids. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_id: OrderedDict[str, Session] = OrderedDict()  # the oldest first
        # Without it a sign-in could end a session while another request counts them.
        self._lock = Lock()

    def begin(self, operator: OperatorView, token: str | None) -> str:
        """The id of a new session. It is made here, never taken from a request: nobody can choose another's."""
        with self._lock:
            self._drop_ended()
            own = [key for key, session in self._by_id.items() if session.operator.name == operator.name]
            for key in own[: max(0, len(own) - _MOST_OF_PERSON + 1)]:
                del self._by_id[key]
            key = secrets.token_urlsafe(_ID_BYTES)
            self._by_id[key] = Session(operator, token, self._clock() + SESSION_S)
            return key

    def get(self, key: str | None) -> Session | None:
        """The session of this id, as long as it lasts."""
        session = self._by_id.get(key) if key else None
        return session if session and session.ends_at > self._clock() else None

    def end(self, key: str | None) -> None:
        """End the session of this id."""
        with self._lock:
            self._by_id.pop(key or "", None)

    def keep(self, known: Mapping[str, OperatorView]) -> None:
        """End the sessions of everybody who is not in ``known``, or has another role or token there."""
        with self._lock:
            self._drop_ended()
            gone = [key for key, one in self._by_id.items() if known.get(one.operator.name) != one.operator]
            for key in gone:
                del self._by_id[key]

    def _drop_ended(self) -> None:
        now = self._clock()
        while self._by_id and next(iter(self._by_id.values())).ends_at <= now:
            self._by_id.popitem(last=False)


# Tries of one address in a window, of which none succeeded: people mistype a token a few times. A token has 190 bits,
# so that this keeps work from the API and lines from the log; it is not what makes guessing hopeless.
_MOST_TRIES = 10
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
            if count >= _MOST_TRIES:
                return ends_at - now
            self._tries[address] = (count + 1, ends_at)
            if len(self._tries) > _MOST_ADDRESSES:
                self._tries.popitem(last=False)
            return 0.0

    def succeeded(self, address: str) -> None:
        """Forget the tries of this address."""
        with self._lock:
            self._tries.pop(address, None)
