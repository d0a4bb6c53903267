"""What short commands cost: processor time of a whole process, beside Python that does nothing and imports pydantic.

Real processes and a real API, plain and with mutual TLS. The least of several rounds counts: other work on the machine
can only add to it. Ratios to the baseline of the same run are what to compare between machines.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from bringup_cli.demo.stack import Stack

# Seconds of processor time that a command which reads may take (issue of the operator's page).
_WANTED_S = 0.35
# Commands on a host without an API: a person waits for these at the prompt.
_HERE = (("--version",), ("--help",), ("config",), ("site", "--help"), ("pki", "--help"), ("completion", "bash"))
# Commands that read from the API.
_READ = (
    *(("runs",), ("runs", "--output", "json"), ("devices",), ("devices", "--output", "json")),
    *(("device", "show", "m1"), ("explain", "m1"), ("queues",), ("run", "show", "none"), ("run", "report", "none")),
)
_BASELINES = {
    "python -c pass": "pass",
    "python, and a model of pydantic": "import pydantic\nclass Model(pydantic.BaseModel):\n    x: int",
}
_ENTRY = '[[device]]\nname = "m1"\nbmc_mac = "02:00:00:00:00:01"\nbmc = "simulated://127.0.0.1:9/m1"\n'


@click.command()
@click.option("--rounds", default=7, show_default=True, help="The least of so many counts.")
def main(rounds: int) -> None:
    """Measure, and fail if a command that reads takes more than what is promised."""
    baseline = {name: _least([sys.executable, "-c", code], {}, Path("/"), rounds) for name, code in _BASELINES.items()}
    for name, seconds in baseline.items():
        click.echo(f"{name:<44}{seconds:7.3f} s")
    pydantic_s = max(baseline.values())
    slow = []
    for tls in ("false", "true"):
        for words, seconds in _measured(tls, rounds):
            click.echo(f"bringup {' '.join(words):<36}{seconds:7.3f} s   {seconds / pydantic_s:4.1f} x pydantic")
            if seconds > _WANTED_S:
                slow.append(" ".join(words))
    if slow:
        sys.exit(f"above {_WANTED_S} s: {', '.join(slow)}")


def _measured(tls: str, rounds: int) -> list[tuple[Sequence[str], float]]:
    flags = {"ENVIRONMENT": "development", "API_USE_TLS": tls, "REDIS_USE_TLS": tls}
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as text, Stack(Path(text), flags) as stack:
        (stack.folder / "devices.toml").write_text(_ENTRY)
        stack.start_redis()
        stack.start("api")
        click.echo(f"API_USE_TLS={tls}")
        commands = (*_HERE, *_READ) if tls == "false" else _READ
        environ = stack.environment("operator")
        bringup = [sys.executable, "-m", "bringup"]
        return [(words, _least([*bringup, *words], environ, stack.folder, rounds)) for words in commands]


def _least(command: Sequence[str], environ: Mapping[str, str], folder: Path, rounds: int) -> float:
    """Seconds of processor time of one process and its children."""
    found = []
    for _ in range(rounds):
        before = _children_s()
        subprocess.run(
            command, cwd=folder, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, check=False
        )
        found.append(_children_s() - before)
    return min(found)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
