"""What Redis keeps of a run that has ended: as little as shows what it was."""

import json
import zlib
from datetime import timedelta
from typing import Any

import pytest

from api.state import timelines
from api.state.batch import Asked, Batch
from api.state.reader import Reader
from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind, RunState, utc_now
from bringup.queues import job_id_of
from bringup.settings import Settings
from bringup.wire.run import Run, TimelineEntry
from tests.integration.api.conftest import RUN_A, Api

DEADLINE = job_id_of(JobKind.EXPIRE, RUN_A)


@pytest.fixture
def redis(settings: Settings) -> Any:
    return connect_redis(settings, tls.ClientContexts(), name="tests")


def test_a_run_that_has_ended_has_no_deadline_any_more(api: Api, redis: Any) -> None:
    api.booted()
    assert redis.zscore(keys.rq_scheduled("deadlines"), DEADLINE)
    assert redis.exists(keys.rq_job(DEADLINE))
    api.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "x"})
    assert redis.zscore(keys.rq_scheduled("deadlines"), DEADLINE) is None
    assert not redis.exists(keys.rq_job(DEADLINE))


def reported(api: Api) -> None:
    token = api.booted()
    report = api.report()
    assert api.call("POST", f"/runs/{RUN_A}/report", report, token).status_code == 202
    assert api.ok("GET", f"/runs/{RUN_A}/report") == report


def types(api: Api) -> list[str]:
    return [line["type"] for line in api.run()["timeline"]]


def test_a_report_is_compressed(api: Api, redis: Any) -> None:
    reported(api)
    stored = redis.get(keys.packed_report(RUN_A))
    assert isinstance(stored, bytes)
    assert len(stored) < len(api.call("GET", f"/runs/{RUN_A}/report").data) / 2
    assert not redis.exists(keys.report(RUN_A))


def test_a_report_expires_also_where_an_earlier_version_closes_the_run(api: Api, redis: Any) -> None:
    reported(api)
    assert redis.ttl(keys.packed_report(RUN_A)) > 0


