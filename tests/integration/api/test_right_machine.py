"""Which machine answers, over HTTP: what a worker posts, what is pinned, and what an operator may forget."""

from typing import Any

from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.identity import uuid_key
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import INVENTORY, RUN_A, RUN_B, Api

SEEN = {"serial": "A1", "uuid": "4c4c4544-0058-4b10-8032-b7c04f4d3133", "macs": ["02:00:00:00:01:01"]}


def booting(api: Api) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")


def identified(api: Api, **changes: Any) -> Any:
    return api.tell(RUN_A, "machine_identified", identity=SEEN | changes)


def test_the_machine_of_the_first_contact_is_shown_with_its_device(api: Api) -> None:
    booting(api)
    assert identified(api).json["state"] == "booting"
    assert api.ok("GET", "/devices/a")["identity"]["serial"] == "A1"
    assert api.run()["identity"]["uuid"] == SEEN["uuid"]


def test_another_machine_ends_the_run_and_no_permit_is_given(api: Api) -> None:
    booting(api)
    assert identified(api, macs=["02:00:00:00:99:99"]).json["state"] == "failed"
    run = api.run()
    assert run["reason"] == "wrong_machine"
    assert "02:00:00:00:01:01" in run["detail"]
    assert "02:00:00:00:99:99" in run["detail"]
    assert api.tell(RUN_A, "write_requested").status_code == 409
    assert api.ok("GET", "/devices/a")["identity"] is None


SWAPPED = "44454c4c-5800-104b-8032-b7c04f4d3133"  # SEEN's, as older firmware writes it


def seen_behind_b(api: Api) -> Any:
    """The machine that was A's answers at the address of B: two names of one BMC, which no spelling gives away."""
    api.lease(RUN_B)
    api.tell(RUN_B, "boot_started")
    return api.tell(RUN_B, "machine_identified", identity={"uuid": SWAPPED}).json


def test_a_machine_that_was_seen_under_another_name_is_not_touched_under_this_one(api: Api) -> None:
    booting(api)
    identified(api)
    api.inventory.write_text(INVENTORY.replace('name = "a"', 'name = "a"\nstate = "active"'))
    assert seen_behind_b(api)["state"] == "failed"
    run = api.run(RUN_B)
    assert run["reason"] == "wrong_machine"
    assert "bringup device set a --forget-identity" in run["detail"]
    assert api.ok("GET", "/devices/b")["identity"] is None


def test_a_machine_whose_former_name_cannot_be_read_gets_no_permit(api: Api, settings: Settings) -> None:
    booting(api)
    identified(api)
    redis: Any = connect_redis(settings, ClientContexts(), name="tests")
    key = keys.machine(str(uuid_key(SWAPPED)))
    redis.delete(key)
    redis.sadd(key, "another type")
    api.lease(RUN_B)
    api.tell(RUN_B, "boot_started")
    steps = [{"type": "machine_identified", "identity": {"uuid": SWAPPED}}]
    assert api.tell(RUN_B, "write_requested", before=steps).status_code >= 500
    assert "write_requested" not in [line["type"] for line in api.run(RUN_B)["timeline"]]


def test_a_machine_whose_former_name_was_forgotten_has_a_new_one(api: Api) -> None:
    booting(api)
    identified(api)
    api.ok("PATCH", "/devices/a", {"forget_identity": True})
    assert seen_behind_b(api)["state"] == "booting"
    assert api.ok("GET", "/devices/b")["identity"]["uuid"] == SWAPPED


def test_a_machine_whose_former_name_has_left_the_inventory_has_a_new_one(api: Api) -> None:
    booting(api)
    identified(api)
    api.inventory.write_text(INVENTORY.replace('name = "a"', 'name = "renamed"'))
    assert seen_behind_b(api)["state"] == "booting"


def test_the_inventory_says_whose_a_machine_is_whoever_was_seen_as_it(api: Api) -> None:
    booting(api)
    identified(api)
    api.inventory.write_text(INVENTORY.replace('name = "b"', f'name = "b"\nuuid = "{SEEN["uuid"]}"'))
    assert seen_behind_b(api)["state"] == "booting"


def test_whoever_has_not_read_the_machine_itself_gets_no_permit(api: Api) -> None:
    booting(api)
    identified(api)
    assert api.tell(RUN_A, "write_requested").json["permit_s"] > 0
    api.tell(RUN_A, "permit_returned")
    api.tell(RUN_A, "boot_started", owner="another")
    refused = api.tell(RUN_A, "write_requested", owner="another")
    assert (refused.status_code, refused.json["type"]) == (409, "urn:bringup:power_refused")


def test_who_takes_over_is_told_to_wait_while_a_permit_may_be_in_use(api: Api) -> None:
    booting(api)
    api.tell(RUN_A, "write_requested")
    api.tell(RUN_A, "boot_started", owner="another")
    early = api.tell(RUN_A, "write_requested", owner="another").json
    assert 0 < early["next_s"] <= 10
    assert "permit_s" not in early or early["permit_s"] is None
    assert api.tell(RUN_A, "write_requested").status_code == 409  # the first owner gets none either


def test_an_operator_makes_the_next_contact_the_first_again(api: Api) -> None:
    booting(api)
    identified(api)
    api.ok("PATCH", "/devices/a", {"maintenance": "mainboard"})
    assert api.ok("GET", "/devices/a")["identity"]
    assert api.ok("PATCH", "/devices/a", {"forget_identity": True})["identity"] is None


def test_approval_can_be_taken_back_during_a_run_and_no_permit_is_given_then(api: Api) -> None:
    booting(api)
    api.ok("PATCH", "/devices/a", {"state": "discovered"})
    refused = api.tell(RUN_A, "write_requested")
    assert "approval was taken back" in refused.json["detail"]


def test_a_machine_whose_bmc_proves_nothing_is_not_started_without_a_serial_or_uuid(api: Api) -> None:
    text = INVENTORY.replace('bmc = "simulated://127.0.0.1:9/a"', 'bmc = "https://10.0.0.1"\nbmc_verify = false')
    api.inventory.write_text(text)
    decision = api.lease().json
    assert (decision["decision"], "serial or uuid" in decision["reason"]) == ("audit_only", True)
    assert any("serial or uuid" in why for why in api.ok("GET", "/devices/a/explain")["obstacles"])


def test_an_edit_of_the_inventory_does_not_redirect_a_run(api: Api) -> None:
    booting(api)
    api.inventory.write_text(INVENTORY.replace("127.0.0.1:9/a", "127.0.0.1:9/corrected"))
    assert api.run()["bmc"] == "simulated://127.0.0.1:9/a"
    refused = api.tell(RUN_A, "power_requested")
    assert refused.status_code == 409
    assert "127.0.0.1:9/corrected" in refused.json["detail"]
