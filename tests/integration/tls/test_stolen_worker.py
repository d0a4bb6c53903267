"""With all that a worker has (API_TOKEN, its certificate, its user in Redis), no machine and no BMC: no verdict."""

import base64
import http.client
import json
import random
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from api.app import create_app
from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup.wire.run_events import EventType
from tests.integration.api.conftest import LEASE, RUN_A
from tests.integration.selftest.site import Site
from tests.integration.tls.conftest import Caller, Served

# Of the worker: neither the address of the simulated BMCs (127.0.0.1) nor of the others (192.0.2.x).
ITS_ADDRESS = "127.0.0.2"
IMAGE_SIZE = 32_768 + AREA_SIZE
KINDS = pytest.mark.parametrize("kind", ["real", "simulated"])
REPORT = {"agent": "x", "boot_id": "b", "inventory": {}, "checks": []}


@pytest.fixture(scope="module")
def served(site: Site) -> Iterator[Served]:
    """An API where machines need no certificate, the easier one for a thief; it serves images, too."""
    image = site.folder / "stolen.iso"
    image.write_bytes(bytes(32_768) + AREA_HEAD.ljust(AREA_SIZE))
    with site.api(VALIDATION_IMAGE=str(image), API_REQUIRE_CLIENT_CERT="false") as changes:
        yield Served(site, int(str(changes["callback_api_port"])))


class Thief:
    """Makes calls from its own address, and keeps every text that an answer holds."""

    def __init__(self, worker: Caller) -> None:
        self.worker = worker
        self.loot: set[str] = {worker.token}
        self._context = worker.context()  # to make one takes longer than a call, and there are thousands of calls

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "text/plain" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {token or self.worker.token}", "Content-Type": kind}
        status, answer = self.send(method, "/api/v1" + path, data, headers)
        try:
            self.loot |= set(texts(json.loads(answer)))
        except ValueError:
            self.loot |= {text for text in answer.decode("latin-1").replace('"', "\n").split() if len(text) > 15}
        return status, answer

    def take(self, run_id: str) -> None:
        """The way to an image, twice, and the image itself by every way of reading."""
        mac = run_id.rpartition("-")[0].replace("-", ":")
        self.call("PUT", f"/runs/{run_id}", LEASE | {"mac": mac, "ip": ITS_ADDRESS})
        self.call("POST", f"/runs/{run_id}/events", {"type": "boot_started", "owner": "w"})
        for _ in range(2):
            status, media = self.call("POST", f"/runs/{run_id}/media", {"owner": "w"})
            assert status == 201, media
            self.read_image(json.loads(media)["image_url"])

    def read_image(self, url: str) -> None:
        path = "/api/v1" + url.partition("/api/v1")[2]
        forged = {"X-Forwarded-For": "192.0.2.5", "Forwarded": "for=192.0.2.5", "X-Real-IP": "192.0.2.5"}
        for more in ({}, {"Range": "bytes=32768-"}, {"Range": f"bytes=0-{AREA_SIZE - 1}"}, forged):
            status, image = self.send("GET", path, None, more)
            assert status in {200, 206, 416}
            assert b"token" not in image
            self.loot |= {text for text in image.decode("latin-1").replace('"', "\n").split() if len(text) > 15}
        self.loot |= set(path.split("/"))

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.worker.port, timeout=60, context=self._context, source_address=(ITS_ADDRESS, 0)
        )
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def texts(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        found = [*found, *found.values()]
    for one in found if isinstance(found, list) else ():
        yield from texts(one)
    if isinstance(found, str) and found.isascii() and found.isprintable():
        yield found


def verdict_of(thief: Thief, run_id: str) -> tuple[Any, Any]:
    run = json.loads(thief.call("GET", f"/runs/{run_id}")[1])
    return run["verdict"], run["report_sha256"]


def run_of(kind: str, number: int) -> str:
    """The machines of these numbers are for this file."""
    return RUN_A.replace("00-00-00-01", f"00-00-07-{number + 4:02}" if kind == "real" else f"00-00-08-{number:02}")


@KINDS
def test_no_call_of_a_stolen_worker_speaks_for_a_machine(served: Served, kind: str) -> None:
    thief, run_id = Thief(served.by("worker")), run_of(kind, 1)
    thief.take(run_id)
    for event in ("media_inserted", "power_requested", "powered_off", "power_on_requested", "powered_on"):
        thief.call("POST", f"/runs/{run_id}/events", {"type": event, "owner": "w"})
    for path in ("/runs", "/devices", "/queues", f"/runs/{run_id}", f"/runs/{run_id}/report", "/openapi.json"):
        thief.call("GET", path)
    secrets = {*thief.loot, *(base64.b64encode(text.encode()).decode() for text in thief.loot)}
    bearers = sorted({text for text in secrets if 15 < len(text) < 200})
    assert any(text in bearers for text in thief.loot), "it tries what it was given"
    for bearer in bearers:
        assert thief.call("POST", f"/runs/{run_id}/heartbeat", {"boot_id": "b", "uptime_s": 1}, bearer)[0] == 401
    for bearer in (served.by("worker").token, max(bearers, key=len)):
        assert thief.call("POST", f"/runs/{run_id}/report", REPORT, bearer)[0] == 401
        assert thief.call("PUT", f"/runs/{run_id}/artifacts/agent.log", b"a log", bearer)[0] == 401
    assert verdict_of(thief, run_id) == (None, None)


@KINDS
def test_no_order_of_events_ends_a_run_as_passed(served: Served, kind: str) -> None:
    thief, run_id = Thief(served.by("worker")), run_of(kind, 2)
    thief.take(run_id)
    order = [{"type": event, "owner": owner} for event in EventType for owner in ("w", "") for _ in range(2)]
    random.Random(12).shuffle(order)  # noqa: S311 - the same at each run
    for event in order:
        if event["type"] not in {"boot_failed"}:  # which ends the run, and so the test
            assert thief.call("POST", f"/runs/{run_id}/events", event)[0] in {202, 409, 422, 429, 400}
    state = json.loads(thief.call("GET", f"/runs/{run_id}")[1])["state"]
    assert state != "passed"
    assert verdict_of(thief, run_id) == (None, None)


def test_its_user_in_redis_neither_reads_nor_writes_what_the_api_remembers(served: Served) -> None:
    redis: Any = connect_redis(served.site.stack.settings_of("worker"), tls.ClientContexts(), name="stolen")
    run_id = run_of("real", 1)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: redis.hset(keys.run(run_id), "state", '"passed"'),
        lambda: redis.hgetall(keys.run(run_id)),
        lambda: redis.get(keys.run_image(run_id)),
        lambda: redis.hget(keys.image("0" * 64), "sealed"),
        lambda: redis.hset(keys.image("0" * 64), "readers", ITS_ADDRESS),
        lambda: redis.set(keys.run_token(run_id), "0" * 64),
        lambda: redis.set(keys.token_owner("0" * 64), run_id),
        lambda: redis.eval("return redis.call('HGETALL', ARGV[1])", 0, keys.run(run_id)),
        lambda: redis.rename("rq:x", keys.report(run_id)),
    )
    for attempt in attempts:
        with pytest.raises((NoPermissionError, ResponseError), match=r"(?i)permission|can't access"):
            attempt()


