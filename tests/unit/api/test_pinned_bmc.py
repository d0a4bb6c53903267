"""A run stays with the BMC that it began with: neither an edit of the inventory nor a write to Redis redirects it."""

from collections.abc import Callable

import pytest

from api.runs import bmc_of_run
from api.runs.records import RunRecord
from bringup.inventory import Device
from bringup.model import Decision, RunState, utc_now
from bringup.settings import Settings

ENTRY = Device.model_validate(
    {"name": "a", "bmc_mac": "02:00:00:00:00:01", "bmc": "https://10.0.0.1", "credential": "rack1"}
)
CORRECTED = ENTRY.model_copy(update={"bmc": "https://10.0.0.2", "credential": "rack2"})


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


def run_of(entry: Device) -> RunRecord:
    fixed = {"run_id": "02-00-00-00-00-01-1", "device": "a", "mac": "02:00:00:00:00:01", "ip": ""}
    when = {"created_at": utc_now(), "updated_at": utc_now()}
    record = RunRecord.model_validate({**fixed, **when, "decision": Decision.START, "state": RunState.BOOTING})
    return record.model_copy(update=bmc_of_run.on_record(entry))


def test_a_run_keeps_the_bmc_and_credential_that_it_began_with(settings: Settings) -> None:
    run = bmc_of_run.with_seal(run_of(ENTRY), settings)
    for entry in (CORRECTED, None):
        pinned = bmc_of_run.pinned(run, entry, settings)
        assert (pinned["bmc"], pinned["credential"]) == ("https://10.0.0.1", "rack1")


@pytest.mark.parametrize("field", bmc_of_run.FIELDS)
def test_what_somebody_writes_into_a_run_is_not_followed(settings: Settings, field: str) -> None:
    forged = bmc_of_run.with_seal(run_of(ENTRY), settings).model_copy(update={field: "https://thief.example.net"})
    assert bmc_of_run.pinned(forged, ENTRY, settings) == bmc_of_run.on_record(None if field == "bmc" else ENTRY)


def test_the_seal_of_one_run_is_no_seal_of_another(settings: Settings) -> None:
    other = bmc_of_run.with_seal(run_of(ENTRY), settings).model_copy(update={"run_id": "02-00-00-00-00-01-2"})
    assert bmc_of_run.pinned(other, None, settings) == bmc_of_run.on_record(None)


def test_a_run_without_a_seal_is_driven_by_the_inventory(settings: Settings) -> None:
    assert bmc_of_run.pinned(run_of(ENTRY), CORRECTED, settings) == bmc_of_run.on_record(CORRECTED)


def test_a_run_sealed_under_another_token_goes_to_no_other_bmc_than_its_own(
    settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    run = bmc_of_run.with_seal(run_of(ENTRY), make_settings(api_token="another-token-of-32-characters-xx"))
    renewed = ENTRY.model_copy(update={"credential": "rack2"})
    assert bmc_of_run.pinned(run, renewed, settings) == bmc_of_run.on_record(renewed)
    assert bmc_of_run.pinned(run, CORRECTED, settings) == bmc_of_run.on_record(None)
