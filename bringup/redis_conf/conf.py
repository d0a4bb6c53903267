"""The text of ``redis.conf`` for the present settings: plain for development, mutual TLS alone for production."""

from pathlib import Path

from bringup.settings import Settings

_HEAD = """\
# Made by `bringup redis-conf`. Holds secrets or names the files that do: mode 0600.
bind {bind}
protected-mode yes
dir {data}
# A lease is acknowledged only when it is on disk.
appendonly yes
appendfsync always
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
tls-cert-file {cert}
tls-key-file {key}
tls-ca-cert-file {ca}
tls-auth-clients yes
tls-protocols "TLSv1.2 TLSv1.3"
tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305
tls-replication yes
# One user a role, each with its own password and rights; the default user is off.
aclfile {acl}
"""


def configuration(settings: Settings, folder: Path, *, bind: str = "127.0.0.1") -> str:
    """The text of ``redis.conf``.

    Args:
        folder: where it will lie, with ``users.acl`` beside it and the data below it.
        bind: addresses that the server listens on, blank between them.
    """
    folder = folder.resolve()
    head = _HEAD.format(bind=bind, data=_quoted(folder / "data"))
    if not settings.redis_use_tls:
        password = settings.redis_password.get_secret_value() if settings.redis_password else ""
        return head + _PLAIN.format(port=settings.redis_port, password=_quoted(password))
    pki = settings.pki_dir.resolve()
    return head + _TLS.format(
        port=settings.redis_port,
        cert=_quoted(pki / "redis/redis-cert.pem"),
        key=_quoted(pki / "redis/redis-key.pem"),
        ca=_quoted(settings.path_of("redis_tls_ca").resolve()),
        acl=_quoted(folder / "users.acl"),
    )


def _quoted(value: object) -> str:
    """As redis.conf wants it: a password may hold blanks and quotes."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
