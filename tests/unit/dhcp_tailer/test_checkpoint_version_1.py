"""Checkpoints as versions up to 0.1.0 wrote them: real ones, with the files that they belong to."""

from pathlib import Path

from bringup.model import LeaseEvent
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.checkpoint import read_checkpoint, write_checkpoint
from dhcp_tailer.resume import resume
from dhcp_tailer.sources import PARSERS

LOG = b"""\
2026-11-23T09:45:07Z vm dnsmasq-dhcp[9]: DHCPDISCOVER(br0) 02:00:00:00:00:02 
2026-11-23T09:45:08Z vm dnsmasq-dhcp[9]: DHCPACK(br0) 10.0.0.1 02:00:00:00:00:01 host1
2026-11-23T09:45:08Z vm dnsmasq-dhcp[9]: 77 vendor class: HTTPClient
"""  # noqa: W291 - dnsmasq writes a space behind the MAC
LOG_CHECKPOINT = """\
{"version":1,"source":"dnsmasq-log","path":"/tmp/followed","position":{"device":65024,"inode":2146315,"offset":234,\
"written_ns":1795966519859590243,\
"head_sha256":"43b2bb9de9abb39f7ce1a8306efd709485399c0c252264c0ea3434796e25b7b0",\
"tail_sha256":"43b2bb9de9abb39f7ce1a8306efd709485399c0c252264c0ea3434796e25b7b0"},\
"memory":{"clients":[["02:00:00:00:00:02",[null,true,null]],["02:00:00:00:00:01",["10.0.0.1",false,null]]],\
"transactions":[["77",[null,"HTTPClient",null,null]]]},\
"counts":{"not_a_lease":2,"queued":1},"last_record_at":"2026-11-23T09:45:09Z"}"""
LEASES = b"1795427050 02:00:00:00:00:02 10.88.0.141 bmc-r12u07 *\n"
LEASES_CHECKPOINT = """\
{"version":1,"source":"dnsmasq-leases","path":"/tmp/followed","position":{"device":65024,"inode":2146315,"offset":1,\
"written_ns":1795966519882236218,\
"head_sha256":"88659288f11ced3841c30c1d2a148b8afd824ea4518011d58846675d77fe261a","tail_sha256":""},\
"memory":{"told":[["10.88.0.141","1795427050 02:00:00:00:00:02 10.88.0.141 bmc-r12u07 *","02:00:00:00:00:02",\
1795427050,1795427050]]},"counts":{"queued":1},"last_record_at":"2026-11-23T09:45:09Z"}"""


def events(source: str, checkpoint: str, path: Path) -> list[str]:
    """What is new in the file at ``path`` for a tailer that was started anew with this checkpoint."""
    file = path.with_name("c.json")
    file.write_text(checkpoint)
    parser, accounting = PARSERS[source](), Accounting()
    follower = resume(path, parser, accounting, file, from_end=False)
    assert accounting.counts.total() > 0
    parsed = [parser.parse(record.data) for record in follower.poll(500)]
    follower.close()
    return [f"{event.action} {event.mac}" for event in parsed if isinstance(event, LeaseEvent)]


def test_a_log_is_read_on_from_its_position_with_its_clients_known(log_file: Path) -> None:
    acks = (b"10.0.0.1 02:00:00:00:00:01", b"10.0.0.2 02:00:00:00:00:02")
    log_file.write_bytes(
        LOG + b"".join(b"2026-11-23T09:46:00Z vm dnsmasq-dhcp[9]: DHCPACK(br0) %s\n" % a for a in acks)
    )
    assert events("dnsmasq-log", LOG_CHECKPOINT, log_file) == [
        "renewed 02:00:00:00:00:01",
        "assigned 02:00:00:00:00:02",
    ]


def test_a_snapshot_is_compared_with_the_lines_that_were_reported(log_file: Path) -> None:
    log_file.write_bytes(LEASES + b"1795427060 02:00:00:00:00:03 10.88.0.142 * *\n")
    assert events("dnsmasq-leases", LEASES_CHECKPOINT, log_file) == ["assigned 02:00:00:00:00:03"]


def test_the_next_one_is_written_as_version_2(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(LOG_CHECKPOINT)
    read = read_checkpoint(file)
    assert read is not None
    write_checkpoint(file, read)
    assert '"version":2' in file.read_text()
    assert '"memory"' not in file.read_text()
    assert read_checkpoint(file) == read
