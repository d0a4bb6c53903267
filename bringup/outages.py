"""What does not work now: logged once when it is lost and once when it is back, however often it is met."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from bringup import errors, log


class Alarm:
    """One thing that works or does not: logged when it is lost, when the reason changes, and when it is back.

    Args:
        logger: name of the logger.
        lost: the line for when it is lost, with what that means.
        back: the line for when it works again.
        level: of ``lost``, as in `logging`.
        context: what both lines carry.
    """

    def __init__(self, logger: str, lost: str, back: str, *, level: int = logging.ERROR, **context: str) -> None:
        self._logger = logger
        self._lost = lost
        self._back = back
        self._level = level
        self._context = context
        self.why: str | None = None  # it does not work now

    def report(self, why: str, **context: object) -> None:
        """It does not work."""
        if why != self.why:
            self.why = why
            log.get(self._logger).log(self._level, self._lost, **self._context, **context, why=why)

    def clear(self) -> None:
        """It works."""
        if self.why is not None:
            self.why = None
            log.get(self._logger).info(self._back, **self._context)


# An outage is over when nothing has failed for so long. Something that works for a second and is lost again is
# one outage; a restart that lasts is reported soon enough for an operator who watches it.
STEADY_S = 5.0


class Service(StrEnum):
    """What is waited for. Reads may succeed while Redis refuses writes."""

    REDIS = "Redis"
    REDIS_WRITES = "Redis (writes)"
    API = "the API"
    HOST = "this host"

    @classmethod
    def of(cls, error: BaseException) -> "Service | None":
        """The service that ``error`` comes from; None: it is about one job or one record, and no outage."""
        match error:
            case errors.RedisRefusesWrites() | errors.NotReplicated():
                return cls.REDIS_WRITES
            case errors.RedisUnavailable() | errors.RedisRefused():
                return cls.REDIS
            case errors.ApiUnavailable() | errors.ApiRejected():
                return cls.API
            case errors.HostShortage() | errors.SettingsError():
                return cls.HOST
            case _:
                return None


@dataclass
class _Outage:
    since: float
    failed_at: float
    works_since: float | None = None
    interruptions: int = 1


class Outages:
    """The outages of one process; any number of threads report what they met.

    A step is judged by when it began: what it met may be over, or not have begun, by the time it reports.

    Args:
        logger: name of the logger.
        clock: seconds that only go forward.
    """

    def __init__(self, logger: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        # Without it two threads that meet one outage at the same time would both log it.
        self._lock = Lock()
        self._open: dict[Service, _Outage] = {}
        self._ended_at: dict[Service, float] = {}

    def now(self) -> float:
        """The time at which a step begins."""
        return self._clock()

    def is_open(self) -> bool:
        """Whether anything is waited for, or was until just now."""
        return bool(self._open)

    def failed(self, error: BaseException, began_at: float) -> bool:
        """A step that began at ``began_at`` ended in ``error``; whether that is an outage."""
        service = Service.of(error)
        if service is None:
            return False
        with self._lock:
            is_new = self._begin_or_interrupt(service, began_at)
        if is_new:
            log.get(self._logger).warning(f"waiting for {service}; nothing is lost", why=str(error))
        return True

    def worked(self, services: "tuple[Service, ...]", began_at: float) -> None:
        """A step that began at ``began_at`` used ``services``, and they worked; and so did this host."""
        for service in (*services, Service.HOST):
            with self._lock:
                over = self._is_over(service, began_at)
            if over:
                log.get(self._logger).info(
                    f"{service} is back; working again",
                    seconds=round(over.failed_at - over.since, 1),
                    interruptions=over.interruptions,
                )

    @contextmanager
    def watching(self, *services: Service) -> Iterator[None]:
        """A step that uses ``services`` and is waited for. What it raises is passed on."""
        began_at = self.now()
        try:
            yield
        except errors.TransientError as error:
            self.failed(error, began_at)
            raise
        self.worked(services, began_at)

    def _begin_or_interrupt(self, service: Service, began_at: float) -> bool:
        """Whether this failure begins an outage."""
        now = self._clock()
        outage = self._open.get(service)
        if outage is None:
            is_new = began_at >= self._ended_at.get(service, began_at)
            if is_new:
                self._open[service] = _Outage(since=now, failed_at=now)
            return is_new
        if outage.works_since is None:
            outage.failed_at = now
        elif began_at >= outage.works_since:
            outage.failed_at, outage.works_since = now, None
            outage.interruptions += 1
        return False

    def _is_over(self, service: Service, began_at: float) -> _Outage | None:
        """The outage, if this step ends it."""
        outage = self._open.get(service)
        if outage is None or began_at < outage.failed_at:
            return None
        now = self._clock()
        outage.works_since = outage.works_since or now
        if now - outage.works_since < STEADY_S:
            return None
        del self._open[service]
        self._ended_at[service] = now
        return outage
