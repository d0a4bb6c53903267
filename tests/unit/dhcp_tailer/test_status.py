"""What is shown of a tailer: status, metrics, dry run."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bringup.errors import PermanentError
from bringup.outages import Outages
from bringup_cli.root import cli
from dhcp_tailer.accounting import Accounting, Outcome, TextfileMetrics
from dhcp_tailer.checkpoint import checkpoint_file, read_checkpoint
from dhcp_tailer.filters import Filters
from dhcp_tailer.resume import locked, open_follower, resume
from dhcp_tailer.retry import Retry, Stop
from dhcp_tailer.saver import Saver
from dhcp_tailer.show import TailerStatus, dry_run, status_of
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.tailer import Tailer
from dhcp_tailer.watch import PollingWatcher
from tests.conftest import MakeSettings

PATHS = {
    "isc-leases": "dhcpd.leases",
    "kea-csv": "kea-leases4.before-lfc.csv",
    "dnsmasq-leases": "dnsmasq.leases.midrun",
    "isc-log": "dhcpd-syslog-traditional.log",
    "kea-log": "kea-dhcp4.log",
    "dnsmasq-log": "dnsmasq-logdhcp.log",
}


@pytest.fixture
def tailed(make_settings: MakeSettings, tmp_path: Path, samples: Path) -> Any:
    """Runs a tail over a real sample of a source, without Redis; gives the settings."""

    def run(source: str) -> Any:
        path = tmp_path / PATHS[source]
        if not path.exists():
            path.write_bytes((samples / PATHS[source]).read_bytes())
        settings = make_settings(dhcp_source=source, dhcp_path=path)
        settings.state_dir.mkdir(exist_ok=True)
        file = checkpoint_file(settings.state_dir, source, path)
        parser, accounting, stop = PARSERS[source](), Accounting(), Stop()
        saver = Saver(file, parser=parser, path=path, accounting=accounting)
        follower = resume(path, parser, accounting, file, from_end=False)
        metrics = TextfileMetrics(file.with_suffix(".prom"), source, accounting)
        seen: set[str] = set()

        def deliver(leases: Any) -> list[bool]:
            ids = [lease.event.run_id for lease in leases]
            return [run_id not in seen and not seen.add(run_id) for run_id in ids]  # type: ignore[func-returns-value]

        Tailer(
            follower,
            parser,
            deliver,
            saver,
            Retry(stop, lambda: None, Outages("tests")),
            PollingWatcher(),
            stop,
            accounting,
            Filters(),
            metrics,
        ).run(once=True)
        follower.close()
        return settings

    return run


@pytest.mark.parametrize("source", PATHS)
def test_status_shows_the_outcome_of_every_record_and_that_nothing_is_behind(tailed: Any, source: str) -> None:
    status = status_of(tailed(source))
    reported = Counter(record.outcome for record in dry_run(Path(status.path), PARSERS[source](), Filters()))
    assert {name: number for name, number in status.counts.items() if number} == dict(reported)
    assert (status.lag_bytes, status.lag_s, status.running) == (0, 0.0, False)
    assert status.last_record_at is not None


def test_status_shows_how_far_behind_it_is(tailed: Any) -> None:
    settings = tailed("isc-log")
    with settings.dhcp_path.open("ab") as file:
        file.write(b"x" * 100)
    now = settings.dhcp_path.stat().st_mtime + 5
    os.utime(settings.dhcp_path, (now, now))
    status = status_of(settings)
    assert status.lag_bytes == 100
    assert status.lag_s == pytest.approx(5, abs=1)
    settings.dhcp_path.rename(f"{settings.dhcp_path}.1")
    settings.dhcp_path.touch()
    assert status_of(settings).lag_bytes is None


def test_status_before_the_first_start_and_while_one_runs(make_settings: MakeSettings) -> None:
    settings = make_settings(dhcp_path="/nowhere")
    assert status_of(settings).offset is None
    file = checkpoint_file(settings.state_dir, settings.dhcp_source, settings.dhcp_path)
    with locked(file.with_suffix(".lock")):
        assert status_of(settings).running
    assert not status_of(settings).running


def test_status_of_a_damaged_checkpoint_is_an_error(tailed: Any) -> None:
    settings = tailed("isc-log")
    (file,) = settings.state_dir.glob("*.json")
    file.write_text("{")
    with pytest.raises(PermanentError, match="damaged"):
        status_of(settings)


def test_counts_go_on_after_a_restart(tailed: Any) -> None:
    settings = tailed("kea-log")
    before = status_of(settings).counts
    with settings.dhcp_path.open("ab") as file:
        file.write(b"one more line\n")
    tailed("kea-log")
    assert status_of(settings).counts == {**before, "not_a_lease": before["not_a_lease"] + 1}


def test_a_checkpoint_without_counts_is_taken_up(tailed: Any) -> None:
    settings = tailed("isc-log")
    (file,) = settings.state_dir.glob("*.json")
    kept = json.loads(file.read_text())
    del kept["counts"], kept["last_record_at"], kept["position"]["tail_sha256"]
    file.write_text(json.dumps(kept))
    assert read_checkpoint(file) is not None
    tailed("isc-log")
    assert sum(status_of(settings).counts.values()) == 0


def test_metrics_have_every_outcome_and_are_written_in_one_step(tailed: Any) -> None:
    settings = tailed("isc-leases")
    (file,) = settings.state_dir.glob("*.prom")
    text = file.read_text()
    for outcome in Outcome:
        assert f'bringup_tail_records_total{{outcome="{outcome.value}",source="isc-leases"}}' in text
    assert 'bringup_tail_records_total{outcome="queued",source="isc-leases"} 5.0' in text
    assert 'bringup_tail_readable{source="isc-leases"} 1.0' in text
    assert {path.suffix for path in settings.state_dir.iterdir()} <= {".prom", ".json", ".lock"}


def test_metrics_that_cannot_be_written_are_logged_once_and_stop_nothing(tmp_path: Path, logged: Any) -> None:
    metrics = TextfileMetrics(tmp_path / "no" / "m.prom", "jsonl", Accounting())
    for _ in range(3):
        metrics.write(lag_bytes=0, readable=True, now=True)
    assert len(logged) == 1


@pytest.mark.parametrize("source", PATHS)
def test_a_dry_run_shows_the_events_of_a_real_file_as_lines(
    source: str, samples: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEASE_MAX_AGE_H", "0")
    command = ["tail", "--dry-run", str(samples / PATHS[source]), "--source", source, "--output", "json"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["source"] for line in lines} == {source}
    assert {line["outcome"] for line in lines} >= {"queued"}
    assert "queued" in result.stderr
    assert not list(tmp_path.iterdir())  # nothing is remembered


def test_a_dry_run_says_why_a_record_is_malformed_and_escapes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jsonl").write_bytes(b"\x1b[2J{\n")
    for output in ("json", "table"):
        result = CliRunner().invoke(cli, ["tail", "--dry-run", "x.jsonl", "--source", "jsonl", "--output", output])
        assert "is not JSON" in result.stdout
        assert "\x1b" not in result.stdout


def test_a_source_without_a_dry_run_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli, ["tail", "--source", "jsonl"]).exit_code == 2


def test_status_as_json_is_its_model(tailed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tailed("kea-csv")
    monkeypatch.chdir(tmp_path)
    for name in ("dhcp_source", "dhcp_path", "state_dir"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    result = CliRunner().invoke(cli, ["tail", "--status", "--output", "json"])
    assert TailerStatus.model_validate_json(result.stdout) == status_of(settings)
    assert "lag bytes" in CliRunner().invoke(cli, ["tail", "--status"]).stdout


@pytest.mark.parametrize("source", ["isc-leases", "kea-csv", "dnsmasq-leases"])
def test_from_end_a_lease_file_is_learned_so_that_its_renewals_are_none_but_renewals(
    source: str, samples: Path, tmp_path: Path
) -> None:
    path = tmp_path / PATHS[source]
    path.write_bytes((samples / PATHS[source]).read_bytes())
    parser = PARSERS[source]()
    follower = open_follower(path, parser, from_end=True)
    assert follower.poll(10) == []
    known = parser.state()
    assert isinstance(known, dict)
    assert known.get("leases") or known.get("reported") or source == "isc-leases"
