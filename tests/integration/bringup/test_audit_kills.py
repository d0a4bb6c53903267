"""Several processes write one audit log, are killed, and meet a full disk: the chain stays whole."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from bringup.audit_chain import verify

# Appends until it is ended, or as often as it is asked to; prints each error, and how often it did when it is ended.
WRITER = """
import itertools, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from bringup.audit import AuditEntry, AuditLog, AuditResult
from bringup.errors import AuditError

path, times, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
log, ended = AuditLog(path), []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
print("begun", flush=True)
ENTRY = {"at": datetime.now(UTC), "who": "w", "role": "service", "address": "-", "action": "a"}
for number in itertools.islice(itertools.count(), times or None):
    if ended:
        print(number)
        break
    try:
        log.append(AuditEntry(**ENTRY, target=str(number), result=AuditResult.DONE))
    except AuditError as error:
        print(error)
"""
PROCESSES, ROUNDS = 3, 1


def writer(path: Path, times: int = 0, limit: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(times), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def await_line(path: Path, number: int) -> None:
    deadline = time.monotonic() + 180
    while not path.exists() or path.read_bytes().count(b"\n") < number:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_processes_that_are_killed_while_they_write_leave_a_whole_log(tmp_path: Path) -> None:
    path, wanted = tmp_path / "audit.jsonl", 0
    for _ in range(ROUNDS):
        writers = [writer(path) for _ in range(PROCESSES)]
        for one in writers:
            wanted += 5
            await_line(path, wanted)
            one.send_signal(signal.SIGKILL)
            one.communicate()
            wanted = path.read_bytes().count(b"\n")
        assert verify(path).number >= wanted


def test_a_log_that_is_rotated_while_processes_write_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    writers = [writer(path) for _ in range(PROCESSES)]
    for one in writers:
        assert one.stdout
        assert one.stdout.readline() == "begun\n"
    for number in range(3):
        await_line(path, 3)
        path.rename(tmp_path / f"audit.jsonl.{number}")
    await_line(path, 3)
    for one in writers:
        one.terminate()
    appended = sum(int(one.communicate(timeout=180)[0]) for one in writers)
    assert verify(path).number == appended


def test_a_full_disk_refuses_each_line_and_leaves_a_whole_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    errors, _ = writer(path, 20, limit=2000).communicate(timeout=180)  # ends within a line
    refused = errors.count("nothing is changed without a record")
    assert 0 < refused < 20
    assert verify(path).number == 20 - refused
    writer(path, 1).communicate(timeout=180)
    assert verify(path).number == 20 - refused + 1
