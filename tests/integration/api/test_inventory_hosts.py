"""Two API hosts with different inventories: what one calls approved and the other does not is not touched."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from api.state import inventories
from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from tests.integration.api.conftest import INVENTORY, RUN_A, RUN_B, Api

A = '[[device]]\nname = "a"'


@pytest.fixture
def hosts(
    settings: Settings, tmp_path: Path, open_api: Callable[[Settings], Api]
) -> Callable[[str, str], tuple[Api, Api]]:
    """Two hosts on one Redis, each with a file and a STATE_DIR of its own; both have shown their file."""

    def start(one: str, other: str) -> tuple[Api, Api]:
        made = []
        for name, text in (("one", one), ("other", other)):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "devices.toml").write_text(text)
            own = settings.model_copy(update={"state_dir": folder, "devices_file": folder / "devices.toml"})
            made.append(open_api(own))
            made[-1].ok("GET", "/devices")
        return made[0], made[1]

    return start


Hosts = Callable[[str, str], tuple[Api, Api]]
IN_SERVICE = INVENTORY.replace(A, f'{A}\nstate = "active"')


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (IN_SERVICE, "in service"),
        (INVENTORY.replace(A, f'{A}\nmaintenance = "disk"'), "in maintenance"),
        (INVENTORY.replace(A, f'{A}\nserial = "A1"'), "another entry"),
        (INVENTORY.replace("127.0.0.1:9/a", "127.0.0.1:9/elsewhere"), "another entry"),
        (INVENTORY.replace('name = "a"', 'name = "renamed"'), "not on record"),
    ],
)
def test_the_more_careful_entry_counts(hosts: Hosts, other: str, said: str) -> None:
    api, _ = hosts(INVENTORY, other)
    decision = api.lease(RUN_A).json
    assert decision["decision"] == "audit_only"
    assert said in decision["reason"]
    assert api.lease(RUN_B).json["decision"] == "start"


def test_what_cannot_be_read_in_redis_does_not_end_the_look_at_other_hosts(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _ = hosts(INVENTORY, INVENTORY)
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise ValueError("no number")
        raise SystemExit  # the thread of the test has seen enough

    monkeypatch.setattr(inventories, "BEAT_EVERY_S", 0)
    with pytest.raises(SystemExit):
        api.client.application.extensions["bringup"].hosts.keep_comparing(look)


def test_a_permit_is_refused_when_another_host_says_that_the_machine_is_in_service(hosts: Hosts) -> None:
    api, other = hosts(INVENTORY, INVENTORY)
    assert api.lease(RUN_A).json["decision"] == "start"
    assert api.tell(RUN_A, "boot_started").status_code == 202
    assert api.tell(RUN_A, "write_requested").status_code == 202
    other.inventory.write_text(IN_SERVICE)
    other.ok("GET", "/devices")
    for permit in ("write_requested", "power_requested", "power_on_requested"):
        refused = api.tell(RUN_A, permit)
        assert refused.status_code == 409
        assert "in service" in refused.json["detail"]


def test_hosts_that_agree_again_withhold_nothing(hosts: Hosts) -> None:
    api, other = hosts(INVENTORY, IN_SERVICE)
    other.inventory.write_text(INVENTORY)
    other.ok("GET", "/devices")
    assert api.lease(RUN_A).json["decision"] == "start"


def test_a_host_that_is_silent_for_long_does_not_count(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    api, _ = hosts(INVENTORY, IN_SERVICE)
    monkeypatch.setattr(inventories, "SILENT_S", -1.0)
    assert api.lease(RUN_A).json["decision"] == "start"


def test_that_hosts_differ_is_logged_once_and_measured(hosts: Hosts) -> None:
    api, _ = hosts(INVENTORY, IN_SERVICE)
    with capture_logs() as logged:
        for _ in range(3):
            assert "bringup_inventory_hosts_differing 1.0" in api.call("GET", "/metrics").text
    assert len([line for line in logged if "different inventories" in line["event"]]) == 1


def test_the_processes_of_one_host_are_one_host(
    hosts: Hosts, settings: Settings, open_api: Callable[[Settings], Api]
) -> None:
    api, _ = hosts(INVENTORY, INVENTORY)
    same = settings.model_copy(
        update={"state_dir": api.inventory.parent, "devices_file": api.inventory.parent / "devices.toml"}
    )
    second = open_api(same)
    api.inventory.write_text(IN_SERVICE)
    second.ok("GET", "/devices")
    assert "hosts_differing 1.0" in second.call("GET", "/metrics").text  # the other host has the old file
    assert len(connect_redis(settings, tls.ClientContexts(), name="tests").hkeys(keys.INVENTORY_HOSTS)) == 2


def test_a_redis_that_has_lost_the_summaries_gets_them_again(hosts: Hosts, settings: Settings) -> None:
    api, other = hosts(INVENTORY, IN_SERVICE)
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    redis.delete(keys.INVENTORY_HOSTS, *redis.keys(keys.inventory_of("*")))
    other.ok("GET", "/devices")
    assert api.lease(RUN_A).json["decision"] == "audit_only"


def test_a_host_whose_entries_are_lost_withholds_every_machine(hosts: Hosts, settings: Settings) -> None:
    api, _ = hosts(INVENTORY, IN_SERVICE)
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    redis.delete(*redis.keys(keys.inventory_of("*")))
    assert "not on record" in api.lease(RUN_B).json["reason"]


def test_a_host_that_cannot_be_read_does_not_hide_the_others(hosts: Hosts, settings: Settings) -> None:
    api, _ = hosts(INVENTORY, IN_SERVICE)
    connect_redis(settings, tls.ClientContexts(), name="tests").hset(keys.INVENTORY_HOSTS, "another", "garbage")
    assert "in service" in api.lease(RUN_A).json["reason"]
