"""What people do at the page: the preview, and doing it once."""

from collections.abc import Callable
from typing import Any

import pytest

from bringup import errors
from bringup.model import DeviceState
from bringup.wire.actions import MOST_TARGETS, ActionPreview, TargetPreview
from console.actions import plan
from console.actions.offers import Targets
from console.actions.plan import KEEP_S, Plan, Plans
from console.services import Console
from tests.unit.console.acting import ask, changes, confirm, four_machines, pages
from tests.unit.console.conftest import RUN_ID, Browser, FakeApi, device, run_of, snapshot

NewBrowser = Callable[[], Browser]
IN_SERVICE = TargetPreview(target="b", would=False, reason="the machine is in service", state="active")


@pytest.fixture(autouse=True)
def _fleet(console: Console) -> None:
    four_machines(console)


def test_a_preview_says_what_would_happen_to_which_and_changes_nothing(browser: Browser, api: FakeApi) -> None:
    api.previews["b"] = IN_SERVICE
    page = ask(browser, "start", "a", "b")
    assert "1 would start, 1 would not: b because the machine is in service." in page.text
    assert "bringup device start a<" in page.text
    assert not changes(api)


def test_what_is_confirmed_is_done_by_the_token_of_the_person(browser: Browser, api: FakeApi) -> None:
    api.previews["b"] = IN_SERVICE
    result = confirm(browser, ask(browser, "start", "a", "b"))
    assert changes(api) == [("POST", "/devices/a/runs", "alice-token")]
    assert "1 started" in result.text
    assert f"Run {RUN_ID} of a: queued" in result.text


def test_a_form_that_is_sent_again_does_nothing_again(browser: Browser, api: FakeApi) -> None:
    page = ask(browser, "start", "a")
    results = [confirm(browser, page).text for _ in range(3)]
    assert len(changes(api)) == 1
    assert all("1 started" in text for text in results)


def test_loading_preview_and_result_again_does_nothing(browser: Browser, api: FakeApi) -> None:
    page = ask(browser, "start", "a")
    browser.get(page.request.path)
    confirm(browser, page)
    before = changes(api)
    browser.get(page.request.path)
    browser.get(f"{page.request.path}/live")
    assert changes(api) == before


def test_of_forms_that_come_at_once_one_is_done() -> None:
    made = Plans().add("x", ActionPreview(action="start", targets=()), Targets(()), "/machines")
    assert [made.begin("x") for _ in range(3)] == [True, False, False]


def test_an_abort_of_a_machine_is_of_its_open_run(browser: Browser, api: FakeApi) -> None:
    page = ask(browser, "abort", "c", "d")
    assert "1 would be aborted, 1 would not: d because no run of the machine is under way" in page.text
    confirm(browser, page, reason="wrong cable")
    assert changes(api) == [("POST", f"/runs/{run_of('c', number=3).run_id}/abort", "alice-token")]


def test_a_repeat_of_a_machine_is_of_its_last_run(browser: Browser, api: FakeApi) -> None:
    page = ask(browser, "repeat", "a", "d")
    assert "a because the machine had no run" in page.text
    confirm(browser, page)
    assert changes(api) == [("POST", f"/runs/{run_of('d', number=4).run_id}/repeat", "alice-token")]


def test_nothing_is_asked_of_the_api_when_no_machine_has_such_a_run(browser: Browser) -> None:
    page = ask(browser, "abort", "a")
    assert "Nothing is to be confirmed" in page.text
    assert '<form class="confirm"' not in page.text


def test_maintenance_needs_its_reason(browser: Browser, api: FakeApi) -> None:
    page = ask(browser, "maintenance", "a")
    assert confirm(browser, page, reason="  ").status_code == 400
    assert not changes(api)
    assert "1 put in maintenance" in confirm(browser, page, reason="fan").text


def test_all_machines_that_fit_a_filter_are_meant_on_all_pages_of_the_list(
    browser: Browser, console: Console, api: FakeApi
) -> None:
    console.fleet.apply(snapshot(*(device(f"r{number}", boot_group="x") for number in range(250)), device("other")))
    page = ask(browser, "approve", all="rack=x&page=2")
    assert "250 would be approved" in page.text
    confirm(browser, page)
    browser.console.plans.get(page.request.path.split("/")[2], browser.csrf).finished.wait(60)  # type: ignore[union-attr]
    assert len(changes(api)) == 250


def test_more_than_one_action_takes_is_refused(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(*(device(f"r{number}") for number in range(MOST_TARGETS + 1))))
    page = ask(browser, "approve", all="")
    assert page.status_code == 400
    assert "narrow the filter" in page.text


def test_without_a_selection_nothing_is_previewed(browser: Browser) -> None:
    assert "Nothing is selected" in ask(browser, "start").text


