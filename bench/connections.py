"""A new mTLS connection to Redis until it can be used: what it takes, and what it costs both sides.

The baselines are redis-py's own connection, which builds a context each time, and ours with a full handshake. The
three take turns, so that other load on the machine meets all alike.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import redis

from bench.processes import cpu_s
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from bringup.tls_sessions import TlsSessions
from bringup_cli.demo.stack import Stack

# Milliseconds of the median, on a quiet machine: far below what a boot waits for its BMC.
_WANTED_MS = 2.0
# Connections of one kind in a row, so that the processor time of Redis, counted in hundredths of a second, is known.
_IN_A_ROW = 50


@dataclass
class _Kind:
    connect: Callable[[], Any]
    took_ms: list[float] = field(default_factory=list)
    own_cpu_s: float = 0.0
    redis_cpu_s: float = 0.0

    def cells(self) -> str:
        count = len(self.took_ms)
        lowest, median = min(self.took_ms), statistics.median(self.took_ms)
        return (
            f"{lowest:.2f} | {median:.2f} | {self.own_cpu_s / count * 1000:.2f} | {self.redis_cpu_s / count * 1000:.2f}"
        )


@click.command()
@click.option("--rounds", default=6, show_default=True, help="Of fifty connections of each kind.")
def main(rounds: int) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="bench-") as text:
        folder = Path(text)
        (folder / "devices.toml").touch()
        with Stack(folder, {"REDIS_USE_TLS": "true"}) as stack:
            stack.start_redis()
            settings = stack.settings_of("worker")
            kinds = {
                "redis-py's own": _Kind(_of_redis_py(settings)),
                "full handshake": _Kind(_ours(settings, resume=False)),
                "resumed": _Kind(_ours(settings, resume=True)),
            }
            for _ in range(rounds):
                for kind in kinds.values():
                    _measure(kind, stack.pid("redis"))
    click.echo("| connection | lowest ms | median ms | own CPU ms | CPU ms of Redis |\n|---|--:|--:|--:|--:|")
    for name, kind in kinds.items():
        click.echo(f"| {name} | {kind.cells()} |")
    median = statistics.median(kinds["resumed"].took_ms)
    ratio = median / statistics.median(kinds["full handshake"].took_ms)
    click.echo(
        f"\nresumed: {ratio:.2f} x a full handshake; {'below' if median < _WANTED_MS else 'above'} {_WANTED_MS} ms"
    )


def _measure(kind: _Kind, redis_pid: int) -> None:
    own, redis_before = time.process_time(), cpu_s(redis_pid)
    for _ in range(_IN_A_ROW):
        began = time.perf_counter()
        connection = kind.connect()
        connection.connect()
        kind.took_ms.append((time.perf_counter() - began) * 1000)
        connection.disconnect()
    kind.own_cpu_s += time.process_time() - own
    kind.redis_cpu_s += cpu_s(redis_pid) - redis_before


def _ours(settings: Settings, *, resume: bool) -> Callable[[], Any]:
    pool = connect_redis(settings, ClientContexts(), name="bench").connection_pool
    pool.max_connections = 1_000_000  # it counts those that it has made, and these are made past it

    def connect() -> Any:
        if not resume:
            pool.connection_kwargs["sessions"] = TlsSessions()
        return pool.make_connection()

    return connect


def _of_redis_py(settings: Settings) -> Callable[[], Any]:
    password = settings.redis_password
    return lambda: redis.SSLConnection(
        host=settings.redis_host,
        port=settings.redis_port,
        username=settings.redis_username,
        password=password.get_secret_value() if password else None,
        ssl_ca_certs=str(settings.path_of("redis_tls_ca")),
        ssl_certfile=str(settings.path_of("redis_tls_cert")),
        ssl_keyfile=str(settings.path_of("redis_tls_key")),
    )


if __name__ == "__main__":
    main()
