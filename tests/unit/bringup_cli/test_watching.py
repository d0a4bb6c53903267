"""What `--watch` shows: on a terminal the list, drawn anew; elsewhere each change, once."""

from typing import Any

import pytest

from bringup.errors import ApiRejected
from bringup.model import utc_now
from bringup.wire.changes import FeedChange, FeedPage
from bringup_cli import watching


def change(number: int) -> FeedChange:
    return FeedChange(id=number, at=utc_now(), site="", who="api", what="boot_started")


class Feed:
    """Has one change before the first look, and two after it; then it refuses."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def get(self, path: str, _reply: Any) -> Any:
        self.paths.append(path)
        match len(self.paths):
            case 1:
                return FeedPage(changes=(change(1),), next=1, oldest=1, newest=7)
            case 2:
                return FeedPage(changes=(change(8), change(9)), next=9, oldest=1, newest=9)
        raise ApiRejected("no more", kind="forbidden")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setattr(watching, "_DRAW_EVERY_S", 0.0)
    return []


def test_without_a_terminal_each_change_after_the_first_look_is_printed_once(
    shown: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    feed = Feed()
    with pytest.raises(ApiRejected):
        watching.watch(feed, lambda: shown.append("list"), lambda one: shown.append(one.id))
    assert shown == [8, 9]
    assert feed.paths[1] == "/changes?since=7"
    assert capsys.readouterr().out == ""


def test_on_a_terminal_the_list_is_drawn_at_once_and_with_each_change(
    shown: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(ApiRejected):
        watching.watch(Feed(), lambda: shown.append("list"), lambda one: shown.append(one.id))
    assert shown == ["list", "list"]
    assert "Ctrl-C ends" in capsys.readouterr().out
