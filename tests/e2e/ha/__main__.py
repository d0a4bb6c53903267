"""Loses each host of a site in turn: see scripts/e2e-ha."""

import shutil
import sys
from pathlib import Path

import click

from tests.e2e.chaos.table import show
from tests.e2e.ha.hosts import LOSABLE
from tests.e2e.ha.scenario import play


@click.command()
@click.option("--tls", is_flag=True, help="Mutual TLS on Redis, the sentinels and the API.")
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(1, 100), help="Losses of each host.")
@click.option("--host", "hosts", multiple=True, type=click.Choice(LOSABLE), help="Only this host; may be repeated.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("var/e2e-ha"), show_default=True)
def main(*, tls: bool, rounds: int, hosts: tuple[str, ...], folder: Path) -> None:
    """Switch hosts off and on with leases flowing; exit 1: a lease is lost, a machine powered twice or a run stuck."""
    shutil.rmtree(folder, ignore_errors=True)
    losses = (hosts or LOSABLE) * rounds
    outcome = play(folder.resolve(), losses, use_tls=tls, log=click.echo)
    show(f"{'mutual TLS' if tls else 'plain'}, {len(losses)} hosts lost", outcome.table, outcome.problems)
    seconds = ", ".join(f"{host} {after:.1f}" for host, after in outcome.resumed_s)
    click.echo(f"From each loss to the end of the next run: {seconds} s")
    sys.exit(0 if outcome.holds else 1)


if __name__ == "__main__":
    main()
