"""How the services are, as the API shows it to people."""

from collections.abc import Callable
from datetime import UTC, datetime

from api.services import Services
from bringup.settings import Settings
from bringup.wire.site import HeldCertificate, HostReport
from tests.integration.api.conftest import RUN_A, RUN_B, Api

INVENTORY = """
[boot_groups]
r1 = 1
r2 = 4
[[device]]
name = "a"
bmc_mac = "02:00:00:00:00:01"
bmc = "simulated://127.0.0.1:9/a"
boot_group = "r1"
[[device]]
name = "b"
bmc_mac = "02:00:00:00:00:02"
bmc = "simulated://127.0.0.1:9/b"
boot_group = "r1"
"""
ENDS = datetime(2026, 12, 24, tzinfo=UTC)


def test_boots_are_shown_against_their_limits(settings: Settings, make_api: Callable[[Settings], Api]) -> None:
    api = make_api(settings.model_copy(update={"max_concurrent_boots": 7}))
    settings.devices_file.write_text(INVENTORY)
    for run_id in (RUN_A, RUN_B):
        assert api.lease(run_id).status_code == 201
        api.tell(run_id, "boot_started")
    found = api.ok("GET", "/services")["boots"]
    assert (found["booting"], found["waiting"], found["limit"]) == (1, 1, 7)
    assert found["groups"] == [{"name": "r1", "booting": 1, "limit": 1}, {"name": "r2", "booting": 0, "limit": 4}]


def test_the_end_of_each_certificate_that_a_host_has_reported_is_shown(api: Api) -> None:
    held = HeldCertificate(serial="0a", issuer="0b" * 32, ends=ENDS)
    report = HostReport(anchors=(), certificates={"w1.worker.bringup.internal": held})
    given: Services = api.client.application.extensions["bringup"]
    given.trust.report("w1", report, given.database.now(), "192.0.2.1")
    (shown,) = api.ok("GET", "/services")["certificates"]
    assert (shown["host"], shown["identity"]) == ("w1", "w1.worker.bringup.internal")
    assert datetime.fromisoformat(shown["ends"]) == ENDS


def test_without_sentinel_no_replica_is_asked_for(api: Api) -> None:
    assert api.ok("GET", "/services")["replicas"] is None


def test_nobody_reads_it_without_a_token(api: Api) -> None:
    assert api.call("GET", "/services", token=None).status_code == 401