@pytest.mark.parametrize(
    "now",
    [
        TargetPreview(target="a", would=False, reason="it is in service by now", state="active"),
        TargetPreview(target="a", would=True, state="approved", becomes="validating"),
        TargetPreview(target="a", would=True, state="failed", becomes="validating", warnings=("no BMC",)),
    ],
)
def test_what_has_changed_since_the_preview_is_not_done(browser: Browser, api: FakeApi, now: TargetPreview) -> None:
    api.previews["a"] = TargetPreview(target="a", would=True, state="failed", becomes="validating")
    page = ask(browser, "start", "a")
    api.previews["a"] = now
    result = confirm(browser, page)
    assert "0 started, 1 was not" in result.text
    assert "since the preview" in result.text
    assert not changes(api)


def test_a_run_that_has_gone_on_since_the_preview_is_aborted(browser: Browser, api: FakeApi) -> None:
    run_id = run_of("c", number=3).run_id
    api.previews[run_id] = TargetPreview(target=run_id, would=True, state="booting", becomes="aborted")
    page = ask(browser, "abort", "c")
    api.previews[run_id] = TargetPreview(target=run_id, would=True, state="waiting", becomes="aborted")
    assert "1 aborted" in confirm(browser, page).text


@pytest.mark.parametrize("action", ["requeue", "discard"])
def test_jobs_in_quarantine_are_moved(browser: Browser, api: FakeApi, action: str) -> None:
    page = ask(browser, action, job=["j1", "j 2"])
    assert f"bringup queues {action} j1 &#39;j 2&#39;" in page.text
    confirm(browser, page)
    assert changes(api) == [("POST", f"/queues/{action}", "alice-token")] * 2


def test_a_run_that_has_ended_since_the_preview_is_not_aborted(browser: Browser, api: FakeApi) -> None:
    run_id = run_of("c", number=3).run_id
    page = ask(browser, "abort", "c")
    api.previews[run_id] = TargetPreview(target=run_id, would=False, reason="the run is passed")
    assert "since the preview: the run is passed" in confirm(browser, page).text
    assert not changes(api)


def test_a_reason_is_cut_to_what_the_api_takes(browser: Browser, console: Console) -> None:
    page = ask(browser, "maintenance", "a")
    confirm(browser, page, reason="x" * 2000)
    assert [one.reason for one in console.plans._plans.values()] == ["x" * 1024]


def test_when_the_api_is_away_the_result_says_that_nothing_was_tried(
    browser: Browser, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ask(browser, "start", "a")

    def away(*_: Any) -> Any:
        raise errors.ApiUnavailable("the API does not answer")

    monkeypatch.setattr(FakeApi, "post", away)
    assert "not tried: the API does not answer" in confirm(browser, page).text
    assert not changes(api)


def test_the_page_does_not_wait_for_ever_after_an_error_of_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = ActionPreview(action="start", targets=(TargetPreview(target="a", would=True),))
    made = Plans().add("x", preview, Targets(("a",)), "/machines")
    monkeypatch.setattr(plan, "_unchanged", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plan.apply(FakeApi(), made)
    assert made.finished.is_set()
    assert "not known whether" in made.outcomes[0].detail


# What is kept.


def test_a_preview_is_forgotten_after_a_while_and_when_there_are_many() -> None:
    now = 0.0
    plans = Plans(lambda: now)
    made = [add(plans, "x") for _ in range(12)]
    assert [plans.get(one.key, "x") is not None for one in made] == [False] * 2 + [True] * 10
    now = KEEP_S + 1
    assert plans.get(made[-1].key, "x") is None


def test_of_all_people_together_a_bounded_number_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_MOST", 3)
    plans = Plans()
    made = [add(plans, str(number)) for number in range(5)]
    assert [plans.get(one.key, one.owner) is not None for one in made] == [False] * 2 + [True] * 3


def add(plans: Plans, owner: str) -> Plan:
    return plans.add(owner, ActionPreview(action="start", targets=()), Targets(()), "/machines")


@pytest.mark.parametrize(("path", "labels"), [("/devices/d", ["Approve and run again", "Approve"]), ("/devices/a", [])])
def test_a_page_offers_what_makes_sense_now(browser: Browser, api: FakeApi, path: str, labels: list[str]) -> None:
    pages(api)
    text = browser.get(path).text
    for label in labels:
        assert f">{label}</button>" in text
    assert ">Abort the run</button>" not in text


def test_the_line_of_a_machine_that_a_poll_brings_can_be_selected_as_before(
    browser: Browser, new_browser: NewBrowser, console: Console
) -> None:
    viewer = new_browser()
    viewer.sign_in("vera-token")
    polls = [page.get("/machines").text.split('hx-get="/machines/live')[1].split('"')[0] for page in (browser, viewer)]
    console.fleet.apply(snapshot(device("a", DeviceState.FAILED)))
    brought = [
        page.get("/machines/live" + poll.replace("&amp;", "&")).text
        for page, poll in zip((browser, viewer), polls, strict=True)
    ]
    assert ['type="checkbox"' in text for text in brought] == [True, False]