class Answer(Enum):
    """What a stolen worker gets from a route."""

    REFUSED = frozenset({401, 403})  # its token and its certificate do not open it
    NOTHING = frozenset({400, 404, 409, 413, 415, 422})  # open, but it says and changes nothing without a secret
    SERVED = frozenset({200, 201, 202, 204, 400, 404, 409, 422, 429})  # it is a worker's, everybody's or all staff's


# Every route of the API. A new one must be classified here: is it served to who holds a worker?
ROUTES = {
    ("GET", "/.well-known/est/cacerts"): Answer.SERVED,
    ("POST", "/.well-known/est/simplereenroll"): Answer.NOTHING,  # renews the certificate that is shown, no other
    ("POST", "/api/v1/actions/preview"): Answer.SERVED,
    ("GET", "/api/v1/changes"): Answer.SERVED,
    ("GET", "/api/v1/changes/snapshot"): Answer.SERVED,
    ("GET", "/api/v1/crl"): Answer.SERVED,
    ("GET", "/api/v1/devices"): Answer.SERVED,
    ("GET", "/api/v1/devices/<name>"): Answer.SERVED,
    ("GET", "/api/v1/devices/<name>/explain"): Answer.SERVED,
    ("PATCH", "/api/v1/devices/<name>"): Answer.REFUSED,
    ("POST", "/api/v1/devices/<name>/runs"): Answer.REFUSED,
    ("GET", "/api/v1/enrollments"): Answer.REFUSED,
    ("PUT", "/api/v1/enrollments/<enrollment_id>"): Answer.REFUSED,
    ("GET", "/api/v1/health"): Answer.SERVED,
    ("GET", "/api/v1/hosts"): Answer.REFUSED,
    ("PUT", "/api/v1/hosts/<name>"): Answer.REFUSED,
    ("GET", "/api/v1/images/<secret>/bringup-validation.iso"): Answer.NOTHING,  # without the secret of a run
    ("GET", "/api/v1/metrics"): Answer.SERVED,
    ("GET", "/api/v1/openapi.json"): Answer.SERVED,
    ("GET", "/api/v1/operators"): Answer.SERVED,  # names and roles, no token and no hash
    ("GET", "/api/v1/operators/me"): Answer.NOTHING,  # the token of a service is nobody's
    ("GET", "/api/v1/queues"): Answer.SERVED,
    ("POST", "/api/v1/queues/discard"): Answer.REFUSED,
    ("POST", "/api/v1/queues/requeue"): Answer.REFUSED,
    ("GET", "/api/v1/ready"): Answer.SERVED,
    ("GET", "/api/v1/runs"): Answer.SERVED,
    ("GET", "/api/v1/runs/<run_id>"): Answer.SERVED,
    ("PUT", "/api/v1/runs/<run_id>"): Answer.SERVED,
    ("POST", "/api/v1/runs/<run_id>/abort"): Answer.REFUSED,
    ("GET", "/api/v1/runs/<run_id>/artifacts/<name>"): Answer.REFUSED,
    ("PUT", "/api/v1/runs/<run_id>/artifacts/<name>"): Answer.REFUSED,
    ("POST", "/api/v1/runs/<run_id>/events"): Answer.SERVED,
    ("POST", "/api/v1/runs/<run_id>/heartbeat"): Answer.REFUSED,
    ("POST", "/api/v1/runs/<run_id>/media"): Answer.SERVED,
    ("GET", "/api/v1/runs/<run_id>/report"): Answer.SERVED,
    ("POST", "/api/v1/runs/<run_id>/report"): Answer.REFUSED,
    ("POST", "/api/v1/runs/<run_id>/tls-failure"): Answer.REFUSED,  # without a proof of the run's token
    ("POST", "/api/v1/runs/<run_id>/repeat"): Answer.REFUSED,
    ("POST", "/api/v1/runs/<run_id>/trouble"): Answer.REFUSED,
    ("POST", "/api/v1/bmc-requests"): Answer.SERVED,  # it can make BMCs look slow, and no more
    ("GET", "/api/v1/selftest"): Answer.SERVED,
    ("GET", "/api/v1/services"): Answer.SERVED,
    ("POST", "/api/v1/selftest"): Answer.SERVED,  # what it posts is shown with the name in its certificate
    ("PUT", "/api/v1/trust"): Answer.REFUSED,
}
PROOF = {"reason": "tls_trust", "proof": "0" * 64, "boot_id": "b", "detail": "x"}
# What a thief would send: a body that is right, so that nothing but the right to do it is missing.
BODIES = {
    "bmc-requests": {"id": "a" * 32, "counts": 11 * [0], "sum_s": 0},
    "selftest": {"host": "w1", "passed": True, "verdict": "PASSED", "version": "1"},
    "abort": {"reason": "x"},
    "discard": {"job_id": "j"},
    "events": {"type": "finished", "owner": "w"},
    "heartbeat": {"boot_id": "b", "uptime_s": 1},
    "media": {"owner": "w"},
    "preview": {"action": "start", "targets": ["a"]},
    "repeat": {"reason": "x"},
    "report": REPORT,
    "requeue": {"job_id": "j"},
    "runs": {"reason": "x"},
    "tls-failure": PROOF,
    "trouble": PROOF,
}


