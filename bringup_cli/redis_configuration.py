"""The text of ``redis.conf`` and ``sentinel.conf`` for the present settings.

Plain for development, mutual TLS alone for production.
"""

from ipaddress import ip_address
from pathlib import Path

from bringup.settings import Address, Settings

_HEAD = """\
# Made by `bringup redis-conf`. Holds secrets or names the files that do: mode 0600.
bind {bind}
protected-mode yes
dir {data}
# A lease is acknowledged only when it is on disk; with everysec a power failure may cost the last two seconds.
appendonly yes
appendfsync {appendfsync}
save ""
# Jobs must never be evicted: a full Redis refuses writes, and every service waits and logs it.
maxmemory-policy noeviction
# A run, a device and a job are small hashes, of which one or two fields are long (a verdict, a job's data). With
# Redis's 64 bytes they would take twice the memory. Of more or longer fields each is found by its hash again.
hash-max-listpack-entries 128
hash-max-listpack-value 4096
"""
_PLAIN = """\
port {port}
"""
_TLS = """\
# No plain-text port.
port 0
tls-port {port}
"""
# The oldest TLS version and the ciphers of TLS 1.2 that our ECDSA certificates can use.
# Source: Mozilla's intermediate configuration (https://wiki.mozilla.org/Security/Server_Side_TLS).
_SERVER_CERTIFICATE = """\
tls-cert-file {cert}
tls-key-file {key}
tls-ca-cert-file {ca}
tls-auth-clients yes
tls-protocols "TLSv1.2 TLSv1.3"
tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305
tls-replication yes
"""
# Our certificates are for one use each: a server that connects to another one shows that of a client.
_CLIENT_CERTIFICATE = """\
tls-client-cert-file {cert}
tls-client-key-file {key}
"""
_USERS = """\
# One user a role, each with its own password and rights.
aclfile {acl}
"""
# Two of these decide what a failover may cost: without min-replicas-to-write a master that is cut off would go on to
# acknowledge changes that nobody else has, and a replica counts as lost when it was silent for 10 s, Redis's default.
# Source: https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
_REPLICATION = """\
# Replication. Any of these servers may become the master: Sentinel writes here which one follows which.
replica-announce-ip {host}
replica-announce-port {port}
masteruser replica
masterauth {password}
# A master without any replica takes no writes: they would be lost with it.
min-replicas-to-write 1
min-replicas-max-lag 10
# A replica that comes back is needed at once; the default waits 5 s for others that might want the same.
repl-diskless-sync-delay 0
"""
_SENTINEL = """\
# Made by `bringup redis-conf`. Sentinel keeps its own state here: this file must stay on this host's disk, writable.
bind {bind}
protected-mode yes
dir {data}
aclfile {acl}
"""
_MONITOR_WORDS = 6  # of a line: sentinel monitor NAME HOST PORT QUORUM
# 3 s: long enough for a busy host and for fresh replication offsets, by which the next master is chosen (docs/ha.md).
# 6 s: a failover that does not succeed in this time is tried again after twice as long.
_MASTER = """\
sentinel resolve-hostnames {names}
sentinel announce-hostnames {names}
sentinel announce-ip {host}
sentinel announce-port {port}
sentinel monitor {name} {master_host} {master_port} {quorum}
sentinel down-after-milliseconds {name} 3000
sentinel failover-timeout {name} 6000
sentinel parallel-syncs {name} 1
sentinel auth-user {name} sentinel
sentinel auth-pass {name} {password}
sentinel sentinel-user peer
sentinel sentinel-pass {peer_password}
sentinel deny-scripts-reconfig yes
"""


def redis_configuration(
    settings: Settings,
    folder: Path,
    *,
    bind: str = "127.0.0.1",
    address: Address | None = None,
    replica_password: str = "",
) -> str:
    """The text of ``redis.conf``.

    Args:
        settings: of this installation.
        folder: where the file will be, with ``users.acl`` beside it and the data below it.
        bind: addresses that the server listens on, blank between them.
        address: host and port of this server; None: it is that of REDIS_HOST and REDIS_PORT.
        replica_password: with REDIS_SENTINELS what this server, as a replica, logs in with at its master.
    """
    folder, address = folder.resolve(), address or (settings.redis_host, settings.redis_port)
    text = _HEAD.format(bind=bind, data=_quoted(folder / "data"), appendfsync=settings.redis_appendfsync)
    if settings.redis_use_tls:
        text += _TLS.format(port=address[1]) + _certificates(settings)
    else:
        text += _PLAIN.format(port=address[1])
    text += _USERS.format(acl=_quoted(folder / "users.acl"))
    return text + (_replication(settings, address, replica_password) if settings.sentinels else "")


def sentinel_configuration(
    settings: Settings, folder: Path, *, bind: str, address: Address, password: str, peer_password: str
) -> str:
    """The text of ``sentinel.conf``.

    Args:
        settings: of this installation.
        folder: where the file will be, with ``sentinel.acl`` beside it.
        bind: addresses that the sentinel listens on, blank between them.
        address: host and port of this sentinel, as others reach it.
        password: what it logs in with at Redis.
        peer_password: what it logs in with at the other sentinels.
    """
    folder = folder.resolve()
    text = _SENTINEL.format(bind=bind, data=_quoted(folder / "data"), acl=_quoted(folder / "sentinel.acl"))
    if settings.redis_use_tls:
        text += f"port 0\ntls-port {address[1]}\n" + _certificates(settings)
    else:
        text += f"port {address[1]}\n"
    return text + _MASTER.format(
        names="no" if _is_address(settings.redis_host) else "yes",
        host=address[0],
        port=address[1],
        name=settings.redis_sentinel_name,
        master_host=settings.redis_host,
        master_port=settings.redis_port,
        quorum=len(settings.sentinels) // 2 + 1,
        password=_quoted(password),
        peer_password=_quoted(peer_password),
    )


def monitored_master(text: str, name: str) -> Address | None:
    """The master in a ``sentinel.conf``, which a sentinel writes anew at each failover; None: it names none.

    Args:
        text: of the file.
        name: REDIS_SENTINEL_NAME.
    """
    lines = [line.split() for line in text.splitlines()]
    found = [words for words in lines if words[:3] == ["sentinel", "monitor", name] and len(words) == _MONITOR_WORDS]
    return (found[-1][3].strip('"'), int(found[-1][4])) if found else None


def _certificates(settings: Settings) -> str:
    """The lines that make a server of Redis, or a sentinel, speak mutual TLS alone."""
    pki = settings.pki_dir.resolve()
    text = _SERVER_CERTIFICATE.format(
        cert=_quoted(pki / "redis/redis-cert.pem"),
        key=_quoted(pki / "redis/redis-key.pem"),
        ca=_quoted(settings.path_of("redis_tls_ca").resolve()),
    )
    if not settings.sentinels:
        return text
    cert, key = (_quoted(settings.path_of(name).resolve()) for name in ("redis_tls_cert", "redis_tls_key"))
    return text + _CLIENT_CERTIFICATE.format(cert=cert, key=key)


def _replication(settings: Settings, address: Address, password: str) -> str:
    text = _REPLICATION.format(host=address[0], port=address[1], password=_quoted(password))
    first = (settings.redis_host, settings.redis_port)
    return text + (f"replicaof {first[0]} {first[1]}\n" if address != first else "")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _quoted(value: object) -> str:
    """A value in the syntax of redis.conf: a password may hold blanks and quotes."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
