"""A file of another source than the one that is set: recognised, named, and never a silent success."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bringup.errors import PermanentError
from bringup_cli.root import cli
from dhcp_tailer.accounting import Accounting, Outcome
from dhcp_tailer.recognise import mismatch, recognise, require_match, warn
from dhcp_tailer.sources import PARSERS

SAMPLES = {
    "dnsmasq-logdhcp.log": "dnsmasq-log",
    "dnsmasq6.log": "dnsmasq-log",
    "dnsmasq.leases.midrun": "dnsmasq-leases",
    "dnsmasq6.leases": "dnsmasq-leases",
    "dhcpd.leases": "isc-leases",
    "dhcpd6.leases": "isc-leases",
    "dhcpd-syslog-traditional.log": "isc-log",
    "dhcpd-syslog-iso8601.log": "isc-log",
    "dhcpd-stderr.log": "isc-log",
    "kea-leases4.before-lfc.csv": "kea-csv",
    "kea-leases6.csv": "kea-csv",
    "kea-dhcp4.log": "kea-log",
    "kea-dhcp6.log": "kea-log",
}
ROUTEROS = b"nov/23 09:41:36 dhcp,info dhcp1 assigned 10.0.0.5 to 02:00:00:00:00:01\n" * 5
WINDOWS = b"\t\tMicrosoft DHCP Service Activity Log\nID,Date,Time,Description,IP Address,Host Name,MAC Address\n"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_real_file_is_recognised_and_only_a_wrong_source_is_named(samples: Path, name: str) -> None:
    for source in PARSERS:
        wrong = mismatch(samples / name, source)
        if source == SAMPLES[name]:
            assert wrong is None
        else:
            assert wrong is not None
            assert f"set DHCP_SOURCE={SAMPLES[name]}" in wrong


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ROUTEROS, "RouterOS"),
        (WINDOWS, "Windows"),
        (b"\xff\xfeI\0D\0", "UTF-16"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ],
)
def test_what_no_source_reads_is_named(tmp_path: Path, text: bytes, name: str) -> None:
    (tmp_path / "file").write_bytes(text)
    wrong = mismatch(tmp_path / "file", "dnsmasq-log")
    assert wrong is not None
    assert name in wrong
    assert "docs/dhcp.md" in wrong


def test_a_shared_log_in_which_the_server_is_found_is_right(tmp_path: Path) -> None:
    ours = b"Nov 23 09:41:36 vm dnsmasq-dhcp[1]: DHCPDISCOVER(br0) 02:00:00:00:00:01\n"
    (tmp_path / "syslog").write_bytes(b"Nov 23 09:41:36 vm dhcpd[1]: DHCPDISCOVER from\n" * 9 + ours)
    assert mismatch(tmp_path / "syslog", "dnsmasq-log") is None


def test_a_log_of_nothing_is_of_no_kind() -> None:
    assert recognise(b"") is None
    assert recognise(b"Nov 23 09:41:36 vm sshd[1]: hello\n") is None


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["tail", "--dry-run", *arguments], standalone_mode=False)


def test_a_dry_run_of_the_wrong_source_is_an_error_that_names_the_right_one(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(str(samples / "dhcpd-syslog-traditional.log"), "--source", "dnsmasq-log")
    assert result.exit_code == 1
    assert isinstance(result.exception, PermanentError)
    assert "set DHCP_SOURCE=isc-log" in str(result.exception)


def test_a_gzipped_file_is_read_as_what_it_holds(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEASE_MAX_AGE_H", "0")
    plain = samples / "dhcpd-syslog-traditional.log"
    (tmp_path / "log.1.gz").write_bytes(gzip.compress(plain.read_bytes()))
    outputs = [run(str(file), "--source", "isc-log", "--output", "json") for file in (plain, tmp_path / "log.1.gz")]
    assert outputs[0].stdout == outputs[1].stdout
    assert outputs[0].stdout.count("queued")
    assert run("log.1.gz", "--source", "kea-log").exit_code == 1


def test_half_a_gzipped_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"line\n" * 9999)[:40])
    result = run("log.gz", "--source", "isc-log")
    assert "gzipped and not whole" in str(result.exception)


def test_explain_shows_every_record_and_why(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (samples / "kea-dhcp4.log").read_bytes() + ROUTEROS + b"Nov 23 09:41:36 vm sshd[1]: hello\n"
    (tmp_path / "log").write_bytes(text)
    result = run("log", "--source", "kea-log", "--explain", "--output", "json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["number"] for line in lines] == list(range(1, text.count(b"\n") + 1))
    assert all(line.get("reason") or line.get("run_id") for line in lines)
    assert {line["reason"] for line in lines if line["outcome"] == "not_a_lease"} == {
        "neither gives a lease nor ends one",
        "is of the log of RouterOS (MikroTik)",
        "has nothing of a lease in it",
    }
    assert "neither gives" in run("log", "--source", "kea-log", "--explain").stdout


def test_explain_without_a_dry_run_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli, ["tail", "--explain"]).exit_code == 2


def test_many_records_without_a_lease_are_doubted_once() -> None:
    counted = Accounting()
    doubts = []
    for _ in range(3000):
        counted.count(Outcome.NOT_A_LEASE)
        doubts.append(counted.is_doubtful())
    assert doubts.index(True) == 999
    assert doubts.count(True) == 1


def test_after_one_lease_nothing_is_doubted() -> None:
    counted = Accounting()
    for outcome in (Outcome.RENEWAL, *[Outcome.NOT_A_LEASE] * 2000):
        counted.count(outcome)
    assert not counted.is_doubtful()


def test_a_doubt_is_logged_with_the_right_source_and_not_where_the_file_is_right(samples: Path, logged: Any) -> None:
    warn(samples / "dhcpd.leases", "isc-leases", 1000)
    assert not logged
    warn(samples / "dhcpd.leases", "kea-csv", 1000)
    assert "set DHCP_SOURCE=isc-leases" in logged[-1]["hint"]


def test_a_file_of_nothing_known_is_a_warning(tmp_path: Path, logged: Any) -> None:
    (tmp_path / "file").write_bytes(b"hello\n")
    require_match(tmp_path / "file", "jsonl", 1)
    assert "check DHCP_SOURCE" in logged[-1]["event"]
