"""Actions on many targets: their preview in one sentence, and what is done of it."""

from typing import Any

import pytest

from bringup import actions, errors
from bringup.model import DeviceState
from bringup.wire.actions import MOST_TARGETS, ActionPreview, ActionRequest, OperatorAction, TargetPreview
from bringup.wire.operator import DeviceChange, DeviceView

WOULD = TargetPreview(target="a", would=True, state="failed", becomes="approved")


def would_not(name: str, reason: str = "the machine is in service") -> TargetPreview:
    return TargetPreview(target=name, would=False, reason=reason)


def found(*targets: TargetPreview, action: OperatorAction = OperatorAction.APPROVE) -> ActionPreview:
    return ActionPreview(action=action, targets=targets)


class FakeApi:
    """Does what is asked for; refuses what ``refused`` names, and is away for what ``away`` names."""

    def __init__(self, refused: str = "", away: str = "") -> None:
        self.calls: list[tuple[str, Any]] = []
        self._refused, self._away = refused, away

    def post(self, path: str, body: Any, _reply: Any) -> Any:
        self.calls.append((path, body))
        assert isinstance(body, ActionRequest)
        return ActionPreview(action=body.action, targets=tuple(would_not(name) for name in body.targets))

    def patch(self, path: str, body: Any, _reply: Any) -> Any:
        self.calls.append((path, body))
        if self._refused and self._refused in path:
            raise errors.ApiRejected("refused", kind="conflict")
        if self._away and self._away in path:
            raise errors.ApiUnavailable("away")
        return DeviceView(name="a", state=DeviceState.APPROVED, in_inventory=True)


def test_a_preview_is_one_sentence_with_each_reason_once() -> None:
    preview = found(WOULD, would_not("b"), would_not("c"), would_not("d", "it runs"), action=OperatorAction.START)
    assert actions.summary(preview) == (
        "1 would start, 3 would not: b, c because the machine is in service; d because it runs"
    )


def test_a_preview_of_which_everything_would_be_done_gives_no_reasons() -> None:
    assert actions.summary(found(WOULD, WOULD)) == "2 would be approved"


def test_a_reason_of_very_many_targets_names_the_first_of_them() -> None:
    preview = found(*(would_not(f"r{number}") for number in range(9)))
    assert actions.reasons(preview) == ["r0, r1, r2, r3, r4 and 4 more because the machine is in service"]


def test_a_result_is_one_sentence_with_each_reason_once() -> None:
    outcomes = [
        actions.ActionOutcome("a", done=True, detail="Run 1 of a: queued"),
        actions.ActionOutcome("b", done=False, detail="it runs"),
        actions.ActionOutcome("c", done=False, detail="it runs"),
    ]
    summary = actions.outcome_summary(OperatorAction.START, outcomes)
    assert summary == "1 started, 2 were not: b, c because it runs"
    assert actions.outcome_summary(OperatorAction.START, outcomes[:1]) == "1 started"


def test_every_action_has_words() -> None:
    assert set(actions.WORDS) == set(OperatorAction)


def test_more_targets_than_one_call_takes_are_asked_for_in_several() -> None:
    api = FakeApi()
    names = [f"r{number}" for number in range(MOST_TARGETS + 1)]
    assert len(actions.preview(api, OperatorAction.START, names).targets) == MOST_TARGETS + 1
    assert [len(body.targets) for _, body in api.calls] == [MOST_TARGETS, 1]


def test_what_would_not_be_done_is_not_tried() -> None:
    api = FakeApi()
    first, second = actions.apply(api, found(would_not("b"), WOULD))
    assert (first.done, first.detail, second.done) == (False, "the machine is in service", True)
    assert [path for path, _ in api.calls] == ["/devices/a"]


def test_a_device_that_has_changed_since_the_preview_is_left_to_the_api_to_refuse() -> None:
    api = FakeApi()
    list(actions.apply(api, found(WOULD)))
    assert api.calls == [
        ("/devices/a", DeviceChange(state=DeviceState.APPROVED, expected_state=DeviceState.FAILED)),
    ]


def test_the_state_that_is_expected_is_without_the_reason_of_maintenance() -> None:
    api = FakeApi()
    resting = TargetPreview(target="a", would=True, state="failed (maintenance: fan)")
    list(actions.apply(api, found(resting, action=OperatorAction.END_MAINTENANCE)))
    assert api.calls[0][1].expected_state is DeviceState.FAILED


def test_a_refusal_stops_no_other_target() -> None:
    outcomes = list(actions.apply(FakeApi(refused="/a"), found(WOULD, WOULD.model_copy(update={"target": "b"}))))
    assert [one.done for one in outcomes] == [False, True]


def test_when_the_api_is_away_the_rest_is_not_tried() -> None:
    api = FakeApi(away="/a")
    outcomes = list(actions.apply(api, found(WOULD, WOULD.model_copy(update={"target": "b"}))))
    assert [one.done for one in outcomes] == [False, False]
    assert "not known whether" in outcomes[0].detail
    assert outcomes[1].detail == "not tried: away"
    assert len(api.calls) == 1


@pytest.mark.parametrize("name", ["../runs", "a/b", "x?y"])
def test_a_name_is_one_part_of_the_address(name: str) -> None:
    api = FakeApi()
    list(actions.apply(api, found(WOULD.model_copy(update={"target": name}))))
    assert api.calls[0][0].count("/") == 2
    assert "?" not in api.calls[0][0]
