"""Playing the demonstration: start everything, feed the log, watch, and compare the end with what must be."""

import time
from collections.abc import Callable
from pathlib import Path

from bringup.model import Decision
from bringup.wire.run import Run, RunList
from bringup_cli.demo import scenario
from bringup_cli.demo.scenario import Part
from bringup_cli.demo.stack import Stack, free_port

_LONGEST_S = 100.0
_LOOK_EVERY_S = 0.3
_LINES_AT_ONCE = 10

Watch = Callable[[dict[str, Run]], None]


def play(folder: Path, watch: Watch, say: Callable[[str], None], *, use_tls: bool = False) -> dict[str, Run]:
    """Run the demonstration under ``folder``; returns the run of each machine that got one.

    Args:
        use_tls: every connection on mutual TLS.
        watch: called with the runs by device, whenever there may be news.
        say: called with one line for each thing that begins.

    Raises:
        StackError: a part of the stack did not start.
    """
    bmc_port = free_port()
    (folder / "devices.toml").write_text(scenario.inventory(bmc_port))
    (folder / "dnsmasq.log").touch()
    flags = dict.fromkeys(("REDIS_USE_TLS", "API_USE_TLS", "API_REQUIRE_CLIENT_CERT"), str(use_tls).lower())
    with Stack(folder, scenario.SETTINGS | flags) as stack:
        _start(stack, say)
        say("Feeding the log of a real dnsmasq to the tailer")
        _feed(folder / "dnsmasq.log")
        return _watch_to_the_end(stack, watch)


def as_expected(part: Part, run: Run | None) -> bool:
    """Whether a machine's run came to the end that the scenario says."""
    return run is not None and run.closed_at is not None and (run.state, run.reason) == (part.ends, part.reason)


def _start(stack: Stack, say: Callable[[str], None]) -> None:
    settings = stack.settings
    how = "mutual TLS, one user a role" if settings.redis_use_tls else "plain, with a password"
    say(f"redis-server on 127.0.0.1:{settings.redis_port}: {how}; append-only file on")
    stack.start_redis()
    say(f"API under gunicorn on {settings.api_url}")
    stack.start("api")
    say("Workers, SIMULATED fleet, DHCP tailer")
    stack.start("simulate", "--boot-seconds", "1.5", "--check-seconds", "1", *scenario.faults())
    stack.start("work")
    stack.start("tail")


def _feed(path: Path) -> None:
    lines = scenario.dhcp_log()
    with path.open("a", encoding="utf-8", errors="surrogateescape") as log:
        for start in range(0, len(lines), _LINES_AT_ONCE):
            log.writelines(lines[start : start + _LINES_AT_ONCE])
            log.flush()
            time.sleep(0.03)


def _watch_to_the_end(stack: Stack, watch: Watch) -> dict[str, Run]:
    deadline = time.monotonic() + _LONGEST_S
    while True:
        by_device = _main_runs(stack.api.get("/runs?limit=1000", RunList).runs)
        watch(by_device)
        ended = all(part.name in by_device and by_device[part.name].closed_at for part in scenario.PARTS)
        if ended or time.monotonic() > deadline:
            return by_device
        time.sleep(_LOOK_EVERY_S)


def _main_runs(runs: tuple[Run, ...]) -> dict[str, Run]:
    """One run a device: the one that was started, else the first that was only written down."""
    oldest_first = sorted(runs, key=lambda run: (run.decision is not Decision.START, run.created_at))
    by_device: dict[str, Run] = {}
    for run in oldest_first:
        by_device.setdefault(run.device, run)
    return by_device
