"""`site init` that is killed between any two steps, or before any call of the system: it goes on."""

from pathlib import Path

import pytest

from bringup_cli.site import steps
from tests.unit.bringup_cli.killing import Killed
from tests.unit.bringup_cli.site.fake_host import FakeHost

STEPS = 10
CALLS = 25
# What must never be made a second time: hosts and people have it already.
_MADE_ONCE = ("etc/bringup/site.env", "etc/bringup/ca/ca/ca-key.pem", "etc/bringup/ca/ca/ca-cert.pem")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHost:
    return FakeHost(monkeypatch, tmp_path / "host")


def quiet(_line: str) -> None:
    """Nobody reads it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FakeHost:
    """A host whose init nothing has killed."""
    with pytest.MonkeyPatch.context() as patch:
        made = FakeHost(patch, tmp_path_factory.mktemp("whole"))
        steps.apply(made.init(), quiet)
    return made


def goes_on(host: FakeHost, whole: FakeHost) -> None:
    before = host.files()
    host.kill(None)
    steps.apply(host.init(), quiet)
    assert host.state() == whole.state()
    after = host.files()
    assert {name: before[name] for name in _MADE_ONCE if name in before} == {
        name: after[name] for name in _MADE_ONCE if name in before
    }


def test_these_are_all_steps_and_calls(whole: FakeHost) -> None:
    assert (len(whole.init()), len(whole.calls)) == (STEPS, CALLS)


@pytest.mark.parametrize("done", range(STEPS + 1))
def test_an_init_that_was_killed_between_two_steps_goes_on(host: FakeHost, whole: FakeHost, done: int) -> None:
    steps.apply(host.init()[:done], quiet)
    goes_on(host, whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(CALLS))
def test_an_init_that_was_killed_before_any_call_of_the_system_goes_on(
    host: FakeHost, whole: FakeHost, number: int
) -> None:
    host.kill(number)
    with pytest.raises(Killed):
        steps.apply(host.init(), quiet)
    goes_on(host, whole)


def test_a_dry_run_of_init_changes_nothing(host: FakeHost) -> None:
    steps.apply(host.init(), quiet, dry_run=True)
    assert host.calls == []
    assert host.files() == {}
