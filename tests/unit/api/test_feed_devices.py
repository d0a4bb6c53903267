"""A device in the pages of the feed is read once, and again whenever it may have changed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.runs.records import DeviceRecord, KnownDevice
from api.state.feed import Feed, NumberedChange
from api.state.feed_devices import FeedDevices
from api.state.feed_entries import FeedEntry
from bringup.model import DeviceState

AT = datetime(2026, 11, 23, tzinfo=UTC)


class Records:
    """A reader whose devices have the state of the moment; ``read``: the names that were read."""

    def __init__(self) -> None:
        self.state = DeviceState.APPROVED
        self.read: list[str] = []

    def devices(self, names: set[str], withheld: object) -> list[KnownDevice]:
        """Those of these names."""
        self.read += sorted(names)
        return [self.known_device(name, DeviceRecord(name=name, state=self.state), withheld) for name in names]

    def known_device(self, _name: str, record: DeviceRecord, _withheld: object) -> KnownDevice:
        """The device of a record."""
        return KnownDevice(record, None)


class Follower:
    """Asks for one page after the other."""

    def __init__(self) -> None:
        self.records = Records()
        reader: Any = self.records
        self.devices = FeedDevices(reader)

    def page(self, since: int, *written: str | None, newest: int = 0, readable: bool = True) -> set[DeviceState]:
        """The states of the device ``d`` that a page shows.

        Args:
            since: the number before the first change.
            written: of each change, the device that it has written.
            newest: the last change in the feed; 0: of the page.
            readable: whether the changes can be read.
        """
        changes = tuple(
            NumberedChange(since + place, AT, FeedEntry("x", "w", "r", device) if readable else None)
            for place, device in enumerate(written, 1)
        )
        page = Feed(changes, 1, newest or since + len(written))
        self.records.read.clear()
        return {known.record.state for known in self.devices.of_page(page, since, ["d"], lambda _: None)}


@pytest.fixture
def follower() -> Follower:
    follower = Follower()
    follower.page(0, "d", None)
    return follower


def test_a_device_that_no_change_has_written_is_not_read_again(follower: Follower) -> None:
    assert follower.page(2, None, None) == {DeviceState.APPROVED}
    assert follower.page(4, "another") == {DeviceState.APPROVED}
    assert follower.records.read == []


@pytest.mark.parametrize(
    ("since", "written"),
    [(2, ["d"]), (2, [None, "d", None]), (1, [None, "d"]), (3, [None]), (0, [None, None, "d"])],
)
def test_a_device_that_may_have_been_written_is_read_again(
    follower: Follower, since: int, written: list[str | None]
) -> None:
    follower.records.state = DeviceState.VALIDATING
    assert follower.page(since, *written) == {DeviceState.VALIDATING}


def test_what_cannot_be_read_may_have_written_each_device(follower: Follower) -> None:
    follower.page(2, None, readable=False)
    assert follower.records.read == ["d"]


def test_in_a_redis_that_holds_an_older_state_each_device_is_read_again(follower: Follower) -> None:
    follower.page(2, None, None, None)
    follower.page(2, None, newest=3)
    assert follower.records.read == ["d"]


def test_a_follower_that_is_behind_is_shown_what_is_newer(follower: Follower) -> None:
    follower.records.state = DeviceState.VALIDATING
    follower.page(2, "d")
    assert follower.page(0, "d", None, newest=3) == {DeviceState.VALIDATING}
    assert follower.records.read == []


def test_no_more_records_are_kept_than_fit(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.state.feed_devices._MOST", 0)
    follower.page(2, None)
    assert follower.records.read == ["d"]
