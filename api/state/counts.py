"""How many devices and open runs are in each state, counted in the transactions that change them.

To look at each would cost monitoring 100 microseconds a device at every scrape. So a sorted set holds the name of each
record with the class in which it is counted as its score (`api.state.classes`): the command that writes the class moves
it there from any other, and to repeat it changes nothing. How many a class has is one command more, whatever their
number. A machine that was never seen has no record, and is counted from the inventory.

Everything is counted again, a page at a time: by each process once, for what an API of an earlier version wrote; when
names are missing; and when some are counted by another inventory.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from api.runs.records import DeviceRecord, RunRecord, careful_state, recorded_state
from api.state import classes
from api.state.batch import Asked, Batch
from api.state.documents import members
from api.state.inventories import InventoryHosts
from api.state.redis import Database, Pipeline
from bringup import keys, model
from bringup.inventory import Device, Inventory

# Records in one call of the script, which blocks Redis for about six milliseconds meanwhile.
_AT_ONCE = 500
# How many names each class has: from one class that any has to the next. KEYS: classes, index.
# Returns how many names the index has, how many have a class, then each class with how many have it.
_READ = """#!lua flags=no-writes
local found, from = {redis.call('SCARD', KEYS[2]), redis.call('ZCARD', KEYS[1])}, '-inf'
while true do
    local class = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if not class then return found end
    found[#found + 1] = tonumber(class)
    found[#found + 1] = redis.call('ZCOUNT', KEYS[1], class, class)
    from = '(' .. class
end
"""
# Counts records as they are at this moment; a name that is not in the index has no class.
# KEYS: classes, index. ARGV: the number of each state, as a JSON object; what two marks add; records as a JSON array:
# the key, the name, what else its class is made of.
_COUNT = """
local states, records = cjson.decode(ARGV[1]), cjson.decode(ARGV[4])
for i = 1, #records, 3 do
    local function field(name)
        local value = redis.pcall('HGET', records[i], name)
        return type(value) == 'string' and value ~= 'null' and value or nil
    end
    local name, state, class = records[i + 1], field('state'), records[i + 2]
    if redis.call('SISMEMBER', KEYS[2], name) == 0 then
        redis.call('ZREM', KEYS[1], name)
    else
        if state then class = class + (states[string.match(state, '^"(.*)"$')] or states.unknown) end
        if field('unapproved') == 'true' then class = class + ARGV[2] end
        if field('maintenance') then class = class + ARGV[3] end
        redis.call('ZADD', KEYS[1], string.format('%.0f', class), name)
    end
end
"""


class DeviceCounts(NamedTuple):
    """Devices by state, and those in maintenance by their record or their entry."""

    by_state: Counter[model.DeviceState]
    in_maintenance: int


class _Counted(NamedTuple):
    """The sorted set of some records, the set of all their names, and how the states are numbered."""

    classes: str
    names: str
    states: str


_RUNS = _Counted(keys.RUN_CLASSES, keys.OPEN_RUNS, json.dumps(classes.RUN_STATES))
_DEVICES = _Counted(keys.DEVICE_CLASSES, keys.DEVICES, json.dumps(classes.DEVICE_STATES))


class Counts:
    """Counts devices and open runs.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
        InventoryError: from what concerns devices, when our own file is wrong.
    """

    def __init__(self, database: Database, hosts: InventoryHosts) -> None:
        self._database = database
        self._hosts = hosts
        self._recounted: set[_Counted] = set()  # by this process
        self._entries: tuple[Inventory | None, Counter[tuple[model.DeviceState, bool]]] = (None, Counter())

    def count_device(self, pipe: Pipeline, record: DeviceRecord) -> None:
        """Count a device as the transaction leaves it.

        Args:
            pipe: of the transaction, after its record is written.
            record: of the device.
        """
        inventory, digest = self._hosts.own_with_digest()
        entry = classes.entry_bits(inventory.by_name.get(record.name))
        pipe.zadd(
            keys.DEVICE_CLASSES, {record.name: classes.inventory_base(digest) + entry + classes.record_bits(record)}
        )

    def count_run(self, pipe: Pipeline, run: RunRecord) -> None:
        """Count a run as the transaction leaves it.

        Args:
            pipe: of the transaction, after its record is written.
            run: its record.
        """
        if run.closed_at:
            pipe.zrem(keys.RUN_CLASSES, run.run_id)
        else:
            pipe.zadd(keys.RUN_CLASSES, {run.run_id: classes.RUN_STATES[run.state]})

    def ask_open_runs(self, batch: Batch) -> Asked[Counter[model.RunState]]:
        """The runs that are not closed, by state, read with other things."""
        stored = _ask(batch, _RUNS)

        def read() -> Counter[model.RunState]:
            found = self._complete(_RUNS, stored(), 0, 1 + max(classes.RUN_STATES.values()), lambda _: 0)
            return Counter({state: number for n, number in found.items() if (state := classes.run_state(n))})

        return read

    def ask_devices(self, batch: Batch) -> Asked[DeviceCounts]:
        """Every device of the inventory and every one that was seen, read with other things."""
        stored = _ask(batch, _DEVICES)
        return lambda: self._devices(stored())

    def _devices(self, stored: Sequence[int]) -> DeviceCounts:
        inventory, digest = self._hosts.own_with_digest()
        base, end = classes.inventory_base(digest), classes.inventory_end(digest)
        counts = self._complete(
            _DEVICES, stored, base, end, lambda name: base + classes.entry_bits(inventory.by_name.get(name))
        )
        by_state: Counter[model.DeviceState] = Counter()
        unseen, in_maintenance = Counter(self._entry_counts(inventory)), 0
        for one, number in ((classes.device_class(n), number) for n, number in counts.items()):
            if one.state is None:
                continue
            recorded = recorded_state(one.state, one.entry, unapproved=one.unapproved)
            by_state[careful_state(recorded, one.entry)] += number
            in_maintenance += number if one.maintenance or one.entry_maintenance else 0
            if one.entry:
                unseen[one.entry, one.entry_maintenance] -= number
        for (entry, maintenance), number in unseen.items():
            by_state[entry] += number
            in_maintenance += number if maintenance else 0
        return DeviceCounts(by_state, in_maintenance)

    def _complete(
        self, of: _Counted, stored: Sequence[int], base: int, end: int, begin: Callable[[str], int]
    ) -> dict[int, int]:
        """How many each class from ``base`` to ``end`` has; counted first, unless all are counted by this inventory.

        Args:
            of: which records.
            stored: the reply of `_READ`.
            base, end: of these classes.
            begin: what the class of a name is made of besides its record.
        """
        names, counts = stored[0], _by_class(stored)
        if of not in self._recounted or not names == stored[1] == sum(n for c, n in counts.items() if base <= c < end):
            self._count(of, begin)
            self._recounted.add(of)
            batch = Batch()
            read = _ask(batch, of)
            self._database.read(batch)
            counts = _by_class(read())
        return {c: n for c, n in counts.items() if base <= c < end}

    def _count(self, of: _Counted, begin: Callable[[str], int]) -> None:
        key_of = keys.run if of is _RUNS else keys.device
        names = sorted({*members(self._database, of.names), *self._database.oldest(of.classes, 0)})
        marks = classes.UNAPPROVED, classes.MAINTENANCE
        with self._database.errors():
            self._database.connection.delete(*keys.COUNTED_BEFORE)
            for start in range(0, len(names), _AT_ONCE):
                some = [part for name in names[start : start + _AT_ONCE] for part in (key_of(name), name, begin(name))]
                self._database.connection.eval(_COUNT, 2, of.classes, of.names, of.states, *marks, json.dumps(some))

    def _entry_counts(self, inventory: Inventory) -> Counter[tuple[model.DeviceState, bool]]:
        """Of all entries; made once for each content of the file."""
        if self._entries[0] is not inventory:
            self._entries = inventory, Counter(map(_entry_class, inventory.by_name.values()))
        return self._entries[1]


def _entry_class(entry: Device) -> tuple[model.DeviceState, bool]:
    return entry.state, bool(entry.maintenance)


def _ask(batch: Batch, of: _Counted) -> Asked[list[int]]:
    return batch.ask(list, "EVAL", _READ, 2, of.classes, of.names)


def _by_class(stored: Sequence[int]) -> dict[int, int]:
    return dict(zip(stored[2::2], stored[3::2], strict=True))
