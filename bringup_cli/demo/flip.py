"""The flip: development mode, self-test, both flags on, restart, self-test again."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bringup.wire.operator import QueueList
from bringup_cli.demo.stack import Stack

DEVELOPMENT = {"ENVIRONMENT": "development", "API_WORKERS": "1"}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "REDIS_USE_TLS": "true",
    "API_USE_TLS": "true",
    "API_REQUIRE_CLIENT_CERT": "true",
}
# How long worker and tailer may take to report after their start. They need a second; on a busy computer many times as
# long. What has not reported then, the self-test reports.
_REPORTED_S = 60.0
_POLL_S = 0.2
_SERVICES = ("api", "work", "tail")  # in the order in which they start

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Phase:
    """One of the two self-tests.

    Args:
        settings: what was changed for it.
        output: what it printed on the terminal, and ``report`` in Markdown.
    """

    title: str
    settings: Mapping[str, str]
    passed: bool
    output: str
    report: str


def flip(folder: Path, progress: Progress) -> tuple[Phase, Phase]:
    """Both self-tests, before and after, of one stack under ``folder`` that keeps its data.

    Raises:
        StackError: a process of the stack did not start, or ended.
    """
    (folder / "devices.toml").touch()
    (folder / "dnsmasq.log").touch()
    with Stack(folder, DEVELOPMENT) as stack:
        progress("Development: Redis with a password, HTTP; no certificates")
        before = _run_phase(stack, "Before: development", DEVELOPMENT)
        progress("The flip: " + ", ".join(f"{name}={value}" for name, value in PRODUCTION.items()))
        for name in (*reversed(_SERVICES), "redis"):
            stack.stop(name)
        stack.configure(PRODUCTION)
        progress("Production: `bringup pki setup` and `bringup redis-conf` have run, everything starts again")
        return before, _run_phase(stack, "After: production", PRODUCTION)


def as_markdown(phases: tuple[Phase, Phase], command: str) -> str:
    """Both reports as one document. ``command``: the one that made it."""
    lines = [
        "# Mutual TLS test results",
        "",
        f"Made by `{command}`.",
        "It starts redis-server, the API, a worker and the tailer in development mode and runs `bringup selftest`;",
        "then it changes the settings named below, restarts everything, and runs the self-test again.",
        "Paths are relative to the folder of this installation, which is deleted afterwards.",
    ]
    for phase in phases:
        changed = ", ".join(f"`{name}={value}`" for name, value in phase.settings.items())
        lines += ["", f"## {phase.title}", "", changed, "", _one_level_down(phase.report).rstrip()]
    return "\n".join(lines) + "\n"


def _run_phase(stack: Stack, title: str, settings: Mapping[str, str]) -> Phase:
    stack.start_redis()
    for service in _SERVICES:
        stack.start(service)
    _await_services(stack)
    report = stack.folder / "report.md"
    done = stack.command("selftest", "--report", str(report), role="worker", check=False)
    stack.check_all_run()
    # Paths as a reader has them, who runs the commands in the folder of an installation: this one is deleted.
    text = report.read_text().replace(f"{stack.folder}/", "").replace(str(stack.folder), ".")
    return Phase(title, settings, done.returncode == 0, done.stdout + done.stderr, text)


def _await_services(stack: Stack) -> None:
    """Return when a worker serves each queue and a tailer has reported, which the self-test asks for.

    Raises:
        StackError: one of them has ended.
    """
    deadline = time.monotonic() + _REPORTED_S
    while time.monotonic() < deadline:
        found = stack.api.get("/queues", QueueList)
        if found.tailers and all(queue.workers for queue in found.queues):
            return
        stack.check_all_run()
        time.sleep(_POLL_S)


def _one_level_down(report: str) -> str:
    """The report without its own title, each heading one level deeper."""
    body = report.split("\n", 1)[1].lstrip("\n")
    return re.sub(r"^#", "##", body, flags=re.MULTILINE)
