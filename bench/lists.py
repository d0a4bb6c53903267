"""What the lists and /metrics cost at so many devices and runs, in one process, on a redis-server of its own.

The baseline in the same run: to read the same records by HGETALL, 200 in a round trip, and parse and print their
fields by json. Figures are CPU seconds of the API's process; what Redis itself needs is beside them.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from flask.testing import FlaskClient

from api.app import PREFIX, create_app
from api.runs.records import DeviceRecord, RunRecord, StoredRecord
from bench.own_redis import own_redis
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.model import Decision, DeviceState, RunState
from bringup.settings import load
from bringup.tls import ClientContexts
from bringup.wire.report import CheckResult, CheckStatus, Verdict
from bringup.wire.run import MachineIdentity

_TOKEN = "a-token-of-the-bench-that-is-long-enough"  # noqa: S105 - of nothing but this server
_AT = datetime(2026, 11, 23, 9, 41, 36, tzinfo=UTC)
_PAGE = 200
# Of CPU time, on a machine that does nothing else.
_WANTED_MS = {"a page of /devices": 60, "/devices": 250, "/metrics": 20}
_REPEATS = 3
_MOST_RUNS = 10_000  # that the API lists


class _Cost(NamedTuple):
    """Milliseconds of CPU time: of the API, and of Redis for it."""

    api: float
    redis: float


@click.command()
@click.option("--devices", "number", default=10_000, show_default=True, help="And as many runs, 10,000 at most.")
def main(number: int) -> None:
    """Measure, and fail if a list costs more than is promised at 10,000."""
    if not shutil.which("redis-server"):
        sys.exit("redis-server is missing; run scripts/setup")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text, own_redis(Path(text)) as environ:
        folder = Path(text)
        (folder / "devices.toml").write_text("".join(map(_entry, range(number))))
        (folder / "empty.env").touch()
        given = {"API_TOKEN": _TOKEN, "STATE_DIR": text + "/state", "DEVICES_FILE": text + "/devices.toml", **environ}
        settings = load(environ=given, env_file=folder / "empty.env").settings
        redis: Any = connect_redis(settings, ClientContexts(), name="bench")
        _fill(redis, number)
        client = create_app(settings).test_client()
        measured = _measured(client, redis, number)
    too_slow = _show(measured)
    if too_slow and number <= _MOST_RUNS:
        sys.exit("above what is promised: " + ", ".join(too_slow))


def _measured(client: FlaskClient, redis: Any, number: int) -> dict[str, tuple[_Cost, _Cost]]:
    """Of each call its cost, and that of its baseline."""
    names, run_ids = [_name(n) for n in range(number)], [_run_id(n) for n in range(min(number, _MOST_RUNS))]
    page, limit = f"/devices?limit={_PAGE}&after={_name(number // 2)}", min(number, _MOST_RUNS)
    of_devices, of_runs = ([key(one) for one in ids] for key, ids in ((keys.device, names), (keys.run, run_ids)))
    calls = {
        "a page of /devices": (page, of_devices[:_PAGE]),
        "/devices": ("/devices", of_devices),
        f"/runs?limit={limit}": (f"/runs?limit={limit}", of_runs),
        "/metrics": ("/metrics", of_devices),
    }
    found = {}
    for call, (path, records) in calls.items():
        _get(client, path)  # what is made once for each process and each inventory is no cost of a call
        baseline = _cost(redis, partial(_read_and_print, redis, records))
        found[call] = _cost(redis, partial(_get, client, path)), baseline
    tag = _get(client, "/devices").headers["ETag"]
    known = _cost(redis, lambda: _get(client, "/devices", {"If-None-Match": tag}))
    return found | {"/devices, unchanged": (known, found["/devices"][1])}


def _cost(redis: Any, call: Callable[[], object]) -> _Cost:
    """The least of several, for other programs only add to it."""
    found = []
    for _ in range(_REPEATS):
        before, began = _redis_s(redis), time.process_time()
        call()
        api = time.process_time() - began
        found.append(_Cost(api * 1000, (_redis_s(redis) - before) * 1000))
    return min(found)


def _redis_s(redis: Any) -> float:
    info = redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _get(client: FlaskClient, path: str, headers: dict[str, str] | None = None) -> Any:
    answer = client.get(PREFIX + path, headers={"Authorization": f"Bearer {_TOKEN}", **(headers or {})})
    if answer.status_code not in {200, 304}:
        sys.exit(f"{path}: {answer.status_code} {answer.text[:200]}")
    return answer


def _read_and_print(redis: Any, records: list[str]) -> None:
    read: list[dict[bytes, bytes]] = []
    for start in range(0, len(records), _PAGE):
        pipe = redis.pipeline(transaction=False)
        for key in records[start : start + _PAGE]:
            pipe.hgetall(key)
        read += pipe.execute()
    json.dumps([{name.decode(): json.loads(value) for name, value in fields.items()} for fields in read])


def _show(measured: dict[str, tuple[_Cost, _Cost]]) -> list[str]:
    click.echo("call                    API ms   Redis ms   baseline ms   of the baseline")
    for call, (cost, baseline) in measured.items():
        ratio = cost.api / baseline.api
        click.echo(f"{call:22} {cost.api:7.1f} {cost.redis:10.1f} {baseline.api:13.1f} {ratio:17.3f}")
    return [call for call, wanted in _WANTED_MS.items() if measured[call][0].api > wanted]


def _fill(redis: Any, number: int) -> None:
    pipe = redis.pipeline(transaction=False)
    for n in range(number):
        if n < _MOST_RUNS:
            run = _run(n)
            pipe.hset(keys.run(run.run_id), mapping=_fields(run))
            pipe.zadd(keys.RUNS, {run.run_id: n})
        device = _device(n)
        pipe.hset(keys.device(device.name), mapping=_fields(device))
        pipe.sadd(keys.DEVICES, device.name)
        if n % 1000 == 999:
            pipe.execute()
    pipe.execute()


def _fields(record: StoredRecord) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in record.model_dump(mode="json", by_alias=True).items()}


def _name(n: int) -> str:
    return f"m{n:06d}"


def _mac(n: int) -> str:
    return f"02:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"


def _run_id(n: int) -> str:
    return f"{_mac(n).replace(':', '-')}-{int(_AT.timestamp())}"


def _entry(n: int) -> str:
    return f'[[device]]\nname = "{_name(n)}"\nbmc_mac = "{_mac(n)}"\nbmc = "simulated://127.0.0.1:9/{_name(n)}"\n'


def _device(n: int) -> DeviceRecord:
    identity = MachineIdentity(serial=_name(n), macs=(_mac(n),))
    return DeviceRecord(
        name=_name(n),
        state=DeviceState.VALIDATED,
        ip="10.0.0.1",
        last_run=_run_id(n),
        last_seen_at=_AT,
        identity=identity,
    )


def _run(n: int) -> RunRecord:
    checks = tuple(CheckResult(name=f"check {k}", status=CheckStatus.OK) for k in range(12))
    return RunRecord(
        run_id=_run_id(n),
        device=_name(n),
        mac=_mac(n),
        ip="10.0.0.1",
        decision=Decision.START,
        state=RunState.PASSED,
        created_at=_AT,
        updated_at=_AT,
        ended_at=_AT,
        closed_at=_AT,
        verdict=Verdict(state=RunState.PASSED, checks=checks),
    )


if __name__ == "__main__":
    main()
