"""What ``bringup tail`` reports to its service manager, on a real socket. Source: sd_notify(3)."""

import socket
from pathlib import Path
from typing import Any

from bringup.service_manager import Notifier


def test_a_tailer_is_ready_when_redis_takes_writes_and_not_before(
    tailer: Any, own_redis: Any, until: Any, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        own_redis.kill()
        tailer.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000")
        assert manager.recv(200).startswith(b"EXTEND_TIMEOUT_USEC=")
        own_redis.start()
        messages: list[bytes] = []
        while not any(message.startswith(b"WATCHDOG=1") for message in messages):
            messages.append(manager.recv(200))
        waiting, last = messages[:-2], messages[-2:]
        assert [message.split(b"\n")[0] for message in last] == [b"READY=1", b"WATCHDOG=1"]
        assert all(message.startswith(b"EXTEND_TIMEOUT_USEC=") for message in waiting)


def test_a_service_goes_on_while_the_socket_of_its_manager_is_away(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "gone"), 60.0)
    notifier.ready()
    notifier.beat()
    notifier.stopping()
