"""How many devices and open runs are in each state, counted in the transactions that change them.

To look at each would cost monitoring 100 microseconds a device at every scrape. So a hash holds for each record the
class in which it is counted, and another how many each class has; one script moves a record from its class to the
other, so that to count it again changes nothing. The class of a device names what is on its record and in its entry of
the inventory: its state by both is computed from that. A machine that was never seen has no record, and is counted from
the inventory.

Everything is counted again, a page at a time: by each process once, for what an API of an earlier version wrote; when
the counts are missing; and when the inventory is another one.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from api.runs.records import DeviceRecord, RunRecord, careful_state, recorded_state
from api.state.batch import Asked, Batch, fields
from api.state.documents import members
from api.state.inventories import InventoryHosts
from api.state.redis import Database, Pipeline
from bringup import keys, model
from bringup.inventory import Device, Inventory

_State = TypeVar("_State", model.RunState, model.DeviceState)
# Records in one call of the script, which blocks Redis for about six milliseconds meanwhile.
_AT_ONCE = 500
# Field of the counts, beside the classes, which hold bars: the inventory by which all are counted. While they are being
# counted only `begun` is there.
_COMPLETE = "complete"
# Of the counts of runs, which no inventory changes.
_NO_INVENTORY = "-"
# Moves a record from the class in which it was counted to another; nil: to none.
_TO_CLASS = """
local function add(class, number)
    redis.call('HSET', KEYS[2], class, (tonumber(redis.call('HGET', KEYS[2], class)) or 0) + number)
end
local function to_class(id, class)
    local before = redis.call('HGET', KEYS[1], id) or nil
    if before == class then return end
    if before then add(before, -1) end
    if class then
        add(class, 1)
        redis.call('HSET', KEYS[1], id, class)
    else
        redis.call('HDEL', KEYS[1], id)
    end
end
"""
# Reads the records as they are at this moment, also within the transaction that writes them. A run that is closed or
# expired has no class. With another inventory than that of the others the counts are begun anew.
# KEYS: classes, counts. ARGV: the inventory's digest, records as a JSON array: the key, the id, what its entry says.
_COUNT = (
    _TO_CLASS
    + """
if redis.call('HGET', KEYS[2], 'begun') ~= ARGV[1] then redis.call('HDEL', KEYS[2], 'begun', 'complete') end
local records = cjson.decode(ARGV[2])
for i = 1, #records, 3 do
    local function field(name)
        local value = redis.pcall('HGET', records[i], name)
        return type(value) == 'string' and value ~= 'null' and value or nil
    end
    local id, state, class = records[i + 1], field('state'), nil
    if state and not field('closed_at') then
        local unapproved, maintenance = field('unapproved') == 'true', field('maintenance')
        class = table.concat({state, unapproved and 'u' or '', maintenance and 'm' or '', records[i + 2]}, '|')
    end
    to_class(id, class)
end
"""
)
# The same of one record whose class is known. ARGV: the inventory's digest, the id, the class ("": none).
_MOVE = (
    _TO_CLASS
    + """
if redis.call('HGET', KEYS[2], 'begun') ~= ARGV[1] then redis.call('HDEL', KEYS[2], 'begun', 'complete') end
to_class(ARGV[2], ARGV[3] ~= '' and ARGV[3] or nil)
"""
)
# What is left of either hash counts nothing without the other. KEYS: classes, counts. ARGV: the inventory's digest.
_BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 0 or not redis.call('HGET', KEYS[2], 'begun') then
    redis.call('DEL', KEYS[1], KEYS[2])
end
redis.call('HSET', KEYS[2], 'begun', ARGV[1])
"""
# Only if no other host has begun meanwhile to count by another inventory.
_FINISH = "if redis.call('HGET', KEYS[1], 'begun') == ARGV[1] then redis.call('HSET', KEYS[1], 'complete', ARGV[1]) end"


class DeviceCounts(NamedTuple):
    """Devices by state, and those in maintenance by their record or their entry."""

    by_state: Counter[model.DeviceState]
    in_maintenance: int


