"""Every command of Redis, so that a role can be asked for each whether it may run it.

ACL DRYRUN wants as many arguments as the command takes; what they are does not matter to the right to run it.
"""

# By the fewest arguments: COMMAND of Redis 7.0, but for QUIT and RESET, which nobody can be denied. What a later
# version adds is refused by `-@all`, as all else.
_BY_ARGUMENTS = {
    0: """
        acl|cat acl|genpass acl|help acl|list acl|load acl|log acl|save acl|users acl|whoami asking bgrewriteaof
        bgsave client|getname client|getredir client|help client|id client|info client|list client|trackinginfo
        client|unpause cluster|bumpepoch cluster|failover cluster|flushslots cluster|help cluster|info
        cluster|links cluster|myid cluster|nodes cluster|reset cluster|saveconfig cluster|shards cluster|slots
        command|count command|docs command|help command|info command|list config|help config|resetstat
        config|rewrite dbsize discard exec failover flushall flushdb function|dump function|flush function|help
        function|kill function|list function|stats hello info lastsave latency|doctor latency|help
        latency|histogram latency|latest latency|reset lolwut memory|doctor memory|help memory|malloc-stats
        memory|purge memory|stats module|help module|list monitor multi object|help pfselftest ping
        pubsub|channels pubsub|help pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub
        punsubscribe randomkey readonly readwrite replconf role save script|flush script|help
        script|kill shutdown slowlog|get slowlog|help slowlog|len slowlog|reset sunsubscribe sync time
        unsubscribe unwatch xgroup|help xinfo|help
    """,
    1: """
        acl|deluser acl|getuser acl|setuser auth bitcount bitfield bitfield_ro client|caching client|kill
        client|no-evict client|pause client|reply client|setname client|tracking client|unblock cluster|addslots
        cluster|count-failure-reports cluster|countkeysinslot cluster|delslots cluster|forget cluster|keyslot
        cluster|replicas cluster|replicate cluster|set-config-epoch cluster|slaves config|get debug decr del
        dump echo exists expiretime function|delete function|load function|restore geohash geopos get getdel
        getex hgetall hkeys hlen hrandfield hvals incr keys latency|graph latency|history llen lpop memory|usage
        mget module|load module|loadex module|unload object|encoding object|freq object|idletime object|refcount
        persist pexpiretime pfadd pfcount pfmerge psubscribe pttl rpop scan scard script|debug script|exists
        script|load sdiff select sinter smembers sort sort_ro spop srandmember ssubscribe strlen subscribe
        sunion touch ttl type unlink watch xinfo|groups xinfo|stream xlen zcard zpopmax zpopmin zrandmember
    """,
    2: """
        acl|dryrun append bitpos blpop brpop bzpopmax bzpopmin cluster|addslotsrange cluster|delslotsrange
        cluster|getkeysinslot cluster|meet cluster|setslot command|getkeys command|getkeysandflags config|set
        copy decrby eval eval_ro evalsha evalsha_ro expire expireat fcall fcall_ro getbit getset hdel hexists
        hget hmget hscan hstrlen incrby incrbyfloat lcs lindex lpos lpush lpushx move mset msetnx pexpire
        pexpireat pfdebug psync publish rename renamenx replicaof rpoplpush rpush rpushx sadd sdiffstore set
        setnx sintercard sinterstore sismember slaveof smismember spublish srem sscan sunionstore swapdb wait
        xdel xgroup|destroy xinfo|consumers xpending xsetid zdiff zinter zintercard zmscore zrank zrem zrevrank
        zscan zscore zunion
    """,
    3: """
        bitop brpoplpush geodist getrange hincrby hincrbyfloat hmset hset hsetnx lmpop lrange lrem lset ltrim
        psetex restore restore-asking setbit setex setrange smove substr xack xgroup|create
        xgroup|createconsumer xgroup|delconsumer xgroup|setid xrange xread xrevrange xtrim zadd zcount
        zdiffstore zincrby zinterstore zlexcount zmpop zrange zrangebylex zrangebyscore zremrangebylex
        zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zunionstore
    """,
    4: """
        blmpop bzmpop geoadd georadiusbymember georadiusbymember_ro linsert lmove xadd zrangestore
    """,
    5: """
        blmove georadius georadius_ro migrate xautoclaim xclaim
    """,
    6: """
        geosearch xreadgroup
    """,
    7: """
        geosearchstore
    """,
}


def with_arguments() -> dict[str, list[str]]:
    """Each command, as ACL calls it, with words that ACL DRYRUN takes: ``config|get``: CONFIG GET x."""
    return {
        name: [*name.split("|"), *("x" * count)] for count, names in _BY_ARGUMENTS.items() for name in names.split()
    }
