"""``bringup tail`` against a real Redis, killed, stopped, refused and cut off."""

import json
import random
import time
from pathlib import Path
from typing import Any


def ids(numbers: range) -> list[str]:
    return [f"02-00-00-00-{n // 250:02x}-{n % 250:02x}-1795427108" for n in numbers]


def test_a_real_log_gives_exactly_its_runs(tailer: Any, samples: Path) -> None:
    tailer.append((samples / "dnsmasq-logdhcp.log").read_bytes())
    assert tailer.start("--once").wait(180) == 0
    assert [run.rsplit("-", 1)[1] for run in tailer.runs()] == [
        "1795426896",
        "1795426897",
        "1795426906",
        "1795426906",
        "1795426930",
        "1795426954",
        "1795427065",
        "1795427073",
    ]


def test_reading_it_again_without_a_checkpoint_adds_no_run(tailer: Any, samples: Path, tmp_path: Path) -> None:
    tailer.append((samples / "dnsmasq-logdhcp.log").read_bytes())
    assert tailer.start("--once").wait(180) == 0
    before = tailer.runs()
    assert tailer.start("--once", STATE_DIR=str(tmp_path / "other")).wait(180) == 0
    assert tailer.runs() == before
    assert "duplicate=8" in tailer.log_text()


def test_json_lines_become_runs(tailer: Any) -> None:
    data = {"ip": "10.0.0.1", "mac": "02:00:00:00:00:01", "hostname": "a"}
    line = {"event_type": "lease_assigned", "timestamp": "2026-11-23T09:45:08Z", "data": data}
    tailer.append(json.dumps(line).encode() + b"\n")
    assert tailer.start("--once", DHCP_SOURCE="jsonl").wait(180) == 0
    assert tailer.runs() == ids(range(1, 2))


def test_from_end_leaves_old_leases_out(tailer: Any, acks: Any, until: Any) -> None:
    tailer.append(b"".join(acks(range(3))))
    process = tailer.start("--from-end")
    until(lambda: any(tailer.state.glob("*.json")))
    tailer.append(b"".join(acks(range(3, 5))))
    until(lambda: tailer.runs() == ids(range(3, 5)))
    process.terminate()
    assert process.wait(180) == 0


def test_a_burst_is_queued_and_each_lease_once(tailer: Any, acks: Any, until: Any) -> None:
    process = tailer.start()
    tailer.append(b"".join(acks(range(1000))))
    until(lambda: len(tailer.runs()) == 1000)
    assert tailer.runs() == ids(range(1000))
    process.terminate()
    assert process.wait(180) == 0


def test_redis_down_at_start_is_waited_for(tailer: Any, own_redis: Any, acks: Any, until: Any) -> None:
    own_redis.kill()
    tailer.append(b"".join(acks(range(5))))
    tailer.start()
    until(lambda: "waiting for Redis" in tailer.log_text())
    time.sleep(1.6)  # two more tries
    own_redis.start()
    until(lambda: tailer.runs() == ids(range(5)))
    until(lambda: "Redis is back" in tailer.log_text())
    assert tailer.log_text().count("waiting for Redis") == 1
    assert tailer.log_text().count("Redis is back") == 1


def test_redis_down_in_the_middle_loses_nothing(tailer: Any, own_redis: Any, acks: Any, until: Any) -> None:
    lines = acks(range(600))
    tailer.start()
    for start in range(0, 600, 100):
        if start == 200:
            own_redis.kill()
        tailer.append(b"".join(lines[start : start + 100]))
        if start == 400:
            until(lambda: "waiting for Redis" in tailer.log_text())
            own_redis.start()
        time.sleep(0.05)
    until(lambda: len(tailer.runs()) == 600)
    assert tailer.runs() == ids(range(600))
    assert tailer.log_text().count("waiting for Redis") == 1


def test_a_wrong_password_is_one_line_and_an_exit_code(tailer: Any, acks: Any) -> None:
    tailer.append(b"".join(acks(range(1))))
    assert tailer.start(REDIS_PASSWORD="wrong").wait(180) == 1
    (line,) = tailer.log_text().strip().splitlines()
    assert line.startswith("bringup: Redis at 127.0.0.1")
    assert "check REDIS_PASSWORD" in line
    assert "wrong" not in line


