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
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from flask.testing import FlaskClient

from api.app import PREFIX, create_app
from bench.fleet import MOST_RUNS, entry_of, fill, name_of, run_id_of
from bench.own_redis import own_redis
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import load
from bringup.tls import ClientContexts

_TOKEN = "a-token-of-the-bench-that-is-long-enough"  # noqa: S105 - of nothing but this server
_PAGE = 200
# Of CPU time, on a machine that does nothing else.
_WANTED_MS = {"a page of /devices": 60, "/devices": 250, "/metrics": 20}
_REPEATS = 3


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
        (folder / "devices.toml").write_text("".join(map(entry_of, range(number))))
        (folder / "empty.env").touch()
        given = {"API_TOKEN": _TOKEN, "STATE_DIR": text + "/state", "DEVICES_FILE": text + "/devices.toml", **environ}
        settings = load(environ=given, env_file=folder / "empty.env").settings
        redis: Any = connect_redis(settings, ClientContexts(), name="bench")
        fill(redis, number)
        client = create_app(settings).test_client()
        measured = _measured(client, redis, number)
    too_slow = _show(measured)
    if too_slow and number <= MOST_RUNS:
        sys.exit("above what is promised: " + ", ".join(too_slow))


def _measured(client: FlaskClient, redis: Any, number: int) -> dict[str, tuple[_Cost, _Cost]]:
    """Of each call its cost, and that of its baseline."""
    names, run_ids = [name_of(n) for n in range(number)], [run_id_of(n) for n in range(min(number, MOST_RUNS))]
    page, limit = f"/devices?limit={_PAGE}&after={name_of(number // 2)}", min(number, MOST_RUNS)
    of_devices, of_runs = ([key(one) for one in ids] for key, ids in ((keys.device, names), (keys.run, run_ids)))
    calls = {
        "a page of /devices": (page, of_devices[:_PAGE]),
        "/devices": ("/devices", of_devices),
        f"/runs?limit={limit}": (f"/runs?limit={limit}", of_runs),
        "/runs?state=failed": ("/runs?state=failed", of_runs),  # none is: every run is looked at
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


if __name__ == "__main__":
    main()
