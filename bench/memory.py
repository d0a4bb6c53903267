"""Whether memory stays flat over a large file: the peak of a process that reads it, against one that reads 1 %.

The file is made under /tmp, and deleted afterwards.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from bench.records import SERVERS, records
from dhcp_tailer.resume import open_follower
from dhcp_tailer.sources import PARSERS

WANTED_RATIO = 1.25
_BLOCK = 20_000  # leases that are made once and written again and again


@click.command()
@click.option("--megabytes", default=1024, show_default=True)
@click.option("--source", type=click.Choice(list(SERVERS)), default="dnsmasq-log", show_default=True)
@click.option("--read", type=click.Path(path_type=Path), hidden=True)
def main(megabytes: int, source: str, read: Path | None) -> None:
    """Measure, and fail if the large file took more memory than a small one."""
    if read:
        _read(read, source)
        return
    small, large = (_peak(source, size) for size in (max(1, megabytes // 100), megabytes))
    click.echo(f"{source}: peak {large / 1024:.1f} MB over {megabytes} MB, {small / 1024:.1f} MB over 1 % of that")
    click.echo(f"{large / small:.2f} x the baseline")
    if large > WANTED_RATIO * small:
        sys.exit(f"memory grew: more than {WANTED_RATIO} x")


def _peak(source: str, megabytes: int) -> int:
    """Kilobytes that a process needed to read so much."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:
        path = Path(folder) / "file"
        block = b"".join(records(source, _BLOCK))
        with path.open("wb") as file:
            while file.tell() < megabytes * 1024**2:
                file.write(block)
        command = [sys.executable, "-m", "bench.memory", "--source", source, "--read", str(path)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _read(path: Path, source: str) -> None:
    parser = PARSERS[source]()
    follower = open_follower(path, parser)
    while some := follower.poll(500):
        for record in some:
            parser.parse(record.data)
            follower.done(record)
    click.echo(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


if __name__ == "__main__":
    main()