def test_an_absent_file_is_waited_for(tailer: Any, acks: Any, until: Any) -> None:
    tailer.start()
    until(lambda: "waiting for it" in tailer.log_text())
    tailer.append(b"".join(acks(range(1))))
    until(lambda: tailer.runs() == ids(range(1)))


def test_a_second_tailer_of_the_same_file_is_refused(tailer: Any, until: Any) -> None:
    first = tailer.start()
    until(lambda: "waiting for it" in tailer.log_text())
    assert tailer.start().wait(180) == 1
    assert f"another tailer (process {first.pid}) follows this file" in tailer.log_text()


def test_once_with_the_wrong_source_is_an_error_that_names_the_right_one(tailer: Any, acks: Any) -> None:
    tailer.append(b"".join(acks(range(20))))
    assert tailer.start("--once", DHCP_SOURCE="isc-log").wait(180) == 1
    assert "set DHCP_SOURCE=dnsmasq-log" in tailer.log_text()
    assert tailer.start("--once").wait(180) == 0
    assert tailer.runs() == ids(range(20))


def test_sigterm_during_a_stream_keeps_the_exact_place(tailer: Any, acks: Any, until: Any) -> None:
    tailer.append(b"".join(acks(range(3000))))
    process = tailer.start()
    until(lambda: len(tailer.runs()) > 100)
    process.terminate()
    assert process.wait(180) == 0
    done = len(tailer.runs())
    (kept,) = tailer.state.glob("*.json")
    offset = json.loads(kept.read_text())["position"]["offset"]
    assert tailer.path.read_bytes()[:offset].count(b"\n") == done
    tailer.start("--once").wait(180)
    assert tailer.runs() == ids(range(3000))


def test_sigterm_is_heard_while_redis_hangs(tailer: Any, hang: Any, acks: Any, until: Any) -> None:
    process = tailer.start()
    tailer.append(b"".join(acks(range(1))))
    until(lambda: len(tailer.runs()) == 1)
    hang()
    tailer.append(b"".join(acks(range(1, 3))))
    time.sleep(0.3)
    process.terminate()
    assert process.wait(180) == 0


def test_what_was_in_hand_when_redis_was_killed_comes_after_a_restart(
    tailer: Any, own_redis: Any, acks: Any, until: Any
) -> None:
    process = tailer.start()
    tailer.append(b"".join(acks(range(1))))
    until(lambda: len(tailer.runs()) == 1)
    own_redis.kill()
    tailer.append(b"".join(acks(range(1, 3))))
    until(lambda: "waiting for Redis" in tailer.log_text())
    process.terminate()
    assert process.wait(180) == 0
    own_redis.start()
    assert tailer.start("--once").wait(180) == 0
    assert tailer.runs() == ids(range(3))


def test_sigterm_is_heard_while_redis_is_down(tailer: Any, own_redis: Any, until: Any) -> None:
    own_redis.kill()
    process = tailer.start()
    until(lambda: "waiting for Redis" in tailer.log_text())
    process.terminate()
    assert process.wait(180) == 0


def test_killed_again_and_again_during_a_stream_nothing_is_lost_and_nothing_doubled(
    tailer: Any, acks: Any, until: Any
) -> None:
    lines = acks(range(2000))
    chance = random.Random(20261123)  # noqa: S311 - the same moments in every run
    for start in range(0, 2000, 500):
        process = tailer.start()
        tailer.append(b"".join(lines[start : start + 500]))
        goal = start + chance.randrange(500)
        until(lambda goal=goal: len(tailer.runs()) > goal - 400)
        time.sleep(chance.random() / 10)
        process.kill()
        process.wait(180)
    tailer.start("--once").wait(180)
    runs = tailer.runs()
    assert len(runs) == len(set(runs))
    assert sorted(runs) == sorted(ids(range(2000)))


def test_text_of_a_client_never_reaches_the_log_unescaped(tailer: Any) -> None:
    tailer.append(b"2026-11-23T09:45:08Z vm dnsmasq-dhcp[9]: DHCPACK(br0) \x1b[2J\xff\r forged\n")
    assert tailer.start("--once", LOG_FORMAT="json").wait(180) == 0
    record = json.loads(tailer.log_text().splitlines()[0])["record"]
    assert record.endswith("DHCPACK(br0) \\x1b[2J\\xff\\r forged")
    assert tailer.log_text().replace("\n", "").isprintable()
