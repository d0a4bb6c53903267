"""The text of ``redis.conf`` for the present settings: plain for development, mutual TLS alone for production."""

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
# Jobs must never be evicted: a full Redis refuses writes, and every service waits and says so.
maxmemory-policy noeviction
"""
_PLAIN = """\
port {port}
requirepass {password}
"""
_TLS = """\
# No plain-text door.
port 0
tls-port {port}
"""
_CERTIFICATES = """\
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
# One user a role, each with its own password and rights; the default user is off.
aclfile {acl}
"""
_REPLICATION = """\
# Replication. Any of these servers may become the master: Sentinel writes here which one follows which.
replica-announce-ip {host}
replica-announce-port {port}
masterauth {password}
# A master without any replica takes no writes: they would be lost with it.
min-replicas-to-write 1
min-replicas-max-lag 10
# A replica that comes back is needed at once; the default waits 5 s for others that might want the same.
repl-diskless-sync-delay 0
"""


def configuration(
    settings: Settings,
    folder: Path,
    *,
    bind: str = "127.0.0.1",
    address: Address | None = None,
    replica_password: str = "",
) -> str:
    """The text of ``redis.conf``.

    Args:
        folder: where it will lie, with ``users.acl`` beside it and the data below it.
        bind: addresses that the server listens on, blank between them.
        address: host and port of this server; None: it is that of REDIS_HOST and REDIS_PORT.
        replica_password: with REDIS_SENTINELS what this server, as a replica, logs in with at its master.
    """
    folder, address = folder.resolve(), address or (settings.redis_host, settings.redis_port)
    text = _HEAD.format(bind=bind, data=quoted(folder / "data"), appendfsync=settings.redis_appendfsync)
    if settings.redis_use_tls:
        text += _TLS.format(port=address[1]) + certificates(settings) + _USERS.format(acl=quoted(folder / "users.acl"))
    else:
        password = settings.redis_password.get_secret_value() if settings.redis_password else ""
        text += _PLAIN.format(port=address[1], password=quoted(password))
    return text + (_replication(settings, address, replica_password) if settings.sentinels else "")


def certificates(settings: Settings) -> str:
    """The lines that make a server of Redis, or a sentinel, speak mutual TLS alone."""
    pki = settings.pki_dir.resolve()
    text = _CERTIFICATES.format(
        cert=quoted(pki / "redis/redis-cert.pem"),
        key=quoted(pki / "redis/redis-key.pem"),
        ca=quoted(settings.path_of("redis_tls_ca").resolve()),
    )
    if not settings.sentinels:
        return text
    cert, key = (quoted(settings.path_of(name).resolve()) for name in ("redis_tls_cert", "redis_tls_key"))
    return text + _CLIENT_CERTIFICATE.format(cert=cert, key=key)


def _replication(settings: Settings, address: Address, password: str) -> str:
    text = _REPLICATION.format(host=address[0], port=address[1], password=quoted(password))
    if settings.redis_use_tls:
        text += "masteruser replica\n"
    first = (settings.redis_host, settings.redis_port)
    return text + (f"replicaof {first[0]} {first[1]}\n" if address != first else "")


def quoted(value: object) -> str:
    """As redis.conf wants it: a password may hold blanks and quotes."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
