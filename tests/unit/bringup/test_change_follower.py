"""When a follower of the feed asks again."""

from threading import Event
from typing import Any

import pytest

from bringup.connections.change_feed import ChangeFollower, Cursor
from bringup.model import utc_now
from bringup.wire.changes import FeedChange, FeedPage, FeedSnapshot

NEWEST = 4


class Feed:
    """An API that has some changes, and gives two at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def get(self, path: str, _reply: type[Any]) -> Any:
        if path == "/changes/snapshot":
            return FeedSnapshot(id=0)
        since = int(path.removeprefix("/changes?since="))
        self.asked.append(since)
        found = [n for n in (since + 1, since + 2) if n <= NEWEST]
        shown = tuple(FeedChange(id=n, at=utc_now(), site="", who="api", what="report") for n in found)
        return FeedPage(changes=shown, next=since + len(found), oldest=1, newest=NEWEST)


class Pauses(Event):
    """Ends its follower after three, and lasts no time."""

    def __init__(self) -> None:
        super().__init__()
        self.of_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.of_s.append(timeout)
        if len(self.of_s) == 3:
            self.set()
        return self.is_set()


@pytest.mark.parametrize(("ask_every_s", "pauses"), [(1.0, [1.0, 1.0, 1.0]), (0.1, [0.1, 0.1, 0.1])])
def test_a_follower_pauses_when_it_has_all_changes_and_not_between_two_pages(
    ask_every_s: float, pauses: list[float]
) -> None:
    feed, stopping = Feed(), Pauses()
    for _ in ChangeFollower(feed, Cursor(), ask_every_s=ask_every_s).follow(stopping):
        assert NEWEST not in feed.asked  # it has not asked again before it paused
        assert stopping.of_s == []
    assert feed.asked == [0, 2, NEWEST, NEWEST]
    assert stopping.of_s == pauses
