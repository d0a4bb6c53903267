"""A fleet that is on record: devices, an inventory and finished runs, written into Redis without the API."""

import json
from datetime import UTC, datetime
from typing import Any

from api.runs.records import DeviceRecord, RunRecord, StoredRecord
from bringup import keys
from bringup.model import Decision, DeviceState, RunState
from bringup.wire.report import CheckResult, CheckStatus, Verdict
from bringup.wire.run import MachineIdentity

_AT = datetime(2026, 11, 23, 9, 41, 36, tzinfo=UTC)
MOST_RUNS = 10_000  # that the API lists


def fill(redis: Any, number: int) -> None:
    """So many devices, and as many runs, `MOST_RUNS` at most."""
    pipe = redis.pipeline(transaction=False)
    for n in range(number):
        if n < MOST_RUNS:
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


def name_of(n: int) -> str:
    """The name of a device."""
    return f"m{n:06d}"


def _mac(n: int) -> str:
    return f"02:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"


def run_id_of(n: int) -> str:
    """The id of the run of a device."""
    return f"{_mac(n).replace(':', '-')}-{int(_AT.timestamp())}"


def entry_of(n: int) -> str:
    """Its entry in the inventory."""
    return f'[[device]]\nname = "{name_of(n)}"\nbmc_mac = "{_mac(n)}"\nbmc = "simulated://127.0.0.1:9/{name_of(n)}"\n'


def _device(n: int) -> DeviceRecord:
    identity = MachineIdentity(serial=name_of(n), macs=(_mac(n),))
    return DeviceRecord(
        name=name_of(n),
        state=DeviceState.VALIDATED,
        ip="10.0.0.1",
        last_run=run_id_of(n),
        last_seen_at=_AT,
        identity=identity,
    )


def _run(n: int) -> RunRecord:
    checks = tuple(CheckResult(name=f"check {k}", status=CheckStatus.OK) for k in range(12))
    return RunRecord(
        run_id=run_id_of(n),
        device=name_of(n),
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
