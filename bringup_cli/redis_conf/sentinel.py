"""The text of ``sentinel.conf``: who watches the master, and when another server takes its place."""

from ipaddress import ip_address
from pathlib import Path

from bringup.settings import Address, Settings
from bringup_cli.redis_conf.conf import certificates, quoted

_HEAD = """\
# Made by `bringup redis-conf`. Sentinel keeps its own state here: this file must stay on this host's disk, writable.
bind {bind}
protected-mode yes
dir {data}
aclfile {acl}
"""
_MONITOR_WORDS = 6  # sentinel monitor NAME HOST PORT QUORUM
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
sentinel auth-pass {name} {password}
sentinel sentinel-user peer
sentinel sentinel-pass {peer_password}
sentinel deny-scripts-reconfig yes
"""


def sentinel_configuration(
    settings: Settings, folder: Path, *, bind: str, address: Address, password: str, peer_password: str
) -> str:
    """The text of ``sentinel.conf``.

    Args:
        folder: where it will lie, with ``sentinel.acl`` beside it.
        bind: addresses that the sentinel listens on, blank between them.
        address: host and port of this sentinel, as others reach it.
        password: what it logs in with at Redis.
        peer_password: what it logs in with at the other sentinels.
    """
    folder = folder.resolve()
    text = _HEAD.format(bind=bind, data=quoted(folder / "data"), acl=quoted(folder / "sentinel.acl"))
    if settings.redis_use_tls:
        text += f"port 0\ntls-port {address[1]}\n" + certificates(settings)
    else:
        text += f"port {address[1]}\n"
    text += _MASTER.format(
        names="no" if _is_address(settings.redis_host) else "yes",
        host=address[0],
        port=address[1],
        name=settings.redis_sentinel_name,
        master_host=settings.redis_host,
        master_port=settings.redis_port,
        quorum=len(settings.sentinels) // 2 + 1,
        password=quoted(password),
        peer_password=quoted(peer_password),
    )
    return text + (f"sentinel auth-user {settings.redis_sentinel_name} sentinel\n" if settings.redis_use_tls else "")


def monitored_master(text: str, name: str) -> Address | None:
    """The master in a ``sentinel.conf``, which a sentinel writes anew at each failover; None: it names none.

    Args:
        text: of the file.
        name: REDIS_SENTINEL_NAME.
    """
    lines = [line.split() for line in text.splitlines()]
    found = [words for words in lines if words[:3] == ["sentinel", "monitor", name] and len(words) == _MONITOR_WORDS]
    return (found[-1][3].strip('"'), int(found[-1][4])) if found else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
