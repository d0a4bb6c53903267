"""The follower: it goes on whatever the API answers, and knows how old is what it has."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from structlog.testing import capture_logs

from bringup import errors
from bringup.connections.api_client import ApiClient
from bringup.wire.changes import FeedPage
from console.server import serve
from console.services import Console
from console.state import follower as module
from console.state.fleet import Fleet
from console.state.follower import FeedFollower, Freshness
from tests.conftest import MakeSettings
from tests.unit.console.conftest import change, device, snapshot

# Seconds for what takes milliseconds.
DEADLINE_S = 60


class Api:
    """Answers one after the other; then there is nothing new."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.done = Event()

    def get(self, path: str, reply: Any) -> Any:
        if not self._answers:
            self.done.set()
            return FeedPage(next=9, oldest=1, newest=9)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Fleet, Freshness]]:
    """Follow these answers to their end."""
    for name, value in (("_RETRY_S", (0.001, 0.002)), ("_REFUSED_RETRY_S", 0.001), ("_ASK_EVERY_S", 0.001)):
        monkeypatch.setattr(module, name, value)

    def follow(*answers: Any) -> tuple[Fleet, Freshness]:
        api, fleet, freshness = Api(*answers), Fleet(), Freshness()
        follower = FeedFollower(api, fleet, freshness)  # type: ignore[arg-type]
        thread = Thread(target=follower.run)
        thread.start()
        assert api.done.wait(DEADLINE_S)
        follower.stop()
        thread.join(DEADLINE_S)
        return fleet, freshness

    return follow


@pytest.mark.parametrize(
    "error",
    [errors.ApiUnavailable("away"), errors.ApiRejected("401", kind="unauthorized"), RuntimeError("of a newer version")],
)
def test_the_follower_goes_on_after(follow: Callable[..., tuple[Fleet, Freshness]], error: Exception) -> None:
    fleet, freshness = follow(error, snapshot(device("a")))
    assert fleet.get("a")
    assert not freshness.problem


def test_a_refusal_that_lasts_is_logged_once_for_each_reason_and_again_after_an_answer(
    follow: Callable[..., tuple[Fleet, Freshness]],
) -> None:
    wrong, other = errors.ApiRejected("401: a", kind="unauthorized"), errors.ApiRejected("403: b", kind="forbidden")
    with capture_logs() as logs:
        follow(wrong, wrong, other, other, snapshot(device("a")), other)
    refused = [one["why"] for one in logs if one["event"] == "the API refuses the console; trying again"]
    assert refused == ["401: a", "403: b", "403: b"]


def test_a_change_that_cannot_be_shown_is_no_end_of_the_page(
    follow: Callable[..., tuple[Fleet, Freshness]], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Fleet._take
    broken = [True]

    def take(self: Fleet, change: Any) -> None:
        if broken.pop() if broken else False:
            raise KeyError(change)
        taken(self, change)

    monkeypatch.setattr(Fleet, "_take", take)
    fleet, _ = follow(snapshot(device("a")), change(2, device=device("b")), snapshot(device("a"), device("b")))
    assert len(fleet) == 2


def test_without_a_token_of_its_own_the_console_does_not_start(make_settings: MakeSettings) -> None:
    with pytest.raises(errors.SettingsError, match="bringup operator add NAME --role console"):
        serve(make_settings())


def test_without_its_certificate_the_console_does_not_start_with_tls(make_settings: MakeSettings) -> None:
    settings = make_settings(console_token="page-token").model_copy(update={"api_use_tls": True})
    with pytest.raises(errors.SettingsError, match="bringup pki issue web --name console"):
        serve(settings)


def test_what_cannot_be_shown_is_no_fresh_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the page would show an old fleet without its warning, for as long as the API sends it."""
    monkeypatch.setattr(module, "_REFUSED_RETRY_S", 0.001)
    freshness, fleet = Freshness(), Fleet()
    follower = FeedFollower(Api(*2 * [snapshot(device("a"))]), fleet, freshness)  # type: ignore[arg-type]
    tries: list[bool] = []

    def apply(_batch: Any) -> None:
        tries.append(freshness.is_stale)
        if len(tries) == 2:
            follower.stop()
        raise KeyError("of a newer version")

    monkeypatch.setattr(fleet, "apply", apply)
    follower.run()
    assert tries == [True, True]
    assert "cannot be shown" in freshness.problem


def test_a_page_and_a_sign_in_wait_for_a_hanging_api_for_less_long_than_the_feed(make_settings: MakeSettings) -> None:
    console = Console.of(make_settings(console_token="page-token", api_timeout_s=30))
    assert (_wait_of(console.api), _wait_of(console.feed_client())) == (5, 30)
    assert (_wait_of(console.api_of("x", for_page=True)), _wait_of(console.api_of("x"))) == (5, 30)


def _wait_of(client: ApiClient) -> float:
    (pool,) = client._pools.values()
    return pool._answer_s
