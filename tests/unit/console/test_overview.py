"""The page of the services: what needs a person comes first, in words, and nothing else is an alarm."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bringup import __version__, errors
from bringup.wire.message import Readiness
from bringup.wire.operator import QuarantinedJob, QueueList, QueueView, TailerView
from bringup.wire.services import (
    BootGroupView,
    BootsView,
    CertificateView,
    ReplicasView,
    SelfTestList,
    SelfTestView,
    ServicesView,
)
from console.overview import STALE_AFTER, Overview
from console.services import Console
from console.views.services import overview_of
from console.words import Tone
from tests.unit.console.conftest import AT, Browser, FakeApi
from tests.unit.console.test_pages import MARKUP, is_text

READY = Readiness(ready=True)


def queue(**fields: Any) -> QueueView:
    known: dict[str, Any] = {"name": "boot", "queued": 0, "started": 0, "scheduled": 0, "failed": 0, "workers": 2}
    return QueueView(**known | fields)


def tailer(**fields: Any) -> TailerView:
    known: dict[str, Any] = {
        "host": "dhcp1",
        "source": "kea",
        "path": "/kea.log",
        "version": __version__,
        "silent_s": 3.0,
    }
    return TailerView(**known | fields)


def selftest(**fields: Any) -> SelfTestView:
    known: dict[str, Any] = {
        "host": "w1",
        "passed": True,
        "verdict": "PASSED",
        "version": __version__,
        "at": AT,
        "by": "w1.worker",
    }
    return SelfTestView(**known | fields)


def certificate(days: float, reported: timedelta = timedelta()) -> CertificateView:
    return CertificateView(host="w1", identity="w1.worker", ends=AT + timedelta(days=days), reported_at=AT - reported)


def services(**fields: Any) -> ServicesView:
    known: dict[str, Any] = {"version": __version__, "at": AT, "boots": BootsView(booting=1, waiting=0, limit=50)}
    return ServicesView(**known | fields)


def overview(
    *,
    ready: Readiness = READY,
    queues: tuple[QueueView, ...] = (queue(),),
    tailers: tuple[TailerView, ...] = (tailer(),),
    selftests: tuple[SelfTestView, ...] = (selftest(),),
    **fields: Any,
) -> Overview:
    return Overview(
        at=AT,
        ready=ready,
        queues=QueueList(queues=queues, tailers=tailers),
        services=services(**fields),
        selftests=selftests,
    )


def test_where_all_is_well_nothing_needs_a_person() -> None:
    assert overview(certificates=(certificate(300),)).alarms(__version__) == []


@pytest.mark.parametrize(
    ("changes", "tone", "text"),
    [
        ({"ready": Readiness(ready=False, problems=("x",), withheld="x")}, Tone.BAD, "No machine is touched: x."),
        ({"ready": Readiness(ready=False, problems=("Redis refuses writes",))}, Tone.BAD, "Redis refuses writes"),
        ({"queues": (queue(workers=0, queued=3, oldest_s=90),)}, Tone.BAD, "3 jobs wait, the first for 1 min 30 s"),
        ({"queues": (queue(workers=0),)}, Tone.CAUTION, "No worker serves the queue boot: no job waits."),
        ({"queues": (queue(failed=1),)}, Tone.CAUTION, "1 job has failed"),
        ({"queues": (queue(queued=3, oldest_s=500),)}, Tone.CAUTION, "is behind: 3 jobs wait, the first for 8 min"),
        ({"queues": (queue(failed=2),)}, Tone.CAUTION, "2 jobs have failed on the queue boot"),
        ({"queues": (queue(quarantined=2),)}, Tone.CAUTION, "2 jobs are in quarantine, of the queue boot"),
        ({"tailers": ()}, Tone.BAD, "no lease is read"),
        ({"tailers": (tailer(silent_s=120),)}, Tone.BAD, "silent for 2 min: its leases are not read"),
        ({"tailers": (tailer(problem="not there"),)}, Tone.BAD, "cannot read its file: not there"),
        ({"tailers": (tailer(behind_s=300),)}, Tone.CAUTION, "is behind for 5 min"),
        ({"selftests": (selftest(passed=False, failed=("3b",)),)}, Tone.BAD, "self-test of w1 has failed (3b)"),
        ({"selftests": (selftest(at=AT - 2 * STALE_AFTER),)}, Tone.CAUTION, "self-test of w1 is old: 2 d 4 h"),
        ({"certificates": (certificate(-1),)}, Tone.BAD, "of w1 has ended"),
        ({"certificates": (certificate(0.5),)}, Tone.BAD, "of w1 ends today"),
        ({"certificates": (certificate(6.5),)}, Tone.BAD, "of w1 ends in 6 days"),
        ({"certificates": (certificate(20.5),)}, Tone.CAUTION, "of w1 ends in 20 days"),
        ({"certificates": (certificate(5, timedelta(days=9)),)}, Tone.BAD, "It has not reported since"),
        ({"version": "0.0.1"}, Tone.CAUTION, "Several versions run at once: 0.0.1: API"),
    ],
)
def test_what_needs_a_person_is_named_with_what_to_do(changes: dict[str, Any], tone: Tone, text: str) -> None:
    (alarm,) = overview(**changes).alarms(__version__)
    assert alarm.tone is tone
    assert text in alarm.what
    assert alarm.do or "No machine is touched" in alarm.what


def test_an_old_result_counts_as_old_whatever_it_was() -> None:
    (alarm,) = overview(selftests=(selftest(passed=False, at=AT - 2 * STALE_AFTER),)).alarms(__version__)
    assert "is old" in alarm.what


def test_the_most_urgent_comes_first() -> None:
    found = overview(queues=(queue(failed=1), queue(name="lease", workers=0, queued=1))).alarms(__version__)
    assert [alarm.tone for alarm in found] == [Tone.BAD, Tone.CAUTION]


# The page.


@pytest.fixture
def answering(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """An API whose every part has something to show, with markup wherever others write."""
    job = QuarantinedJob(job_id=MARKUP, queue="boot", reason=MARKUP, at=AT)
    api.answers["/queues"] = QueueList(
        queues=(queue(quarantined=1),), quarantine=(job,), tailers=(tailer(problem=MARKUP, path=MARKUP),)
    )
    boots = BootsView(booting=3, waiting=2, limit=50, groups=(BootGroupView(name="r12", booting=3, limit=4),))
    api.answers["/services"] = services(
        boots=boots, replicas=ReplicasView(following=1, known=2), certificates=(certificate(4),)
    )
    api.answers["/selftest"] = SelfTestList(selftests=(selftest(failed=("3b",), passed=False, verdict="FAILED"),))
    monkeypatch.setattr(FakeApi, "readiness", lambda _: READY, raising=False)
    return api


@pytest.mark.usefixtures("answering")
def test_the_page_shows_each_part(browser: Browser) -> None:
    text = browser.get("/services").text
    for part in ("3 of 50", "2 wait for a boot slot", "r12", "1 of 2 replicas follow", "w1.worker", "3b", "Quarantine"):
        assert part in text, part
    assert text.index("Needs a person") < text.index('id="queues"')


@pytest.mark.usefixtures("answering")
def test_whatever_jobs_and_tailers_hold_is_text(browser: Browser) -> None:
    assert is_text(browser.get("/services").text)
    assert is_text(browser.get("/services/live").text)


@pytest.mark.usefixtures("answering")
def test_only_an_operator_can_move_jobs(browser: Browser, new_browser: Callable[[], Browser]) -> None:
    viewer = new_browser()
    viewer.sign_in("vera-token")
    assert "Put back the selected" in browser.get("/services").text
    assert "Put back the selected" not in viewer.get("/services").text
    assert 'type="checkbox"' not in viewer.get("/services").text


@pytest.mark.usefixtures("answering")
def test_a_poll_leaves_alone_what_a_person_selects(browser: Browser) -> None:
    assert 'type="checkbox"' not in browser.get("/services/live").text


def test_what_cannot_be_read_does_not_hide_the_rest(answering: FakeApi, browser: Browser) -> None:
    del answering.answers["/services"]
    text = browser.get("/services").text
    assert "A part cannot be read" in text
    assert 'id="queues"' in text


def test_the_page_is_there_while_the_api_is_away(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: FakeApi) -> Readiness:
        raise errors.ApiUnavailable("the API does not answer")

    monkeypatch.setattr(FakeApi, "readiness", away, raising=False)
    answer = browser.get("/services")
    assert answer.status_code == 200
    assert "does not answer" in answer.text


@pytest.mark.usefixtures("answering")
def test_people_who_look_at_the_services_cost_the_api_what_one_costs(browser: Browser, answering: FakeApi) -> None:
    for _ in range(20):
        browser.get("/services/live")
    assert [path for _, path, _ in answering.calls].count("/queues") <= 2


@pytest.mark.usefixtures("answering")
def test_every_page_shows_how_much_of_the_services_needs_a_person(browser: Browser, console: Console) -> None:
    assert "need a person</span>" not in browser.get("/machines").text
    alarms = overview_of(console).alarms(__version__)
    assert f'<span class="badge">{len(alarms)}<' in browser.get("/machines").text
    assert f'<span class="badge">{len(alarms)}<' in browser.get("/services/count?shown=0").text
    assert browser.get(f"/services/count?shown={len(alarms)}").status_code == 204
