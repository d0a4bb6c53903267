"""The statuses of checks: one list of words for the machine, the PKI and the self-test; former words are still read."""

import pytest
from pydantic import ValidationError

from agent.checks.result import CheckStatus as AgentStatus
from bringup.wire.report import AgentCheck, CheckResult, CheckStatus
from pki.check import Status


def test_agent_and_api_have_the_same_words_and_all_are_of_the_one_framework() -> None:
    words = {status.value for status in CheckStatus}
    assert words == {status.value for status in AgentStatus}
    assert words < {status.value for status in Status}


def test_the_word_of_an_image_of_version_0_1_0_is_read_as_ok() -> None:
    check = AgentCheck.model_validate_json('{"name": "memory", "status": "pass"}', strict=True)
    assert check.status is CheckStatus.OK
    assert check.model_dump(mode="json")["status"] == "ok"


def test_no_other_word_is_a_status() -> None:
    for word in ("PASS", "passed", "OK", "", "info"):
        with pytest.raises(ValidationError):
            AgentCheck.model_validate_json(f'{{"name": "memory", "status": "{word}"}}', strict=True)


@pytest.mark.parametrize(
    ("stored", "status"), [("pass", CheckStatus.OK), ("ok", CheckStatus.OK), ("of a newer version", CheckStatus.SKIP)]
)
def test_a_stored_verdict_is_read_whatever_version_wrote_it(stored: str, status: CheckStatus) -> None:
    assert CheckResult.model_validate_json(f'{{"name": "memory", "status": "{stored}"}}').status is status
