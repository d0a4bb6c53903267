"""Records and messages are two things, and say the same of a run."""

from api.records import RunRecord
from bringup.wire import Run


def test_what_is_shown_of_a_run_is_what_is_stored_and_what_it_needs() -> None:
    kept_to_the_api = {"bmc_seal", "identity_owner", "permit_owner", "permit_ends_at"}
    assert set(RunRecord.model_fields) - kept_to_the_api == set(Run.model_fields) - {"owes"}
