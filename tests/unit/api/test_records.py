"""Records and messages are two things, and say the same of a run."""

from unittest.mock import Mock

from api.runs.records import DeviceRecord, RunRecord
from api.state.store import _write
from bringup.model import DeviceState
from bringup.wire.run import Run


def test_what_is_shown_of_a_run_is_what_is_stored_and_what_it_needs() -> None:
    kept_to_the_api = {"bmc_seal", "identity_owner", "permit_owner", "permit_ends_at"}
    assert set(RunRecord.model_fields) - kept_to_the_api == set(Run.model_fields) - {"owes"}


def test_only_what_changed_is_written_so_that_what_we_cannot_read_stays() -> None:
    before = DeviceRecord.model_validate({"name": "a", "state": "retired"})
    assert before.state is DeviceState.UNKNOWN
    assert _written(before.model_copy(update={"ip": "10.0.0.1"}), before) == {"ip": '"10.0.0.1"'}
    assert _written(before.model_copy(update={"state": DeviceState.ACTIVE}), before) == {"state": '"active"'}
    assert _written(before, before) == {}
    assert set(_written(before, None)) == set(DeviceRecord.model_fields)


def _written(record: DeviceRecord, before: DeviceRecord | None) -> dict[str, str]:
    pipe = Mock()
    _write(pipe, "key", record, before)
    return dict(pipe.hset.call_args.kwargs["mapping"]) if pipe.hset.called else {}