def test_a_packed_timeline_of_line_ends_alone_is_not_read_to_its_end(
    api: Api, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported(api)
    api.tell(RUN_A, "finished")
    redis.set(keys.packed_events(RUN_A), zlib.compress(b"\n" * 3_000_000))
    read: list[bytes] = []
    monkeypatch.setattr("api.state.timelines.read_line", lambda _model, _run, line: read.append(line))
    assert api.run()["timeline"] == []
    assert 1000 < len(read) < 3000


def test_a_report_of_version_0_1_is_shown(api: Api, redis: Any) -> None:
    reported(api)
    report = api.call("GET", f"/runs/{RUN_A}/report").data
    redis.delete(keys.packed_report(RUN_A))
    redis.set(keys.report(RUN_A), report)
    assert api.call("GET", f"/runs/{RUN_A}/report").data == report


def test_a_report_of_version_0_1_expires_once_its_run_is_closed(api: Api, redis: Any) -> None:
    reported(api)
    redis.set(keys.report(RUN_A), "{}")
    api.tell(RUN_A, "finished")
    assert redis.ttl(keys.report(RUN_A)) > 0


def test_the_timeline_of_a_closed_run_is_compressed_and_shows_the_same(api: Api, redis: Any) -> None:
    reported(api)
    before = api.run()["timeline"]
    stored = sum(len(fields[b"entry"]) for _, fields in redis.xrange(keys.events(RUN_A)))
    assert api.tell(RUN_A, "finished").status_code == 202
    assert api.run()["timeline"][:-1] == before
    assert types(api)[-1] == "finished"
    assert not redis.exists(keys.events(RUN_A))
    assert redis.strlen(keys.packed_events(RUN_A)) < stored / 2


def test_what_is_kept_of_a_closed_run_expires(api: Api, redis: Any) -> None:
    reported(api)
    api.tell(RUN_A, "finished")
    assert api.tell(RUN_A, "media_inserted").status_code == 409
    of_the_run = list(redis.scan_iter(f"bringup:run:{RUN_A}*", count=1000))
    assert keys.events(RUN_A).encode() in of_the_run
    assert [key for key in of_the_run if redis.ttl(key) < 0] == []


def test_a_line_that_comes_after_the_end_is_on_the_timeline(api: Api) -> None:
    reported(api)
    api.tell(RUN_A, "finished")
    before = types(api)
    assert api.tell(RUN_A, "media_inserted").status_code == 409
    assert types(api) == [*before, "refused"]


def test_a_line_that_is_added_while_a_run_is_closed_is_not_lost(
    api: Api, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported(api)
    ask, lines = timelines.ask_stream, len(types(api))

    def and_add_one(batch: Batch, key: str) -> Asked[list[bytes]]:
        asked = ask(batch, key)

        def read() -> list[bytes]:
            found = asked()
            if len(found) == lines:
                redis.xadd(key, redis.xrange(key)[0][1])
            return found

        return read

    monkeypatch.setattr(timelines, "ask_stream", and_add_one)
    assert api.tell(RUN_A, "finished").status_code == 202
    monkeypatch.undo()
    assert len(types(api)) == lines + 2


def test_an_audited_run_has_its_timeline_packed_from_the_start(api: Api, redis: Any) -> None:
    run_id = RUN_A.replace("-01-", "-03-")
    assert api.lease(run_id).json["decision"] == "audit_only"
    assert redis.exists(keys.packed_events(run_id))
    assert not redis.exists(keys.events(run_id))
    assert [line["type"] for line in api.run(run_id)["timeline"]] == ["lease"]


@pytest.mark.parametrize("damaged", [b"no zlib", zlib.compress(b"x")[:-1], zlib.compress(bytes(20 * 1024**2))])
def test_a_packed_timeline_that_cannot_be_read_hides_nothing_else(api: Api, redis: Any, damaged: bytes) -> None:
    reported(api)
    api.tell(RUN_A, "finished")
    redis.set(keys.packed_events(RUN_A), damaged)
    redis.set(keys.packed_report(RUN_A), damaged)
    assert api.run()["timeline"] == []
    assert api.run()["state"] == "passed"
    assert api.call("GET", f"/runs/{RUN_A}/report").status_code >= 400


def test_a_new_run_stores_no_field_that_is_as_without_it(api: Api, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api.lease()
    stored = {name.decode(): value for name, value in redis.hgetall(keys.run(RUN_A)).items()}
    assert not {"verdict", "reason", "boot_ids", "detail", "bmc_verify"} & set(stored)
    assert b"null" not in stored.values()
    shown = {name: value for name, value in api.run().items() if name in Run.model_fields}
    # The list needs no reader of single records for it, which would cost three times as much.
    monkeypatch.delattr(Reader, "runs")
    assert api.ok("GET", "/runs")["runs"] == [shown]


def test_a_change_in_the_feed_is_stored_without_names(api: Api, redis: Any) -> None:
    api.lease()
    ((_, fields),) = redis.xrange(keys.CHANGES)
    assert fields[b"change"].startswith(f'["lease","API_TOKEN","{RUN_A}","a","queued","'.encode())


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_timeline_is_bounded_whatever_a_client_posts(
    redis: Any, monkeypatch: pytest.MonkeyPatch, *, is_noted: bool
) -> None:
    monkeypatch.setattr(timelines, "_LONGEST", 5)
    entry = TimelineEntry(at=utc_now(), type="x", state=RunState.QUEUED, applied=False)
    with redis.pipeline() as pipe:
        for _ in range(7):
            if is_noted:
                timelines.note(pipe, RUN_A, entry, timedelta(days=1))
            else:
                timelines.append(pipe, keys.events(RUN_A), entry)
        pipe.execute()
    assert redis.xlen(keys.events(RUN_A)) == 5


def test_lines_by_which_an_older_build_cleans_up_are_entries_of_their_own(redis: Any) -> None:
    names = ("machine_identified", "write_requested", "media_minted", "media_inserted", "boot_override_set", "x", "y")
    lines = [TimelineEntry(at=utc_now(), type=name, state=RunState.BOOTING, applied=True) for name in names]
    with redis.pipeline() as pipe:
        timelines.append_all(pipe, keys.events(RUN_A), lines)
        pipe.execute()
    stored = [fields[b"entry"].split(b"\n") for _, fields in redis.xrange(keys.events(RUN_A))]
    assert [[json.loads(line)["type"] for line in entry] for entry in stored] == [
        ["machine_identified", "write_requested"],
        ["media_minted"],
        ["media_inserted"],
        ["boot_override_set"],
        ["x", "y"],
    ]
    batch = Batch()
    read = timelines.ask_stream(batch, keys.events(RUN_A))
    batch.replies = [redis.xrange(keys.events(RUN_A))]
    assert [json.loads(line)["type"] for line in read()] == list(names)


def test_of_entries_with_many_lines_only_the_newest_lines_are_read(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelines, "_LONGEST", 5)
    line = TimelineEntry(at=utc_now(), type="refused", state=RunState.BOOTING, applied=False)
    with redis.pipeline() as pipe:
        for number in range(2):
            some = [line.model_copy(update={"detail": f"{number}.{n}"}) for n in range(4)]
            timelines.append_all(pipe, keys.events(RUN_A), some)
        pipe.execute()
    batch = Batch()
    read = timelines.ask_stream(batch, keys.events(RUN_A))
    batch.replies = [redis.xrange(keys.events(RUN_A))]
    assert [json.loads(one)["detail"] for one in read()] == ["0.3", "1.0", "1.1", "1.2", "1.3"]


@pytest.mark.parametrize("key", [keys.report, keys.artifacts, keys.artifact_sizes])
def test_what_an_earlier_version_keeps_of_a_run_expires_with_it(api: Api, redis: Any, key: Any) -> None:
    reported(api)
    redis.set(key(RUN_A), "x")
    api.tell(RUN_A, "finished")
    assert 0 < redis.ttl(key(RUN_A)) <= redis.ttl(keys.run(RUN_A))


def test_what_was_read_of_the_image_of_a_closed_run_is_gone(api: Api, redis: Any) -> None:
    reported(api)
    read = [keys.image_read(RUN_A, what) for what in ("bytes", "parameters")]
    assert redis.exists(*read) == 2
    api.tell(RUN_A, "finished")
    assert not redis.exists(*read)
