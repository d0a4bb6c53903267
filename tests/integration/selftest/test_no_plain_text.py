"""What goes over the wire, all the way from a lease to a verdict: with the flags on, nothing that anybody can read.

Every connection to Redis and to the API goes through a wiretap: tailer, worker, API, the machine's own calls, the
command line. Not among them are the calls to the BMC, which is SIMULATED and speaks HTTP in this project's own way.
"""

import json
import time
from pathlib import Path

import pytest

from bringup.demo.stack import Stack, free_port
from bringup.model import RunState
from bringup.settings import Settings
from bringup.wire import Run, RunList
from tests.integration.selftest.wiretap import Wiretap

RUN_ID = "02-5b-00-00-00-01-1795428000"
LEASE = {
    "event_type": "assigned",
    "timestamp": "2026-11-23T10:00:00Z",
    "data": {"ip": "10.0.0.11", "mac": "02:5b:00:00:00:01", "hostname": "a-host-name-of-the-test"},
}
# (rq compresses what a job carries; the rest of it is as it stands.)
ON_REDIS = (
    RUN_ID,
    "rq:job:",
    "rq:queue:",
    "bringup:run",
    "EVALSHA",
    "a-host-name-of-the-test",
)
ON_API = (RUN_ID, "/api/v1/", "HTTP/1.1", "Authorization: Bearer", '"run_id"', '"boot_id"', "a-host-name-of-the-test")


def _inventory(bmc_port: int) -> str:
    return (
        '[[device]]\nname = "sim-001"\nbmc_mac = "02:5b:00:00:00:01"\nnic_macs = ["02:5c:00:00:00:01"]\n'
        f'bmc = "simulated://127.0.0.1:{bmc_port}/sim-001"\nexpected = {{ memory_gib = 64 }}\n'
    )


def _from_lease_to_verdict(folder: Path, *, use_tls: bool) -> tuple[Settings, bytes, bytes]:
    """Everything that was said to and by Redis and the API, meanwhile."""
    (folder / "devices.toml").write_text(_inventory(free_port()))
    (folder / "leases.jsonl").touch()
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS", "API_REQUIRE_CLIENT_CERT"), str(use_tls).lower())
    source = {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(folder / "leases.jsonl"), "API_WORKERS": "1"}
    with Stack(folder, source | flags) as stack:
        redis, api = Wiretap(stack.settings.redis_port), Wiretap(stack.settings.callback_api_port)
        stack.start_redis()
        scheme = "https" if use_tls else "http"
        stack.configure({"REDIS_PORT": str(redis.port), "CALLBACK_API_URL": f"{scheme}://127.0.0.1:{api.port}"})
        try:
            run = _play(stack, folder)
            assert stack.command("runs").returncode == 0
        finally:
            redis.close()
            api.close()
        assert run.state is RunState.PASSED, (run, stack.log_of("work"))
        return stack.settings, redis.everything(), api.everything()


def _play(stack: Stack, folder: Path) -> Run:
    stack.start("api")
    stack.start("simulate", "--boot-seconds", "0.2", "--check-seconds", "0.2")
    stack.start("work")
    stack.start("tail")
    with (folder / "leases.jsonl").open("a") as leases:
        leases.write(json.dumps(LEASE) + "\n")
    deadline = time.monotonic() + 30
    while True:
        runs = stack.api.get("/runs", RunList).runs
        if runs and runs[0].closed_at:
            return runs[0]
        assert time.monotonic() < deadline, (runs, stack.log_of("work"), stack.log_of("tail"))
        time.sleep(0.1)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def use_tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_what_can_be_read_on_the_wire_is_everything_without_tls_and_nothing_with_it(
    tmp_path: Path, *, use_tls: bool
) -> None:
    settings, redis, api = _from_lease_to_verdict(tmp_path, use_tls=use_tls)
    password = settings.redis_password.get_secret_value() if settings.redis_password else ""
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    readable = {("redis", text): text.encode() in redis for text in (*ON_REDIS, password)} | {
        ("api", text): text.encode() in api for text in (*ON_API, token)
    }
    assert len(redis) > 10_000
    assert len(api) > 3_000
    assert set(readable.values()) == {not use_tls}, {key for key, seen in readable.items() if seen is use_tls}
