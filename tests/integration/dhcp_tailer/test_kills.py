"""Tailers killed again and again, and several at once: one run a lease, whatever they read."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from bringup.settings import Settings
from dhcp_tailer.checkpoint import read_checkpoint
from dhcp_tailer.retry import Stop
from dhcp_tailer.service import run
from dhcp_tailer.show import status_of
from tests.conftest import MakeSettings

START_S = 1795427108


def mac(number: int) -> str:
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def ip(number: int) -> str:
    return f"10.0.{number >> 8}.{number & 255}"


def kea_row(number: int) -> bytes:
    return f"{ip(number)},{mac(number)},,40,{START_S + 40},1,0,0,,0,\n".encode()


def isc_block(number: int) -> bytes:
    return (
        f"lease {ip(number)} {{\n  starts epoch {START_S}; # Mon\n  ends epoch {START_S + 40};\n"
        f"  binding state active;\n  next binding state free;\n  hardware ethernet {mac(number)};\n}}\n"
    ).encode()


def kea_line(number: int) -> bytes:
    head = "2026-11-23 09:45:08.929 INFO  [kea-dhcp4.leases/14495.1403] DHCP4_LEASE_ALLOC "
    return f"{head}[hwtype=1 {mac(number)}], cid=[no info], tid=0x1: lease {ip(number)} has been allocated\n".encode()


def json_line(number: int) -> bytes:
    return (
        f'{{"event_type": "add", "timestamp": {START_S}, "data": {{"ip": "{ip(number)}", "mac": "{mac(number)}"}}}}\n'
    ).encode()


KEA_HEADER = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
SERVERS: dict[str, Any] = {"kea-csv": kea_row, "isc-leases": isc_block, "kea-log": kea_line, "jsonl": json_line}


def runs(numbers: range) -> list[str]:
    return sorted(f"{mac(n).replace(':', '-')}-{START_S}" for n in numbers)


def forked(settings: Settings) -> int:
    """A tailer in a process of its own, without the second that a new interpreter takes; gives its pid."""
    if pid := os.fork():
        return pid
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    try:
        run(settings, Stop())
    finally:
        os._exit(0)


def rewrite(path: Path, source: str, whole: bytes) -> None:
    """As the server does it: a new file in place of the old, with all that holds."""
    new = path.with_suffix(".new")
    new.write_bytes(whole)
    path.rename(f"{path}.2" if source == "kea-csv" else f"{path}~")
    new.rename(path)


@pytest.mark.parametrize("source", ["kea-csv", "isc-leases", "jsonl"])
def test_killed_seventy_times_during_a_stream_nothing_is_lost_and_nothing_doubled(
    tailer: Any, make_settings: MakeSettings, until: Any, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL in every phase; records arrive in halves; a lease file is rewritten between some of the lives.

    Of two sources the checkpoint is saved after every look, and each whole one but the first of a life is written by a
    child, as that of a large state is.
    """
    if source != "isc-leases":
        for name in ("LONGEST_INLINE_S", "LONGEST_JOURNAL", "INTERVAL_S", "_COST"):
            monkeypatch.setattr(f"dhcp_tailer.saver.{name}", -1)
    chance = random.Random(5)  # noqa: S311 - the same moments in every run
    header = KEA_HEADER if source == "kea-csv" else b""
    settings = make_settings(
        redis_port=tailer.settings.redis_port,
        dhcp_source=source,
        dhcp_path=tailer.path,
        state_dir=tailer.state,
        lease_max_age_h=0,
    )
    tailer.append(header)
    written = 0
    for life in range(70):
        pid = forked(settings)
        for _ in range(10):
            record = SERVERS[source](written)
            cut = chance.randrange(len(record))
            tailer.append(record[:cut])
            tailer.append(record[cut:])
            written += 1
        if life % 14 == 13:  # with a checkpoint, and mostly without
            until(lambda: status_of(settings).lag_bytes == 0)
        else:
            time.sleep(chance.random() * 0.05)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if life % 10 == 9 and source in {"kea-csv", "isc-leases"}:
            rewrite(tailer.path, source, header + b"".join(map(SERVERS[source], range(written))))
    before = len(tailer.runs())
    run(settings, Stop(), once=True)
    found = tailer.runs()
    assert sorted(found) == runs(range(written))
    assert len(found) == len(set(found))
    assert before > written / 10, "the tailers lived too short to do anything"
    assert status_of(settings).counts["queued"] == written


def test_several_tailers_of_the_same_files_make_one_run_a_lease(
    tailer: Any, make_settings: MakeSettings, until: Any, tmp_path: Path
) -> None:
    """Two hosts of a pair, with several sources each: nobody knows of the others but Redis."""
    pids = []
    for source, write in SERVERS.items():
        for host in ("one", "two"):
            path = tmp_path / f"{host}-{source}"
            state = tmp_path / host / source
            where = {"redis_port": tailer.settings.redis_port, "dhcp_path": path, "state_dir": state}
            pids.append(forked(make_settings(**where, dhcp_source=source, lease_max_age_h=0)))
            path.write_bytes((KEA_HEADER if source == "kea-csv" else b"") + b"".join(map(write, range(100))))
    files = [tmp_path / host / source for source in SERVERS for host in ("one", "two")]
    until(lambda: all(is_done(folder) for folder in files))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert sorted(tailer.runs()) == runs(range(100))


def is_done(state: Path) -> bool:
    found = map(read_checkpoint, state.glob("tail-*.json"))
    return any(kept is not None and sum(kept.counts.values()) >= 100 for kept in found)
