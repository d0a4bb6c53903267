"""An edit of the inventory is in the feed of changes: each device that it changes, once for the installation."""

from collections.abc import Callable
from typing import Any

import pytest

from api.state.batch import Batch
from api.state.redis import Database, Pipeline
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import INVENTORY, Api

EDITED = INVENTORY.replace('name = "b"', 'name = "b"\nstate = "active"')


def inventory_changes(api: Api) -> list[dict[str, Any]]:
    api.ok("GET", "/devices")  # a call notices the edit, as the thread of a process does
    return [change for change in api.ok("GET", "/changes?since=0")["changes"] if change["what"] == "inventory_changed"]


def test_the_first_inventory_is_no_change(api: Api) -> None:
    assert inventory_changes(api) == []


def test_each_device_that_an_edit_changes_is_in_the_feed_as_it_is_now(api: Api) -> None:
    inventory_changes(api)
    api.inventory.write_text(EDITED)
    (change,) = inventory_changes(api)
    assert (change["who"], change["state"], change["device"]["name"]) == ("api", "active", "b")
    assert change["device"]["state"] == "active"


def test_a_device_that_is_removed_or_added_is_in_the_feed(api: Api) -> None:
    inventory_changes(api)
    api.inventory.write_text(INVENTORY.replace('name = "b"', 'name = "c"'))
    found = {change["state"]: change for change in inventory_changes(api)}
    assert (found[""]["device"], found[""]["detail"]) == (None, "b is no longer in the inventory")
    assert found["approved"]["device"]["name"] == "c"


def test_several_processes_and_hosts_add_an_edit_once(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    elsewhere = settings.model_copy(update={"state_dir": settings.state_dir / "elsewhere"})
    others = [make_api(settings), make_api(elsewhere)]
    for one in (api, *others):
        inventory_changes(one)
    api.inventory.write_text(EDITED)
    assert [len(inventory_changes(one)) for one in (api, *others)] == [1, 1, 1]


def test_no_edit_adds_nothing(api: Api) -> None:
    inventory_changes(api)
    api.inventory.write_text("# a comment\n" + INVENTORY)
    assert inventory_changes(api) == []


@pytest.mark.parametrize("stored", [b"garbage", b"[]", b'["x", []]', b"\xff"])
def test_what_cannot_be_read_of_the_last_inventory_is_replaced(api: Api, settings: Settings, stored: bytes) -> None:
    inventory_changes(api)
    connect_redis(settings, ClientContexts(), name="test").set(keys.INVENTORY_PUBLISHED, stored)
    api.inventory.write_text(EDITED)
    assert inventory_changes(api) == []
    api.inventory.write_text(INVENTORY)
    assert len(inventory_changes(api)) == 1


def test_two_processes_that_see_an_edit_at_once_add_it_once(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_api(settings.model_copy(update={"state_dir": settings.state_dir / "elsewhere"}))
    for one in (api, other):
        inventory_changes(one)
    read_watched, met = Database.read_watched, list[str]()

    def met_by_another(database: Database, pipe: Pipeline, batch: Batch, *watched: str) -> None:
        read_watched(database, pipe, batch, *watched)
        if keys.INVENTORY_PUBLISHED in watched and not met:
            met.append("the other")
            assert len(inventory_changes(other)) == 1

    api.inventory.write_text(EDITED)
    monkeypatch.setattr(Database, "read_watched", met_by_another)
    assert len(inventory_changes(api)) == 1
    assert met
