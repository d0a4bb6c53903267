"""What the agent does to its machine: the one seam between its decisions and the world."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

_LONGEST_DEATH_S = 2.0  # from SIGKILL to the end of a process that can end


class Outcome(NamedTuple):
    """How a program ended: ``code`` is negative for a signal, and None where it did not end in time, or is not there.

    ``problem`` says which of these.
    """

    code: int | None
    output: str
    problem: str = ""


class Effects(NamedTuple):
    """Everything with an effect, so that a test can be a machine."""

    write_line: Callable[[str], None]
    now: Callable[[], float]  # the system clock, seconds since 1970
    monotonic: Callable[[], float]
    set_clock: Callable[[float], None]
    pause: Callable[[float], None]
    execute: Callable[[Sequence[str], float], Outcome]  # seconds it may take
    power_off: Callable[[], None]
    halt: Callable[[], None]  # waits for ever


def real_effects() -> Effects:
    """The effects on the machine that this runs on."""
    return Effects(
        write_line=_write_line,
        now=time.time,
        monotonic=time.monotonic,
        set_clock=lambda seconds: time.clock_settime(time.CLOCK_REALTIME, seconds),
        pause=time.sleep,
        execute=execute,
        power_off=_power_off,
        halt=_halt,
    )


def execute(command: Sequence[str], timeout_s: float) -> Outcome:
    """Run a program, never through a shell, for at most ``timeout_s``.

    Its output goes to a file in memory and not to a pipe: udhcpc stays in the background with it open, and the
    end of a pipe would never come.
    """
    descriptor = os.memfd_create("output")
    try:
        code, problem = _run(command, descriptor, timeout_s)
        return Outcome(code, os.pread(descriptor, 1024**2, 0).decode("utf-8", "replace"), problem)
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
    """End it, and do not wait for ever: the kernel ends no process that waits for a dead disk."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LONGEST_DEATH_S)


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