class Counts:
    """Counts devices and open runs.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
        InventoryError: from what concerns devices, when our own file is wrong.
    """

    def __init__(self, database: Database, hosts: InventoryHosts) -> None:
        self._database = database
        self._hosts = hosts
        self._recounted: set[str] = set()  # by this process
        self._entries: tuple[Inventory | None, Counter[str]] = (None, Counter())

    def count_device(self, pipe: Pipeline, record: DeviceRecord) -> None:
        """Count a device as the transaction leaves it.

        Args:
            pipe: of the transaction, after its record is written.
            record: of the device.
        """
        inventory, digest = self._hosts.own_with_digest()
        entry, name = _entry_class(inventory.by_name.get(record.name)), record.name
        # Only Redis has the word that a newer version has written.
        if record.state is model.DeviceState.UNKNOWN:
            stored = json.dumps([keys.device(name), name, entry])
            pipe.eval(_COUNT, 2, keys.DEVICE_CLASSES, keys.DEVICE_COUNTS, digest, stored)
            return
        marks = "u" if record.unapproved else "", "" if record.maintenance is None else "m"
        counted_as = "|".join((json.dumps(record.state.value), *marks, entry))
        pipe.eval(_MOVE, 2, keys.DEVICE_CLASSES, keys.DEVICE_COUNTS, digest, name, counted_as)

    def count_run(self, pipe: Pipeline, run: RunRecord) -> None:
        """Count a run as the transaction leaves it.

        Args:
            pipe: of the transaction, after its record is written.
            run: its record.
        """
        counted_as = "" if run.closed_at else f"{json.dumps(run.state.value)}|||"
        pipe.eval(_MOVE, 2, keys.RUN_CLASSES, keys.RUN_COUNTS, _NO_INVENTORY, run.run_id, counted_as)

    def ask_open_runs(self, batch: Batch) -> Asked[Counter[model.RunState]]:
        """The runs that are not closed, by state, read with other things."""
        stored = batch.ask(fields, "HGETALL", keys.RUN_COUNTS)
        return lambda: _by_state(self._if_complete(keys.RUN_COUNTS, stored(), _NO_INVENTORY) or self._count_runs())

    def ask_devices(self, batch: Batch) -> Asked[DeviceCounts]:
        """Every device of the inventory and every one that was seen, read with other things."""
        stored = batch.ask(fields, "HGETALL", keys.DEVICE_COUNTS)
        return lambda: self._devices(stored())

    def _devices(self, stored: dict[str, bytes]) -> DeviceCounts:
        inventory, digest = self._hosts.own_with_digest()
        counts = self._if_complete(keys.DEVICE_COUNTS, stored, digest) or self._count_devices(inventory, digest)
        by_state: Counter[model.DeviceState] = Counter()
        unseen, in_maintenance = Counter(self._entry_classes(inventory)), 0
        for (state, unapproved, maintenance, entry), number in _classes(counts):
            by_entry = _entry_state(entry)
            recorded = recorded_state(_state(model.DeviceState, state), by_entry, unapproved=bool(unapproved))
            by_state[careful_state(recorded, by_entry)] += number
            in_maintenance += number if maintenance or entry.endswith("+m") else 0
            unseen[entry] -= number
        for entry, number in unseen.items():
            if by_entry := _entry_state(entry):
                by_state[by_entry] += number
                in_maintenance += number if entry.endswith("+m") else 0
        return DeviceCounts(by_state, in_maintenance)

    def _if_complete(self, key: str, counts: dict[str, bytes], digest: str) -> dict[str, bytes] | None:
        """The counts, if all is counted, by this inventory, and once since this process began."""
        return counts if key in self._recounted and counts.get(_COMPLETE) == digest.encode() else None

    def _count_runs(self) -> dict[str, bytes]:
        ids = set(members(self._database, keys.OPEN_RUNS)) | set(self._database.fields(keys.RUN_CLASSES))
        records = [(keys.run(run_id), run_id, "") for run_id in sorted(ids)]
        return self._count(keys.RUN_CLASSES, keys.RUN_COUNTS, _NO_INVENTORY, records)

    def _count_devices(self, inventory: Inventory, digest: str) -> dict[str, bytes]:
        names = set(members(self._database, keys.DEVICES)) | set(self._database.fields(keys.DEVICE_CLASSES))
        records = [(keys.device(name), name, _entry_class(inventory.by_name.get(name))) for name in sorted(names)]
        return self._count(keys.DEVICE_CLASSES, keys.DEVICE_COUNTS, digest, records)

    def _count(
        self, classes: str, counts: str, digest: str, records: Sequence[tuple[str, str, str]]
    ) -> dict[str, bytes]:
        with self._database.errors():
            self._database.connection.eval(_BEGIN, 2, classes, counts, digest)
            for start in range(0, len(records), _AT_ONCE):
                some = [text for record in records[start : start + _AT_ONCE] for text in record]
                self._database.connection.eval(_COUNT, 2, classes, counts, digest, json.dumps(some))
            self._database.connection.eval(_FINISH, 1, counts, digest)
        self._recounted.add(counts)
        return self._database.fields(counts)

    def _entry_classes(self, inventory: Inventory) -> Counter[str]:
        """Of all entries; made once for each content of the file."""
        if self._entries[0] is not inventory:
            self._entries = inventory, Counter(map(_entry_class, inventory.by_name.values()))
        return self._entries[1]


def _entry_class(entry: Device | None) -> str:
    return "" if entry is None else f"{entry.state}{'+m' if entry.maintenance else ''}"


def _entry_state(entry_class: str) -> model.DeviceState | None:
    return model.DeviceState(entry_class.removesuffix("+m")) if entry_class else None


def _classes(counts: dict[str, bytes]) -> Iterator[tuple[list[str], int]]:
    for name, number in counts.items():
        if name.count("|") >= 3:
            state, *others = name.rsplit("|", 3)
            yield [state, *others], int(number)


def _by_state(counts: dict[str, bytes]) -> Counter[model.RunState]:
    found: Counter[model.RunState] = Counter()
    for parts, number in _classes(counts):
        found[_state(model.RunState, parts[0])] += number
    return found


def _state(states: type[_State], stored: str) -> _State:
    """UNKNOWN is what only a newer version knows."""
    try:
        return states(json.loads(stored))
    except ValueError:
        return states("unknown")
