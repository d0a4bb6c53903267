"""Runs a site, disturbs it, and prints whether anything was lost: see scripts/e2e-chaos."""

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click

from tests.e2e.chaos import phases
from tests.e2e.chaos.record import Record
from tests.e2e.chaos.site import TLS, Site, site
from tests.e2e.chaos.table import Line, lines, show

_RATE = 2.0  # known machines per second; with strangers and repeats about seven leases
_SETTLE_S = 240.0  # longer than RUN_TIMEOUT_S: a run that is not closed by then never will be
_SECONDS_A_KILL = 3  # at most, the restart included
_OTHER_PHASES_S = 90


@click.command()
@click.option("--tls", is_flag=True, help="Mutual TLS on Redis and API.")
@click.option("--kills", default=40, show_default=True, type=click.IntRange(0, 10000), help="How many SIGKILLs.")
@click.option("--seed", default=1, show_default=True, help="Chooses what is killed when.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("var/e2e-chaos"), show_default=True)
def main(*, tls: bool, kills: int, seed: int, folder: Path) -> None:
    """Disturb a site with leases flowing; exit 1 when a lease is lost, a machine powered twice or a run stuck."""
    shutil.rmtree(folder, ignore_errors=True)
    record = Record()
    settings = TLS if tls else {}
    machines = int(_RATE * (kills * _SECONDS_A_KILL + _OTHER_PHASES_S))
    with site(folder.resolve(), record, settings=settings, machines=machines, rate=_RATE) as one:
        _play(one, kills, random.Random(seed))  # noqa: S311 - a repeatable choice, no secret
        one.leases.stop()
        table = lines(record, one.settle(_SETTLE_S), folder / "power.jsonl")
    title = f"{'mutual TLS' if tls else 'plain'}, {kills} kills, seed {seed}"
    show(title, table, record.problems)
    sys.exit(0 if _holds(table, record) else 1)


def _play(one: Site, kills: int, choose: random.Random) -> None:
    _phase(one, f"{kills} kills", lambda: phases.kills(one, kills, choose))
    _phase(one, "Redis restarted", lambda: phases.clean_restart(one))
    _phase(one, "Redis full", lambda: phases.full_redis(one))
    _phase(one, "Redis paused 30 s", lambda: phases.pause(one))


def _phase(one: Site, name: str, play: Callable[[], None]) -> None:
    click.echo(f"{name} ...", err=True)
    one.record.phase = name
    play()


def _holds(table: list[Line], record: Record) -> bool:
    return bool(table) and all(line.holds for line in table) and not record.problems


if __name__ == "__main__":
    main()
