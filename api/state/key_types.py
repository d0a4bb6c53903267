"""Whether the keys that every change needs are of their types: something else may have written to this database."""

from api.state.batch import Asked, Batch
from api.state.redis import Database
from bringup import errors, keys

# Each with a command that reads little, and that Redis refuses when the key is of another type.
_READ_BY = {
    keys.RUNS: ("ZCARD",),
    keys.OPEN_RUNS: ("SCARD",),
    keys.BOOTING_RUNS: ("SCARD",),
    keys.WAITING_RUNS: ("ZCARD",),
    keys.RUN_CLASSES: ("ZCARD",),
    keys.DEVICES: ("SCARD",),
    keys.DEVICE_CLASSES: ("ZCARD",),
    keys.COUNTERS: ("BITFIELD", "GET", "i64", "#0"),
}


def of_another_type(database: Database) -> list[str]:
    """The keys that are of another type than theirs.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    batch = Batch()
    asked = {key: batch.ask(lambda _: True, name, key, *more) for key, (name, *more) in _READ_BY.items()}
    database.read(batch)
    return [key for key, ask in asked.items() if not _is_read(ask)]


def _is_read(ask: Asked[bool]) -> bool:
    try:
        return ask()
    except errors.CorruptRecord:
        return False
