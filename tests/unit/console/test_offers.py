"""What the pages offer, and the commands that do the same."""

import shlex

import click
import pytest

from bringup.model import DeviceState, RunState
from bringup.wire.actions import OperatorAction
from bringup_cli.root import cli
from console.actions import offers
from tests.unit.console.conftest import device

ACTIONS = list(OperatorAction)


def test_every_action_has_its_words() -> None:
    assert set(offers.LABELS) == set(offers.MEANINGS) == set(OperatorAction)


def parsed(text: str) -> click.Context:
    """The context of the command of ``text``, whose arguments click has accepted."""
    found: click.Command = cli
    words, context = shlex.split(text)[1:], click.Context(cli)
    while isinstance(found, click.Group):
        command = found.get_command(context, words.pop(0))
        assert command
        found = command
    return found.make_context("x", words)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_command_of_the_page_is_one_of_the_command_line(action: OperatorAction) -> None:
    targets = ("a", "it's; rm -rf /", "-x")
    reason = "a reason" if action in offers.WITH_REASON else ""
    found = parsed(offers.command(action, targets, reason)).params
    assert next(value for name, value in found.items() if name.endswith(("names", "ids"))) == targets
    assert found.get("reason", "") == reason or not reason


def test_a_machine_with_an_open_run_offers_to_abort_it_first() -> None:
    found = offers.for_device(device("a", DeviceState.VALIDATING), RunState.BOOTING)
    assert found[0] is OperatorAction.ABORT
    assert OperatorAction.START not in found


@pytest.mark.parametrize(
    ("state", "run", "offered"),
    [
        (DeviceState.APPROVED, None, OperatorAction.START),
        (DeviceState.DISCOVERED, None, OperatorAction.APPROVE),
        (DeviceState.FAILED, RunState.TIMED_OUT, OperatorAction.REPEAT),
        (DeviceState.VALIDATED, RunState.PASSED, OperatorAction.IN_SERVICE),
    ],
)
def test_a_machine_offers_its_next_step(state: DeviceState, run: RunState | None, offered: OperatorAction) -> None:
    assert offered in offers.for_device(device("a", state), run)


def test_a_machine_in_service_offers_nothing_that_would_switch_it() -> None:
    found = set(offers.for_device(device("a", DeviceState.ACTIVE), RunState.FAILED))
    assert not found & {OperatorAction.START, OperatorAction.APPROVE, OperatorAction.REPEAT}


def test_maintenance_is_ended_where_it_is() -> None:
    found = offers.for_device(device("a", maintenance="fan"), None)
    assert OperatorAction.END_MAINTENANCE in found
    assert OperatorAction.MAINTENANCE not in found


@pytest.mark.parametrize(
    ("run", "offered"),
    [
        (RunState.RUNNING, [OperatorAction.ABORT]),
        (RunState.FAILED, [OperatorAction.REPEAT]),
        (RunState.PASSED, []),
    ],
)
def test_a_run_offers_what_makes_sense(run: RunState, offered: list[OperatorAction]) -> None:
    assert offers.for_run(run) == offered
