"""The pages: what they show, what a poll brings, and that whatever a machine says is text."""

import re
from datetime import timedelta
from importlib.resources import files

import pytest

from bringup.errors import ApiRejected
from bringup.model import DeviceState, FailureReason, RunState
from bringup.wire.machine import Artifact
from bringup.wire.operator import DeviceDetail, DeviceEvent, Explanation
from bringup.wire.report import CheckResult, CheckStatus, Report, Verdict
from bringup.wire.run import RunDetail, TimelineEntry
from console.services import Console
from console.state.follower import STALE_S, Freshness
from tests.unit.console.acting import pages
from tests.unit.console.conftest import AT, Browser, FakeApi, change, device, run_of, snapshot

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)>{{7*7}}"
LATER = AT + timedelta(minutes=2)
RUN_ID = run_of("a").run_id
REPORT = {
    "schema_version": 1,
    "boot_id": "b",
    "agent": MARKUP,
    "inventory": {
        "cpu": {"count": 4, "model_name": MARKUP},
        "memory": {"total": 1, "physical_mb": 65536},
        "disks": [{"name": MARKUP, "size": 480 * 10**9}],
        "interfaces": [{"name": MARKUP, "mac_address": "02:00:00:00:00:01", "has_carrier": True}],
        "system_vendor": {"manufacturer": MARKUP, "product_name": MARKUP, "serial_number": MARKUP},
        "boot": {"current_boot_mode": "uefi"},
    },
    "checks": [],
}


def is_text(page: str) -> bool:
    """Whether nothing of the markup became a part of the page."""
    return not any(part in page for part in ("<script>alert", "<img src=x", "<svg/onload", "'><", ">49<"))


@pytest.fixture
def hostile(console: Console, api: FakeApi) -> None:
    """A machine that has put markup wherever it can."""
    run = run_of(
        "a",
        RunState.FAILED,
        ended_at=LATER,
        reason=FailureReason.CHECK_FAILED,
        detail=MARKUP,
        hostname=MARKUP,
        report_sha256="0" * 64,
        stage=MARKUP,
        bmc=MARKUP,
        verdict=Verdict(
            state=RunState.FAILED,
            checks=(CheckResult(name=MARKUP, status=CheckStatus.FAIL, expected=MARKUP, observed=MARKUP),),
        ),
    )
    shown = device("a", DeviceState.FAILED, maintenance=None, boot_group=MARKUP, bmc=MARKUP, ip=MARKUP)
    console.fleet.apply(snapshot(shown, device("b", maintenance=MARKUP), runs=(run,)))
    console.fleet.apply(change(run=run, device=shown, what=MARKUP, detail=MARKUP, who=MARKUP))
    entry = TimelineEntry(at=AT, type=MARKUP, state=RunState.FAILED, applied=True, detail=MARKUP, by=MARKUP)
    api.answers |= {
        f"/runs/{RUN_ID}": RunDetail(**dict(run), timeline=(entry,), artifacts=(Artifact(name="agent.log", size=9),)),
        f"/runs/{RUN_ID}/report": Report.model_validate(REPORT),
        "/devices/a": DeviceDetail(
            **dict(shown),
            changes=(DeviceEvent(at=AT, by=MARKUP, address=MARKUP, what=MARKUP, before=MARKUP, after=MARKUP),),
            runs=(run,),
        ),
        "/devices/a/explain": Explanation(
            device="a", would_start=False, would_power=False, obstacles=(MARKUP,), steps=(MARKUP,)
        ),
    }
    api.texts[f"/runs/{RUN_ID}/artifacts/agent.log"] = f"{MARKUP}\n\x1b[2J\xff".encode("latin-1")


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    "path",
    [
        "/machines",
        "/machines?group=rack",
        f"/machines?text={MARKUP.replace('#', '')}",
        f"/runs/{RUN_ID}",
        f"/runs/{RUN_ID}/live",
        f"/runs/{RUN_ID}/report",
        f"/runs/{RUN_ID}/artifacts/agent.log",
        f"/runs/{RUN_ID}/compare/{RUN_ID}",
        "/devices/a",
        "/devices/a/live",
    ],
)
def test_whatever_a_machine_says_is_text(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert is_text(answer.text)


@pytest.mark.usefixtures("hostile")
def test_a_line_of_a_poll_is_text_too(browser: Browser, console: Console) -> None:
    poll = poll_of(browser)
    console.fleet.apply(change(3, device=device("b", maintenance=MARKUP)))
    answer = browser.get(poll)
    assert "alert(1)" in answer.text
    assert is_text(answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/../operators",
        "/runs/%2e%2e",
        "/runs/x",
        "/devices/..",
        "/devices/%2e%2e%2foperators",
        "/devices/.hidden",
        f"/runs/{RUN_ID}/artifacts/..%2f..%2fx",
        f"/runs/{RUN_ID}/artifacts/%2e%2e",
        f"/runs/{RUN_ID}/compare/..",
        "/static/../app.py",
        "/static/x/..%2fapp.py",
        "/machines/../machines",
    ],
)
def test_no_path_leads_elsewhere(browser: Browser, api: FakeApi, path: str) -> None:
    api.calls.clear()
    assert browser.get(path).status_code == 404
    assert not api.calls


