"""Playing the demonstration: start everything, feed the log, watch, and compare each end with the expected one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bringup.model import Decision
from bringup.wire.run import Run, RunList
from bringup_cli.demo import scenario
from bringup_cli.demo.stack import Stack, free_port

# How long the demonstration waits for the ends of all runs. The longest is that of a machine that boots, calls once
# and times out within RUN_TIMEOUT_S (20 s, `scenario`); five times as long is for a slow computer.
_LONGEST_S = 100.0
# How often the runs are read, for a person who watches.
_READ_EVERY_S = 0.3
# How many lines of the log are written at once, and the pause after them: leases arrive over a second or two, as they
# do from a rack that is switched on, not all in one write.
_LINES_AT_ONCE = 10
_PAUSE_S = 0.03

# Called with the runs by device, whenever one may have changed.
Watch = Callable[[dict[str, Run]], None]


@contextmanager
def running(folder: Path, progress: Callable[[str], None], *, use_tls: bool = False) -> Iterator[Stack]:
    """The stack of the demonstration, which runs and has no lease yet; it ends with the block.

    Args:
        folder: holds the settings, the data and the logs of the stack.
        progress: called with one line for each step that begins.
        use_tls: every connection uses mutual TLS.

    Raises:
        StackError: a process of the stack did not start.
    """
    bmc_port = free_port()
    (folder / "devices.toml").write_text(scenario.inventory(bmc_port))
    (folder / "dnsmasq.log").touch()
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS", "API_REQUIRE_CLIENT_CERT"), str(use_tls).lower())
    with Stack(folder, scenario.SETTINGS | flags) as stack:
        _start(stack, progress)
        yield stack


def play(stack: Stack, watch: Watch, progress: Callable[[str], None]) -> dict[str, Run]:
    """The run of each machine that got one, after the whole demonstration.

    Args:
        stack: runs.
        watch: called with the runs by device, whenever one may have changed.
        progress: called with one line for each step that begins.
    """
    progress("Feeding the log of a real dnsmasq to the tailer")
    _feed(stack.folder / "dnsmasq.log")
    return _watch_to_the_end(stack, watch)


def as_expected(machine: scenario.DemoMachine, run: Run | None) -> bool:
    """Whether a machine's run came to the end that the scenario names."""
    return run is not None and run.closed_at is not None and (run.state, run.reason) == (machine.ends, machine.reason)


def _start(stack: Stack, progress: Callable[[str], None]) -> None:
    settings = stack.settings
    how = "mutual TLS, one user a role" if settings.redis_use_tls else "plain, with a password"
    progress(f"redis-server on 127.0.0.1:{settings.redis_port}: {how}; append-only file on")
    stack.start_redis()
    progress(f"API under gunicorn on {settings.api_url}")
    stack.start("api")
    progress("Workers, SIMULATED fleet, DHCP tailer")
    stack.start("simulate", "--boot-seconds", "1.5", "--check-seconds", "1", *scenario.faults())
    stack.start("work")
    stack.start("tail")


def _feed(path: Path) -> None:
    lines = scenario.dhcp_log()
    with path.open("a", encoding="utf-8", errors="surrogateescape") as log:
        for start in range(0, len(lines), _LINES_AT_ONCE):
            log.writelines(lines[start : start + _LINES_AT_ONCE])
            log.flush()
            time.sleep(_PAUSE_S)


def _watch_to_the_end(stack: Stack, watch: Watch) -> dict[str, Run]:
    deadline = time.monotonic() + _LONGEST_S
    while True:
        by_device = _main_runs(stack.api.get("/runs?limit=1000", RunList).runs)
        watch(by_device)
        ended = all(machine.name in by_device and by_device[machine.name].closed_at for machine in scenario.MACHINES)
        if ended or time.monotonic() > deadline:
            return by_device
        time.sleep(_READ_EVERY_S)


def _main_runs(runs: tuple[Run, ...]) -> dict[str, Run]:
    """One run a device: the one that was started, else the first that was only recorded."""
    oldest_first = sorted(runs, key=lambda run: (run.decision is not Decision.START, run.created_at))
    by_device: dict[str, Run] = {}
    for run in oldest_first:
        by_device.setdefault(run.device, run)
    return by_device
