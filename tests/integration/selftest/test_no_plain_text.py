"""What goes over the wire, all the way from a lease to a verdict: with the flags on, nothing that anybody can read.

Every connection to Redis and to the API goes through a wiretap: tailer, worker, API, the machine's own calls, the
command line. Not among them are the calls to the BMC, which is SIMULATED and speaks HTTP in this project's own way.
"""

from pathlib import Path

import pytest

from bringup.model import RunState
from bringup.settings import Settings
from tests.integration.selftest.pipeline import RUN_ID, await_run, lease, stack, start_services
from tests.integration.selftest.wiretap import Wiretap

# (rq compresses what a job carries; the rest is sent unchanged.)
ON_REDIS = (
    RUN_ID,
    "rq:job:",
    "rq:queue:",
    "bringup:run",
    "MULTI",
    "a-host-name-of-the-test",
)
ON_API = (RUN_ID, "/api/v1/", "HTTP/1.1", "Authorization: Bearer", '"run_id"', '"boot_id"', "a-host-name-of-the-test")


def _from_lease_to_verdict(folder: Path, *, use_tls: bool) -> tuple[Settings, bytes, bytes]:
    """Everything that was said to and by Redis and the API, meanwhile."""
    with stack(folder, use_tls=use_tls) as made:
        redis, api = Wiretap(made.settings.redis_port), Wiretap(made.settings.callback_api_port)
        made.start_redis()
        scheme = "https" if use_tls else "http"
        made.configure({"REDIS_PORT": str(redis.port), "CALLBACK_API_URL": f"{scheme}://127.0.0.1:{api.port}"})
        try:
            start_services(made)
            lease(made)
            run = await_run(made, lambda run: run.closed_at)
            assert made.command("runs").returncode == 0
        finally:
            redis.close()
            api.close()
        assert run.state is RunState.PASSED, (run, made.log_of("work"))
        return made.settings_of("worker"), redis.everything(), api.everything()


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
