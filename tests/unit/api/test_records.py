"""Records and messages are two things, and say the same of a run."""

import json
from unittest.mock import Mock

import pytest

from api.runs.records import DeviceRecord, RunRecord, StoredRecord
from api.runs.states import with_required_jobs
from api.state.record_writer import _write
from api.state.stored import read_record
from bringup.model import DeviceState, JobKind
from bringup.wire.message import read_reply
from bringup.wire.run import Run

QUEUED = {
    "run_id": "02-00-00-00-00-01-1",
    "device": "a",
    "mac": "02:00:00:00:00:01",
    "ip": "10.0.0.1",
    "decision": "start",
    "state": "queued",
    "created_at": "2026-11-29T10:00:00Z",
    "updated_at": "2026-11-29T10:00:00Z",
}


def test_what_is_shown_of_a_run_is_what_is_stored_and_what_it_needs() -> None:
    kept_to_the_api = {"bmc_seal", "identity_owner", "permit_owner", "permit_ends_at", "token_sha256", "image_sha256"}
    assert set(RunRecord.model_fields) - kept_to_the_api == set(Run.model_fields) - {"required_jobs", "owes"}


def test_only_what_changed_is_written_so_that_what_we_cannot_read_stays() -> None:
    before = DeviceRecord.model_validate({"name": "a", "state": "retired"})
    assert before.state is DeviceState.UNKNOWN
    assert _written(before.model_copy(update={"ip": "10.0.0.1"}), before) == {"ip": '"10.0.0.1"'}
    assert _written(before.model_copy(update={"state": DeviceState.ACTIVE}), before) == {"state": '"active"'}
    assert _written(before, before) == {}


def test_a_new_record_is_written_without_what_reads_the_same_without_it() -> None:
    for record in (
        DeviceRecord(name="a", state=DeviceState.ACTIVE),
        DeviceRecord(name="a", state=DeviceState.ACTIVE, unapproved=True, maintenance="", media_sha256=("x",)),
    ):
        written = _written(record, None)
        assert set(written) == {"name", "state"} | record.model_dump(exclude_defaults=True).keys()
        assert read_record(DeviceRecord, {name.encode(): value.encode() for name, value in written.items()}) == record


def test_both_versions_fence_by_one_field_of_the_record() -> None:
    stored = QUEUED | {"boot_owner": "the worker before"}
    before = read_record(RunRecord, {name.encode(): json.dumps(value).encode() for name, value in stored.items()})
    assert before
    assert before.fencing_token == "the worker before"
    after = before.model_copy(update={"fencing_token": "the one that took over"})
    assert _written(after, before) == {"boot_owner": '"the one that took over"'}


@pytest.mark.parametrize("name", ["owes", "required_jobs"])
def test_a_worker_finds_the_required_jobs_in_the_reply_of_both_versions(name: str) -> None:
    shown = with_required_jobs(RunRecord.model_validate_json(json.dumps(QUEUED))).model_dump(mode="json")
    assert shown["required_jobs"] == shown["owes"] == ["boot"]
    del shown["required_jobs"], shown["owes"]
    assert read_reply(Run, json.dumps(shown | {name: ["boot"]}).encode()).required_jobs == (JobKind.BOOT,)


def _written(record: StoredRecord, before: StoredRecord | None) -> dict[str, str]:
    pipe = Mock()
    _write(pipe, "key", record, before)
    written = pipe.hset.call_args.kwargs["mapping"] if pipe.hset.called else {}
    return {name: value.decode() for name, value in written.items()}
