"""How long the list of revoked certificates (CRL) is good for, and a warning in the log before it ends.

A server that checks a list refuses every client certificate once the list has run out: it cannot know who was revoked
since. That is wanted, and it must never come as a surprise.

Source: RFC 5280 s.5.1.2.4 (thisUpdate), s.5.1.2.5 (nextUpdate).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path

from bringup import log, model

HINT = "run `bringup pki renew` on the CA's host, then carry ca/ca-crl.pem to {path} on this one"
_WARN_AFTER = 2 / 3  # of its life; `bringup pki renew` run daily replaces it before half of it is over


class CrlState(StrEnum):
    """What a list is good for at some time."""

    GOOD = "good"
    ENDING = "ending"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"


@dataclass(frozen=True)
class CrlLife:
    """When a list was made, and when it ends."""

    start: datetime
    end: datetime

    @classmethod
    def read(cls, path: Path) -> "CrlLife":
        """Of the list in a file that ends first: during a CA rollover there are two.

        Raises:
            OSError, ValueError: there is none, or it cannot be read.
        """
        # Imported here: only servers have a list, and each command loads this module.
        lives: Iterable[tuple[datetime, datetime]] = import_module("bringup.certificates").lives_of_lists(
            path.read_bytes()
        )
        return min((cls(start, end) for start, end in lives), key=lambda life: life.end)

    def state(self, now: datetime) -> CrlState:
        """What it is good for at ``now``."""
        if now < self.start:
            return CrlState.NOT_YET_VALID
        if now >= self.end:
            return CrlState.EXPIRED
        return CrlState.ENDING if now >= self.start + (self.end - self.start) * _WARN_AFTER else CrlState.GOOD


class CrlWatch:
    """Logs once when a list comes into its last third, once when it ends, and once when it is good again."""

    def __init__(self, now: Callable[[], datetime] = model.utc_now) -> None:
        self._now = now
        self._logged = CrlState.GOOD

    def look(self, path: Path, life: CrlLife) -> None:
        """Log if something has changed. Cheap: called for each connection."""
        state = life.state(self._now())
        if state is not self._logged:
            self._logged = state
            _log(state, path, life)


def _log(state: CrlState, path: Path, life: CrlLife) -> None:
    logger, hint = log.get("tls"), HINT.format(path=path)
    end = f"{life.end:%Y-%m-%d %H:%M} UTC"
    if state is CrlState.GOOD:
        logger.info("the list of revoked certificates (CRL) is good again", file=str(path), ends=end)
    elif state is CrlState.ENDING:
        text = "the list of revoked certificates (CRL) ends soon: then every client certificate is refused"
        logger.warning(text, file=str(path), ends=end, hint=hint)
    elif state is CrlState.EXPIRED:
        text = "the list of revoked certificates (CRL) has expired: every client certificate is refused"
        logger.error(text, file=str(path), ended=end, hint=hint)
    else:
        text = "the list of revoked certificates (CRL) is not valid yet: every client certificate is refused"
        start = f"{life.start:%Y-%m-%d %H:%M} UTC"
        logger.error(text, file=str(path), starts=start, hint="set the clock of this host: timedatectl")
