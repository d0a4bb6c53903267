"""Which runs and devices a list shows: a page of them, and filters."""

from datetime import datetime
from typing import NamedTuple

from api.state.documents import Document


class RunPage(NamedTuple):
    """Which runs are listed.

    Args:
        limit: how many at most.
        after: the run before the first; None: from the newest.
        state, device, reason: only of these; None: all.
        since: only those that began then or later; None: all.
    """

    limit: int
    after: str | None = None
    state: str | None = None
    device: str | None = None
    reason: str | None = None
    since: datetime | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether runs are read that are not listed."""
        return self.state is not None or self.reason is not None

    def takes(self, run: Document) -> bool:
        """Whether the run is listed."""
        return self.state in {None, run["state"]} and self.reason in {None, run["reason"]}

    def reaches(self, run: Document) -> bool:
        """Whether the run, or one that began before it, may be listed."""
        return self.since is None or _is_since(run["created_at"], self.since)


class DevicePage(NamedTuple):
    """Which devices are listed.

    Args:
        limit: how many at most; None: all.
        after: the name before the first.
        name: a part of it.
        state, in_maintenance: only of these; None: all.
        since: only those that were seen then or later; None: all.
    """

    limit: int | None = None
    after: str = ""
    name: str = ""
    state: str | None = None
    in_maintenance: bool | None = None
    since: datetime | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether devices are read that are not listed."""
        return bool(self.state) or self.in_maintenance is not None or self.since is not None

    def takes(self, device: Document) -> bool:
        """Whether the device is listed."""
        is_wanted = self.state in {None, device["state"]}
        is_wanted &= self.in_maintenance in {None, device["maintenance"] is not None}
        return is_wanted and (self.since is None or _is_since(device["last_seen_at"], self.since))


def _is_since(time: str | None, since: datetime) -> bool:
    """A time that cannot be read hides nothing."""
    try:
        return time is not None and datetime.fromisoformat(time) >= since
    except (TypeError, ValueError):
        return True