def routes(served: Served, state: Path) -> set[tuple[str, str]]:
    """Method and path of each route of the application itself."""
    changes = {"state_dir": state, "devices_file": served.site.folder / "devices.toml"}
    app = create_app(served.site.stack.settings_of("api").model_copy(update=changes))
    methods = ((method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ())
    return {route for route in methods if route[0] not in {"HEAD", "OPTIONS"}}


def test_every_route_is_classified(served: Served, tmp_path: Path) -> None:
    assert routes(served, tmp_path / "state") == set(ROUTES)


def test_every_route_answers_a_stolen_worker_as_it_is_classified(served: Served) -> None:
    thief, run_id = Thief(served.by("worker")), run_of("real", 2)
    thief.call("PUT", f"/runs/{run_id}", LEASE | {"mac": "02:00:00:00:07:06", "ip": ITS_ADDRESS})
    headers = {"Authorization": f"Bearer {thief.worker.token}", "Content-Type": "application/json"}
    names = {"run_id": run_id, "name": "real-6", "secret": "0" * 43, "enrollment_id": "0" * 64}
    wrong = {}
    for (method, rule), answer in ROUTES.items():
        path = rule
        for name, value in names.items():
            path = path.replace(f"<{name}>", value)
        body = {"state": "approved"} if method == "PATCH" else BODIES.get(rule.rpartition("/")[2], {})
        status, text = thief.send(method, path, None if method == "GET" else json.dumps(body).encode(), headers)
        if status not in answer.value:
            wrong[method, rule] = (status, text[:200])
    assert wrong == {}
    assert verdict_of(thief, run_id) == (None, None)