def poll_of(browser: Browser, path: str = "/machines") -> str:
    """The address that the page asks for what is new."""
    text = browser.get(path).text
    return text.split('id="live" hx-get="')[1].split('"')[0].replace("&amp;", "&")


def test_a_poll_without_news_is_empty(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(device("a")))
    answer = browser.get(poll_of(browser))
    assert (answer.status_code, answer.text) == (204, "")
    assert float(answer.headers["Console-Age"]) < 60


def test_a_poll_brings_the_lines_of_its_page_that_have_changed_and_no_other(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(*(device(name, boot_group=name) for name in "abc")))
    poll = poll_of(browser, "/machines?rack=a")
    console.fleet.apply(change(2, device=device("b", boot_group="b"), run=run_of("b")))
    assert 'href="/devices/' not in browser.get(poll).text
    console.fleet.apply(change(3, device=device("a", boot_group="a"), run=run_of("a")))
    text = browser.get(poll).text
    assert 'href="/devices/a"' in text
    assert 'href="/devices/b"' not in text


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("path", ["/machines", f"/runs/{RUN_ID}", "/devices/a"])
def test_polls_do_not_pile_up_and_one_that_hangs_ends(browser: Browser, path: str) -> None:
    text = browser.get(path).text
    assert 'hx-trigger="every 2s" hx-sync="this:drop"' in text
    assert '"timeout":8000' in text


def test_every_page_polls_more_often_than_its_script_waits_for_an_answer() -> None:
    """Else the banner of a console that does not answer would come and go."""
    room = files("console")
    waits = int(re.findall(r"AWAY_AFTER_S = (\d+);", room.joinpath("static/console.js").read_text())[0])
    texts = [one.read_text() for one in room.joinpath("templates").iterdir()]
    polls = [int(found) for text in texts for found in re.findall(r'id="live"[^>]*hx-trigger="every (\d+)s"', text)]
    assert len(polls) >= 4
    assert max(polls) * 2 <= waits


