"""A machine: QEMU without hardware virtualisation, which may be present and broken."""

import selectors
import subprocess
import time
from collections.abc import Sequence

TIMEOUT_S = 300


def console(arguments: Sequence[str], until: str) -> str:
    """What the machine's serial console says, up to the line that holds ``until``. Fails when that does not come."""
    command = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-nographic",
        "-no-reboot",
        "-monitor",
        "none",
        "-serial",
        "stdio",
    ]
    machine = subprocess.Popen(
        [*command, "-smp", "2", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        shown = _read(machine, until.encode())
    finally:
        machine.kill()
        machine.wait()
    text = shown.decode(errors="replace")
    assert until in text, f"the console never showed {until!r}:\n{text}"
    return text


def _read(machine: "subprocess.Popen[bytes]", until: bytes) -> bytes:
    assert machine.stdout
    shown, deadline = b"", time.monotonic() + TIMEOUT_S
    with selectors.DefaultSelector() as selector:
        selector.register(machine.stdout, selectors.EVENT_READ)
        while until not in shown and time.monotonic() < deadline:
            if selector.select(1):
                chunk = machine.stdout.read1(65536)  # type: ignore[attr-defined]
                if not chunk:
                    break
                shown += chunk
    return shown
