"""A redis-server of our own on a free loopback port, set as bringup ships it."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def own_redis(folder: Path) -> Iterator[dict[str, str]]:
    """The environment that leads to it; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "redis.conf"
    config.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass bench-password\ndir {folder}\nappendonly yes\n"
        'appendfsync always\nsave ""\n'
    )
    process = subprocess.Popen(["redis-server", str(config)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield {"REDIS_PORT": str(port), "REDIS_PASSWORD": "bench-password"}
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("redis-server did not start")
