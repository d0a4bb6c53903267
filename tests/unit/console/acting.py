"""What the tests of actions have in common: asking, confirming, and what the API was asked to change."""

from datetime import timedelta
from typing import Any

from werkzeug.test import TestResponse

from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.operator import DeviceDetail, Explanation
from bringup.wire.run import RunDetail
from console.services import Console
from tests.unit.console.conftest import AT, RUN_ID, Browser, FakeApi, device, run_of, snapshot

NOT_PASSED: dict[str, Any] = {"ended_at": AT + timedelta(minutes=2), "reason": FailureReason.NO_BOOT}


def four_machines(console: Console) -> None:
    """a is approved, b is in service, c boots, d has failed."""
    console.fleet.apply(
        snapshot(
            device("a"),
            device("b", DeviceState.ACTIVE),
            device("c", DeviceState.VALIDATING),
            device("d", DeviceState.FAILED),
            runs=(run_of("c", RunState.BOOTING, number=3), run_of("d", RunState.FAILED, number=4, **NOT_PASSED)),
        )
    )


def ask(browser: Browser, action: str, *machines: str, **fields: Any) -> TestResponse:
    """The page of the preview."""
    form = {"csrf": browser.csrf, "action": action, "machine": list(machines)} | fields
    answer = browser.post("/actions", form)
    return browser.get(answer.location) if answer.status_code == 303 else answer


def confirm(browser: Browser, page: TestResponse, **fields: str) -> TestResponse:
    """The page of the result."""
    answer = browser.post(page.request.path, {"csrf": browser.csrf} | fields)
    return browser.get(answer.location) if answer.status_code == 303 else answer


def changes(api: FakeApi) -> list[tuple[str, str, Any]]:
    return [call for call in api.calls if call[0] in {"POST", "PATCH"}]


def pages(api: FakeApi) -> None:
    """What the API answers of device d and of a run that has failed."""
    run = run_of("d", RunState.FAILED, **NOT_PASSED)
    api.answers["/devices/d"] = DeviceDetail(**dict(device("d", DeviceState.FAILED)), runs=(run,))
    api.answers["/devices/d/explain"] = Explanation(
        device="d", would_start=False, would_power=False, obstacles=("failed",), steps=()
    )
    api.answers[f"/runs/{RUN_ID}"] = RunDetail(**dict(run), timeline=())
