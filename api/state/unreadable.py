"""What a version cannot read of what another one has stored: looked for before a version is put in force."""

from typing import Any

from pydantic import TypeAdapter

from api.state.batch import texts
from bringup import keys, model
from bringup.connections.redis_client import redis_errors
from bringup.settings import Settings

_RUN_STATE: TypeAdapter[model.RunState] = TypeAdapter(model.AnyRunState)
_DEVICE_STATE: TypeAdapter[model.DeviceState] = TypeAdapter(model.AnyDeviceState)
# Records read in one round trip: 50,000 devices are read in a second, and nobody waits for long in between.
_AT_ONCE = 500


def unreadable(settings: Settings, connection: Any) -> list[str]:
    """Open runs, and devices, in a state that only a newer version knows; nothing would be done with them.

    Args:
        settings: of the API.
        connection: to its Redis.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    with redis_errors(settings):
        runs = texts(connection.smembers(keys.OPEN_RUNS))
        devices = texts(connection.smembers(keys.DEVICES))
        strange_runs = _strange(connection, {name: keys.run(name) for name in runs}, _RUN_STATE)
        strange_devices = _strange(connection, {name: keys.device(name) for name in devices}, _DEVICE_STATE)
    return [*(f"run {name}" for name in strange_runs), *(f"device {name}" for name in strange_devices)]


def _strange(
    connection: Any, records: dict[str, str], state: TypeAdapter[model.RunState] | TypeAdapter[model.DeviceState]
) -> list[str]:
    names, found = list(records), []
    for begin in range(0, len(names), _AT_ONCE):
        part = names[begin : begin + _AT_ONCE]
        pipe = connection.pipeline(transaction=False)
        for name in part:
            pipe.hget(records[name], "state")
        stored = zip(part, pipe.execute(), strict=True)
        found += [name for name, text in stored if text and state.validate_json(text) == "unknown"]
    return found
