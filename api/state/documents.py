"""Records of a list as JSON documents: Redis itself puts each together, and many come in one reply.

To read a list field by field costs the API a third of a millisecond a run: for its fifty fields redis-py reads a
hundred strings, and each is parsed and validated by itself. Every field is stored as JSON already.
The names of all devices are kept sorted: to read and sort 100,000 for each page would take a tenth of a second.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from pydantic_core import from_json

from api.runs.records import StoredRecord
from api.state.redis import Database
from api.state.stored import default_of
from bringup import keys
from bringup.inventory import Inventory

Document = dict[str, Any]
# Records in one call of the script, which blocks Redis for about four milliseconds meanwhile.
_AT_ONCE = 100
# Calls of the script in one round trip.
_CALLS_AT_ONCE = 10
# A JSON array: of each record the wanted fields, {} where there is none, null where the key is no hash or lacks a field
# that has no default. HGETALL and not HMGET, which the users of installed servers may not call.
# ARGV: the keys as a JSON array; the fields as one, each followed by its name in the document and its default ("": it
# has none).
# no-writes: without it Redis refuses the script while its memory is full.
_READ = """#!lua flags=no-writes
local wanted, documents = cjson.decode(ARGV[2]), {}
for number, key in ipairs(cjson.decode(ARGV[1])) do
    local reply, fields, parts = redis.pcall('HGETALL', key), {}, {}
    for i = 1, #reply, 2 do fields[reply[i]] = reply[i + 1] end
    for i = 1, #wanted, 3 do
        local value = fields[wanted[i]] or wanted[i + 2]
        if value == '' or #reply == 0 or reply.err then break end
        parts[#parts + 1] = '"' .. wanted[i + 1] .. '":' .. value
    end
    if #parts == #wanted / 3 then
        documents[number] = '{' .. table.concat(parts, ',') .. '}'
    else
        documents[number] = (#reply == 0 and not reply.err) and '{}' or 'null'
    end
end
return '[' .. table.concat(documents, ',') .. ']'
"""
# The places of the records whose state and reason are these: two fields of each are read, and not fifty.
# ARGV: the keys as a JSON array; state and reason as JSON, "": any.
_MATCHING = """#!lua flags=no-writes
local found = {}
for number, key in ipairs(cjson.decode(ARGV[1])) do
    local function is(field, wanted) return wanted == '' or redis.pcall('HGET', key, field) == wanted end
    if is('state', ARGV[2]) and is('reason', ARGV[3]) then found[#found + 1] = number end
end
return found
"""
# In one reply instead of a reply for each member.
_MEMBERS = "#!lua flags=no-writes\nreturn cjson.encode(redis.call('SMEMBERS', KEYS[1]))"


class WantedField(NamedTuple):
    """A field of a record that is shown.

    Args:
        stored: its name in the hash.
        name: its name in the document.
        default: as JSON, where the record does not have it; empty: it must have it.
    """

    stored: str
    name: str
    default: str


def wanted_fields(model: type[StoredRecord], names: Iterable[str]) -> list[WantedField]:
    """The fields of these names, as records of ``model`` are stored."""
    return [WantedField(model.model_fields[name].alias or name, name, default_of(model, name)) for name in names]


def read_documents(
    database: Database, key_of: Callable[[str], str], ids: Sequence[str], wanted: Sequence[WantedField]
) -> Iterator[tuple[str, Document | None]]:
    """Each record that there is, in the order of ``ids``; None: it has to be read field by field.

    Args:
        database: where they are.
        key_of: the key of a record by its id.
        ids: of the records.
        wanted: the fields that are read; the first holds the id.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    pages = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
    fields = json.dumps([text for field in wanted for text in field])
    for start in range(0, len(pages), _CALLS_AT_ONCE):
        some = pages[start : start + _CALLS_AT_ONCE]
        with database.errors():
            pipe = database.connection.pipeline(transaction=False)
            for page in some:
                pipe.eval(_READ, 0, json.dumps([key_of(one) for one in page]), fields)
            replies = cast("list[bytes]", pipe.execute())
        for page, reply in zip(some, replies, strict=True):
            yield from _documents(page, reply, wanted[0].name)


def matching(
    database: Database, key_of: Callable[[str], str], ids: Sequence[str], state: str | None, reason: str | None
) -> list[str]:
    """Those of the runs whose state and reason are these.

    Args:
        database: where they are.
        key_of: the key of a record by its id.
        ids: of a thousand runs at most: the script blocks Redis for about three milliseconds.
        state, reason: None: any.

    Raises:
        RedisUnavailable: Redis does not answer.
    """
    wanted = ("" if word is None else json.dumps(word) for word in (state, reason))
    with database.errors():
        places = cast("list[int]", database.connection.eval(_MATCHING, 0, json.dumps(list(map(key_of, ids))), *wanted))
    return [ids[place - 1] for place in places]


def members(database: Database, key: str) -> list[str]:
    """A large set. Raises RedisUnavailable."""
    with database.errors():
        reply = cast("bytes", database.connection.eval(_MEMBERS, 1, key))
    return list(json.loads(reply.decode(errors="replace")))


def _documents(ids: Sequence[str], reply: bytes, id_name: str) -> Iterator[tuple[str, Document | None]]:
    """Of a page in which one value is no JSON, every record is read by itself."""
    try:
        found: list[Document | None] = from_json(reply, allow_inf_nan=False)
    except ValueError:
        found = []
    if len(found) != len(ids):
        found = [None] * len(ids)
    for one, document in zip(ids, found, strict=True):
        if document is None or document:
            yield one, document if document and document[id_name] == one else None


class _Known(NamedTuple):
    """The names, and what they were read with."""

    inventory: Inventory | None
    seen: int
    last: int
    names: list[str]


class DeviceNames:
    """Keeps the names as long as none is new."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = _Known(None, 0, 0, [])

    def all(self, inventory: Inventory, seen: int, last: int) -> list[str]:
        """Of every device of the inventory and every one that was seen, sorted.

        No device is ever taken out of the set: its size shows whether one is new. A Redis that has lost changes may
        hold others; its last change has a lower number.

        Args:
            inventory: as it is now.
            seen: how many devices Redis holds.
            last: the number of the last change.

        Raises:
            RedisUnavailable: Redis does not answer.
        """
        known = self._known
        if known.inventory is not inventory or known.seen != seen or last < known.last:
            names = sorted(set(members(self._database, keys.DEVICES)) | set(inventory.by_name))
            known = _Known(inventory, seen, last, names)
        self._known = known._replace(last=last)
        return known.names
