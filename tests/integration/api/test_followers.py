"""How far behind the followers of the feed are: recorded when they ask, shown in the metrics."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from api.services import Services
from api.state.followers import FORGET_AFTER, Followers
from api.state.redis import Database, Pipeline
from bringup import keys, model
from bringup.connections.redis_client import connect_redis
from bringup.operators import OperatorRole, Operators
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.conftest import MakeSettings, RedisServer, free_port
from tests.integration.api.conftest import RUN_A, Api
from tests.integration.api.test_consoles import CONSOLE
from tests.integration.api.test_named_operators import ALICE, person


@pytest.fixture
def settings(make_settings: MakeSettings, shared_redis: RedisServer, settings: Settings) -> Settings:
    return make_settings(redis_port=shared_redis.port, operators_file=settings.state_dir.parent / "operators.toml")


@pytest.fixture
def named(settings: Settings, make_api: Callable[[Settings], Api]) -> Api:
    people = [person("alice", ALICE, OperatorRole.OPERATOR), person("page", CONSOLE, OperatorRole.CONSOLE)]
    Operators(people).write(settings.operators_file)
    return make_api(settings)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(api: Api) -> dict[str, float]:
    text = api.call("GET", "/metrics").get_data(as_text=True)
    found = re.findall(r'^bringup_feed_lag_seconds\{follower="(.*)"\} (.*)$', text, re.MULTILINE)
    return {name: float(seconds) for name, seconds in found}


def test_a_console_that_asks_is_shown_and_a_person_who_asks_is_not(named: Api) -> None:
    named.lease(RUN_A)
    named.call("GET", "/changes?since=0", token=ALICE)
    assert shown(named) == {}
    named.call("GET", "/changes?since=0", token=CONSOLE)
    assert shown(named).keys() == {"page"}
    assert 0 <= shown(named)["page"] < 600


def database(api: Api) -> Database:
    found: Services = api.client.application.extensions["bringup"]
    return found.database


def record(api: Api, name: str, text: str) -> None:
    def body(pipe: Pipeline) -> None:
        pipe.multi()
        pipe.hset(keys.FOLLOWERS, name, text)

    database(api).execute(body)


def silent_for(time: timedelta) -> str:
    return json.dumps({"at": (model.utc_now() - time).isoformat(), "lag_s": 0})


def test_the_lag_is_the_age_of_the_oldest_change_that_is_not_handled(named: Api) -> None:
    clock = Clock()
    followers = Followers(database(named), clock)
    followers.saw("page", model.utc_now() - timedelta(seconds=5000))
    assert 5000 <= shown(named)["page"] < 6000
    followers.saw("page", None)  # within the time of one record
    assert shown(named)["page"] >= 5000
    clock.now = 6
    followers.saw("page", None)
    assert shown(named)["page"] < 1000


def test_it_grows_while_nothing_is_asked_for_and_a_follower_that_was_retired_is_not_shown(named: Api) -> None:
    record(named, "page", silent_for(timedelta(hours=1)))
    record(named, "retired", silent_for(FORGET_AFTER + timedelta(hours=1)))
    record(named, "of another version", "x")
    found = shown(named)
    assert found.keys() == {"page"}
    assert 3600 <= found["page"] < 4600


def test_a_redis_that_takes_no_record_keeps_no_follower_from_reading(make_settings: MakeSettings) -> None:
    settings = make_settings(redis_port=free_port())
    away = Database(settings, connect_redis(settings, ClientContexts(), name="tests"))
    Followers(away).saw("page", None)
