"""The machine that the agent runs on, and everything the agent does to it: tests replace `System` and `Kernel`."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from agent.kernel import Kernel
from agent.log import Log
from agent.text import device_text, read_text

# Seconds between SIGKILL and the end of the process. A process that waits for a dead disk never ends; do not wait.
_KILL_TIMEOUT_S = 2.0
# Bytes of a program's output that are read: smartctl writes a few KiB of JSON (tests/data/smartctl).
_MAX_OUTPUT_BYTES = 1024**2


class CommandResult(NamedTuple):
    """How a program ended.

    Args:
        code: its exit status, negative for a signal; None where it did not start or did not end in time.
        output: what it wrote to standard output.
        problem: why ``code`` is None; "" otherwise.
    """

    code: int | None
    output: str
    problem: str = ""


class System(NamedTuple):
    """Every action with an effect outside the agent, as a function, so that a test can act as the machine.

    Args:
        write_line: writes a line to the console.
        now: the system clock, seconds since 1970.
        monotonic: seconds since the boot; never set.
        set_clock: sets the system clock, seconds since 1970.
        pause: sleeps, seconds.
        execute: runs a program, for at most that many seconds.
        power_off: switches the machine off.
        halt: never returns.
    """

    write_line: Callable[[str], None]
    now: Callable[[], float]
    monotonic: Callable[[], float]
    set_clock: Callable[[float], None]
    pause: Callable[[float], None]
    execute: Callable[[Sequence[str], float], CommandResult]
    power_off: Callable[[], None]
    halt: Callable[[], None]


class LocalSystem(NamedTuple):
    """What all parts of the agent work on. ``root`` is the folder that holds /proc, /sys, /dev and /etc."""

    root: Path
    system: System
    kernel: Kernel
    log: Log

    @property
    def boot_id(self) -> str:
        """The kernel's identifier of this boot. Source: random(4)."""
        return device_text(read_text(self.root / "proc/sys/kernel/random/boot_id"))[:64] or "unknown"


def real_system() -> System:
    """The machine that this process runs on."""
    return System(
        write_line=_write_line,
        now=time.time,
        monotonic=time.monotonic,
        set_clock=lambda seconds: time.clock_settime(time.CLOCK_REALTIME, seconds),
        pause=time.sleep,
        execute=execute,
        power_off=_power_off,
        halt=_halt,
    )


def execute(command: Sequence[str], timeout_s: float) -> CommandResult:
    """Run a program, never through a shell, for at most ``timeout_s``.

    Its output goes to a file in memory, not to a pipe: udhcpc stays in the background with the descriptor open, so
    a pipe would never reach its end.
    """
    descriptor = os.memfd_create("output")
    try:
        code, problem = _run(command, descriptor, timeout_s)
        output = os.pread(descriptor, _MAX_OUTPUT_BYTES, 0).decode("utf-8", "replace")
        return CommandResult(code, output, problem)
    finally:
        os.close(descriptor)


def _run(command: Sequence[str], descriptor: int, timeout_s: float) -> tuple[int | None, str]:
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed command with names of the kernel's devices
            command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        return None, f"cannot be started: {error.strerror or type(error).__name__}"
    try:
        return process.wait(timeout_s), ""
    except subprocess.TimeoutExpired:
        _kill(process)
        return None, f"did not end within {timeout_s:g} s"


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_TIMEOUT_S)


def _write_line(line: str) -> None:
    try:
        sys.stdout.write(line.encode("ascii", "backslashreplace").decode("ascii") + "\n")
        sys.stdout.flush()
    except OSError:
        pass  # a console that is gone must not end a run


def _power_off() -> None:
    os.sync()
    execute(["poweroff", "-f"], 60)


def _halt() -> None:
    while True:
        time.sleep(3600)