def test_the_next_poll_asks_from_where_this_one_ended(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(device("a")))
    poll = poll_of(browser)
    console.fleet.apply(change(2, run=run_of("a"), device=device("a")))
    following = browser.get(poll).text.split('id="live" hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert browser.get(following).status_code == 204


def test_a_machine_that_moved_to_another_group_stays_where_it_is_until_asked(
    browser: Browser, console: Console
) -> None:
    console.fleet.apply(snapshot(device("a"), device("b")))
    poll = poll_of(browser)
    console.fleet.apply(change(2, run=run_of("a"), device=device("a", DeviceState.VALIDATING)))
    text = browser.get(poll).text
    assert "1 machine has moved to another group" in text
    assert "Sort again" in text


def test_machines_that_fit_a_list_since_are_counted_and_not_put_between_others(
    browser: Browser, console: Console
) -> None:
    console.fleet.apply(snapshot(device("b")))
    poll = poll_of(browser)
    console.fleet.apply(change(2, device=device("a")))
    text = browser.get(poll).text
    assert "1 machine more fits this list" in text
    assert "/devices/a" not in text


def test_a_page_without_a_machine_is_loaded_again_when_there_is_one(browser: Browser, console: Console) -> None:
    """As one that was opened while the console started."""
    poll = poll_of(browser)
    console.fleet.apply(snapshot(device("a")))
    assert browser.get(poll).headers["HX-Refresh"] == "true"


def test_a_page_that_is_forgotten_is_loaded_again(browser: Browser) -> None:
    answer = browser.get("/machines/live?shown=unknown&since=0")
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")


def test_the_banner_comes_when_the_api_is_away_and_goes_with_it(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.fleet.apply(snapshot(device("a")))
    poll = poll_of(browser)
    monkeypatch.setattr(Freshness, "age_s", 90.0)
    console.freshness.failed("the API at https://api does not answer")
    text = browser.get(poll).text
    assert "The API does not answer" in text
    assert "1 min 30 s" in text
    again = text.split('id="live" hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert browser.get(again).status_code == 204
    monkeypatch.setattr(Freshness, "age_s", 0.1)
    assert "The API does not answer" not in browser.get(again).text


def test_what_is_shown_counts_as_old_in_time_for_the_banner() -> None:
    now = 100.0
    freshness = Freshness(lambda: now)
    assert freshness.is_stale
    freshness.answered()
    now += STALE_S + 0.1
    assert freshness.is_stale
    assert STALE_S + 2 < 5  # a viewer's poll comes within 2 s


def test_a_page_that_needs_the_api_says_that_it_is_away(browser: Browser) -> None:
    answer = browser.get("/devices/a")
    assert answer.status_code == 503
    assert "The API does not answer" in answer.text


@pytest.mark.parametrize("path", [f"/runs/{RUN_ID}/live", "/devices/a/live"])
def test_a_page_whose_run_or_machine_is_gone_does_not_go_on_to_show_it(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    console.fleet.apply(snapshot())

    def gone(*_: object) -> None:
        raise ApiRejected("there is no such thing", kind="unknown_run")

    monkeypatch.setattr(Console, "read_at", gone)
    poll = browser.get(path, **{"HX-Request": "true"})
    assert (poll.status_code, poll.headers.get("HX-Refresh")) == (404, "true"), poll.text
    page = browser.get(path.removesuffix("/live"))
    assert (page.status_code, 'id="live"' in page.text) == (404, False)
    assert "HX-Refresh" not in page.headers


def test_plain_text_connections_are_named_on_every_page(browser: Browser) -> None:
    assert "Not encrypted: API_USE_TLS=false" in browser.get("/machines").text


@pytest.mark.usefixtures("hostile")
def test_people_who_look_at_one_run_cost_the_api_what_one_costs(browser: Browser, api: FakeApi) -> None:
    for _ in range(20):
        browser.get(f"/runs/{RUN_ID}")
    assert [path for _, path, _ in api.calls].count(f"/runs/{RUN_ID}") <= 2


def test_a_machine_in_trouble_has_its_reason_and_what_to_do_in_its_line(browser: Browser, console: Console) -> None:
    run = run_of("a", RunState.FAILED, ended_at=LATER, reason=FailureReason.BMC_UNREACHABLE, detail="no answer")
    console.fleet.apply(snapshot(device("a", DeviceState.FAILED), runs=(run,)))
    text = browser.get("/machines").text
    assert "<strong>BMC unreachable</strong>: no answer" in text
    assert "Look at: its address in <code>devices.toml</code>" in text


def test_what_is_awaited_is_named_with_its_end(browser: Browser, console: Console) -> None:
    run = run_of("a", RunState.WAITING, deadline_at=LATER)
    console.fleet.apply(snapshot(device("a", DeviceState.VALIDATING), runs=(run,)))
    text = browser.get("/machines").text
    assert "Awaited: its first call, from the machine, until" in text
    assert "03:02" in text


def test_a_page_made_of_an_answer_of_a_moment_ago_is_not_taken_for_one_of_now(console: Console, api: FakeApi) -> None:
    """The machine has changed since: taken for the present version, the page would stay until the next change."""
    api.answers["/devices/d"] = DeviceDetail(**dict(device("d", DeviceState.FAILED)), runs=())
    seen, _ = console.read_at("/devices/d", DeviceDetail)
    console.fleet.apply(snapshot())
    assert console.read_at("/devices/d", DeviceDetail)[0] == seen < console.fleet.version


@pytest.mark.parametrize("path", ["/devices/d", f"/runs/{RUN_ID}"])
def test_a_page_asks_for_what_is_news_since_its_oldest_answer(
    browser: Browser, console: Console, api: FakeApi, path: str
) -> None:
    pages(api)
    seen, _ = console.read_at("/devices/d", DeviceDetail)
    console.fleet.apply(snapshot())
    assert f"/live?since={seen}&" in browser.get(path).text
