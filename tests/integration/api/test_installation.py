"""A Redis that has forgotten everything: no machine is touched until a person has looked."""

from collections.abc import Callable

from api.services import Services
from api.state.batch import Asked, Batch
from api.state.changes import Changes, Recorded
from api.state.installation import Installation
from api.state.redis import Database
from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from tests.integration.api.conftest import EPOCH, RUN_A, RUN_B, Api


def forget(settings: Settings) -> None:
    connect_redis(settings, tls.ClientContexts(), name="tests").flushall()


def test_after_redis_lost_its_data_no_machine_is_started(api: Api, settings: Settings) -> None:
    api.ok("PATCH", "/devices/a", {"state": "active"})
    forget(settings)
    answer = api.lease()
    assert answer.json["decision"] == "audit_only"
    assert "--accept-redis" in answer.json["reason"]
    assert api.call("POST", "/devices/b/runs", {}).status_code == 409
    assert "--accept-redis" in api.ok("GET", "/devices/b")["maintenance"]


def test_power_is_refused_for_a_run_that_began_before(api: Api, settings: Settings) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")
    connect_redis(settings, tls.ClientContexts(), name="tests").delete("bringup:installation")
    assert api.tell(RUN_A, "power_requested").json["type"] == "urn:bringup:power_refused"


def test_a_restarted_api_still_withholds(api: Api, settings: Settings, make_api: Callable[[Settings], Api]) -> None:
    api.ok("GET", "/devices")
    forget(settings)
    assert make_api(settings).lease().json["decision"] == "audit_only"


def test_once_a_person_has_accepted_it_work_goes_on(api: Api, settings: Settings) -> None:
    api.ok("GET", "/devices")
    forget(settings)
    api.lease()
    given: Services = api.client.application.extensions["bringup"]
    given.installation.accept()
    assert api.lease(RUN_B).json["decision"] == "start"


def test_of_two_processes_that_start_at_once_neither_withholds_a_machine(settings: Settings) -> None:
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    other = Installation(Database(settings, redis), settings)

    class Overtaken(Changes):
        """What it reads is old at once: the other process is faster."""

        def ask(self, batch: Batch, remembered: int = 0) -> Asked[Recorded]:
            recorded = super().ask(batch, remembered)

            def overtaken() -> Recorded:
                assert other.withheld() is None
                return recorded()

            return overtaken

    overtaken = Installation(Database(settings, redis), settings)
    overtaken._changes = Overtaken(Database(settings, redis))
    assert overtaken.withheld() is None
    assert overtaken.withheld() is None


def test_another_api_host_joins_without_a_word(
    api: Api, settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api.ok("GET", "/devices")
    elsewhere = settings.model_copy(update={"state_dir": settings.state_dir / "elsewhere"})
    assert make_api(elsewhere).lease().json["decision"] == "start"
    later = api.lease(f"02-00-00-00-00-02-{EPOCH}")
    assert later.json["decision"] == "start"


def test_one_record_that_cannot_be_read_does_not_hide_the_others(api: Api, settings: Settings) -> None:
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    api.lease(RUN_A)
    api.lease(RUN_B)
    redis.delete(f"bringup:run:{RUN_B}", "bringup:device:active")
    redis.rpush(f"bringup:run:{RUN_B}", "not a hash")
    redis.hset("bringup:device:active", mapping={"state": "not json"})
    redis.sadd("bringup:devices", b"\xff\xfe")
    redis.zadd("bringup:runs", {b"\xff\xfe": 1})
    assert [run["run_id"] for run in api.ok("GET", "/runs")["runs"]] == [RUN_A]
    assert [run["run_id"] for run in api.ok("GET", "/runs?open=true")["runs"]] == [RUN_A]
    assert {device["name"] for device in api.ok("GET", "/devices")["devices"]} == {"a", "b", "resting"}
    assert api.call("GET", f"/runs/{RUN_B}").status_code == 503


def test_where_credentials_go_is_for_the_inventory_to_say_and_not_for_redis(api: Api, settings: Settings) -> None:
    api.lease()
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    redis.hset(f"bringup:run:{RUN_A}", mapping={"bmc": '"https://thief.example.net"', "credential": '"rack12"'})
    run = api.run()
    assert (run["bmc"], run["credential"]) == (None, None)
    redis.hset(f"bringup:run:{RUN_A}", mapping={"bmc": '"simulated://127.0.0.1:9/a"'})
    run = api.run()
    assert (run["bmc"], run["credential"]) == ("simulated://127.0.0.1:9/a", None)
