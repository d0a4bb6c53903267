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
from tests.sentinel_set import SentinelSet

_STALLED_S = 240.0  # longer than RUN_TIMEOUT_S: where no run was closed for so long, none ever will be
_SECONDS_A_KILL = 3  # at most, the restart included
_SECONDS_A_FAILOVER = 60  # at most, the return of the old master included
_OTHER_PHASES_S = 150
_OF_THE_SITE = {"STATE_DIR", "DEVICES_FILE", "API_TOKEN"}  # what the Sentinel set names for itself alone


@click.command()
@click.option("--tls", is_flag=True, help="Mutual TLS on Redis and API.")
@click.option("--kills", default=40, show_default=True, type=click.IntRange(0, 10000), help="How many SIGKILLs.")
@click.option("--failovers", default=1, show_default=True, type=click.IntRange(1, 100), help="How many failovers.")
@click.option(
    "--rate", default=2.0, show_default=True, help="Known machines a second; their leases are about 3.5 as many."
)
@click.option("--seed", default=1, show_default=True, help="Chooses what is killed when.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("var/e2e-chaos"), show_default=True)
def main(*, tls: bool, kills: int, failovers: int, rate: float, seed: int, folder: Path) -> None:
    """Disturb a site with leases flowing; exit 1 when a lease is lost, a machine powered twice or a run stuck."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    choose = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    one, first = _with_one_redis(folder.resolve() / "one-redis", kills, choose, tls=tls, rate=rate)
    other, second = _with_sentinel(folder.resolve() / "sentinel", failovers, tls=tls, rate=rate)
    table, problems = [*first, *second], [*one.problems, *other.problems]
    title = f"{'mutual TLS' if tls else 'plain'}, {kills} kills, {failovers} failovers, rate {rate:g}, seed {seed}"
    show(title, table, problems)
    sys.exit(0 if all(line.holds for line in table) and not problems else 1)


def _with_one_redis(
    folder: Path, kills: int, choose: random.Random, *, tls: bool, rate: float
) -> tuple[Record, list[Line]]:
    """Everything that may happen to a site with one Redis server."""
    record = Record()
    machines = int(rate * (kills * _SECONDS_A_KILL + _OTHER_PHASES_S))
    with site(folder, record, settings=TLS if tls else {}, machines=machines, rate=rate) as one:
        _phase(one, f"{kills} kills", lambda: phases.kills(one, kills, choose))
        _phase(one, "Redis restarted", lambda: phases.clean_restart(one))
        _phase(one, "Redis full", lambda: phases.full_redis(one))
        _phase(one, "Redis paused 30 s", lambda: phases.pause(one))
        if tls:
            _phase(one, "renewal, old leaves end", lambda: phases.renewal(one))
        return record, _settled(one)


def _with_sentinel(folder: Path, failovers: int, *, tls: bool, rate: float) -> tuple[Record, list[Line]]:
    """Failovers of a site whose Redis has replicas and sentinels."""
    record = Record()
    redis_folder = folder / "servers"
    redis_folder.mkdir(parents=True)
    with SentinelSet(redis_folder, use_tls=tls) as redis:
        settings = {name: value for name, value in redis.variables.items() if name not in _OF_THE_SITE}
        settings |= {"API_USE_TLS": str(tls).lower()}
        redis.copy_passwords(folder / "redis")
        machines = int(rate * (failovers * _SECONDS_A_FAILOVER + _OTHER_PHASES_S))
        with site(folder, record, settings=settings, machines=machines, rate=rate) as one:
            _phase(one, f"{failovers} failovers", lambda: phases.failover(one, redis, failovers))
            return record, _settled(one)


def _settled(one: Site) -> list[Line]:
    one.leases.stop()
    return lines(one.record, one.settle(_STALLED_S), one.stack.folder / "power.jsonl")


def _phase(one: Site, name: str, play: Callable[[], None]) -> None:
    click.echo(f"{name} ...", err=True)
    one.record.phase = name
    play()


if __name__ == "__main__":
    main()
