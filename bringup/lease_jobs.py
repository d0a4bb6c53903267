"""What puts leases on their queue, each as one job, once, however often its record is read: a script, and its input."""

from typing import NamedTuple

from bringup import model

# Puts leases on their queue whose jobs are not there yet. One script: between a look and a write of its own, another
# tailer could add the same lease. The queue is written first: were it of another type, no job would be left without a
# place on it. Where nothing is new the barrier is written, so that there is what the replicas confirm. HGET may be
# forbidden, by a users.acl of an older version: then a lease that is there is a duplicate.
# KEYS: the queue, rq's set of queues, the barrier, the job of each lease. ARGV: name, start and counted of the reader,
# how many arguments all jobs share, these, and then for each lease job id, number, description and data.
ADD_LEASES = """
local reader, start, counted, shared = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local fields, found, ids, new, seen = {unpack(ARGV, 5, shared + 4)}, {}, {}, {}, {}
local function is_of_this_record(key, record)
    local known = redis.pcall('HGET', key, 'record')
    if known == record or type(known) ~= 'string' then
        return known == record
    end
    local by, at, number = string.match(known, '^(.-):(.-):(%d+)$')
    if by ~= reader or at == start or tonumber(number) <= counted then
        return false
    end
    redis.call('HSET', key, 'record', record)
    return true
end
for i = 4, #KEYS do
    local at = shared + 5 + 4 * (i - 4)
    local record = reader .. ':' .. start .. ':' .. ARGV[at + 1]
    if seen[KEYS[i]] then
        found[i - 3] = 0
    elseif redis.call('EXISTS', KEYS[i]) == 1 then
        found[i - 3] = reader ~= '' and is_of_this_record(KEYS[i], record) and 1 or 0
    else
        found[i - 3], ids[#ids + 1], new[#new + 1] = 1, ARGV[at], {KEYS[i], at, record}
    end
    seen[KEYS[i]] = true
end
if #new == 0 then
    redis.call('SET', KEYS[3], 1)
    return found
end
redis.call('RPUSH', KEYS[1], unpack(ids))
redis.call('SADD', KEYS[2], KEYS[1])
for _, job in ipairs(new) do
    local at = job[2]
    fields[shared + 1], fields[shared + 2] = 'record', job[3]
    fields[shared + 3], fields[shared + 4] = 'description', ARGV[at + 2]
    fields[shared + 5], fields[shared + 6] = 'data', ARGV[at + 3]
    redis.call('HSET', job[1], unpack(fields))
end
return found
"""


class RecordReader(NamedTuple):
    """Who reads the records that leases come from, and counts them.

    Args:
        name: the same after a kill, and no other reader's; empty: nobody counts.
        start: names this start of it.
        counted: records that it had counted before this start. Leases of later ones that are there already were
            queued by itself, before it was killed, and are counted now.
    """

    name: str = ""
    start: str = ""
    counted: int = 0


# For leases whose reader counts nothing.
NOBODY = RecordReader()


class LeaseRecord(NamedTuple):
    """A lease, and the number of the record that it was read from, as its reader counts them."""

    event: model.LeaseEvent
    number: int = 0
