"""Runs a site on Redis Sentinel and kills its master again and again: see scripts/e2e-failover."""

import shutil
import sys
from pathlib import Path

import click

from tests.e2e.chaos.table import show
from tests.e2e.failover.scenario import play


@click.command()
@click.option("--tls", is_flag=True, help="Mutual TLS on Redis, the sentinels and the API.")
@click.option("--failovers", default=7, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("var/e2e-failover"), show_default=True)
def main(*, tls: bool, failovers: int, folder: Path) -> None:
    """Fail over with leases flowing; exit 1 when a lease is lost, a machine powered twice or the site resumes late."""
    shutil.rmtree(folder, ignore_errors=True)
    outcome = play(folder.resolve(), failovers, use_tls=tls)
    show(f"{'mutual TLS' if tls else 'plain'}, {failovers} failovers", outcome.table, outcome.problems)
    seconds = ", ".join(f"{one:.1f}" for one in outcome.resumed_s)
    click.echo(f"From each new master to the next run: {seconds} s")
    sys.exit(0 if outcome.holds else 1)


if __name__ == "__main__":
    main()
