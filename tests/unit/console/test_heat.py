"""The fleet in squares, and lines that are made once for all who look."""

from collections.abc import Callable
from typing import Any

from bringup.model import DeviceState
from console.app import create_app
from console.heat import blocks_of
from console.lines import MachineLines
from console.services import Console
from console.state.fleet import Fleet
from console.words import Tone
from tests.unit.console.conftest import Browser, change, device, snapshot

MARKUP = "<script>alert(1)</script>"


def fleet_of(*devices: Any) -> Fleet:
    fleet = Fleet()
    fleet.apply(snapshot(*devices))
    return fleet


def test_every_machine_is_a_square_in_the_block_of_its_page() -> None:
    fleet = fleet_of(*(device(f"m{number}", DeviceState.ACTIVE) for number in range(230)))
    blocks = blocks_of(fleet.all())
    assert [block.page for block in blocks] == [1, 2, 3]
    assert [sum(path.count("M") for _, path in block.paths) for block in blocks] == [100, 100, 30]
    assert blocks[2].title == "m200 to m229: 30 in service"


def test_each_tone_has_a_shape_of_its_own() -> None:
    states = [DeviceState.ACTIVE, DeviceState.APPROVED, DeviceState.DISCOVERED, DeviceState.FAILED]
    (block,) = blocks_of(fleet_of(*(device(str(state), state) for state in states)).all())
    shapes = {path.partition("h")[2] for _, path in block.paths}
    assert len(shapes) == len(states)
    assert {tone for tone, _ in block.paths} == {Tone.GOOD, Tone.IDLE, Tone.CAUTION, Tone.BAD}


def test_ten_thousand_machines_are_a_hundred_links(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(*(device(f"m{number}") for number in range(10_000))))
    text = browser.get("/machines/heat").text
    assert text.count("<a href") == 100
    assert len(text) < 500_000


def test_squares_that_have_not_changed_are_not_sent_again(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(device("a"), device("b")))
    text = browser.get("/machines/heat").text
    again = text.split('id="heat" hx-get="')[1].split('"')[0]
    assert browser.get(again).status_code == 204


def test_the_names_in_a_block_are_text(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot(device(MARKUP)))
    assert "<script" not in browser.get("/machines/heat").text


def test_the_squares_are_the_same_for_all_who_look(
    browser: Browser, new_browser: Callable[[], Browser], console: Console
) -> None:
    console.fleet.apply(snapshot(device("a"), device("b")))
    viewer = new_browser()
    viewer.sign_in("vera-token")
    mine = browser.get("/machines/heat").text
    assert viewer.get("/machines/heat").text == mine
    for own in ("alice", "vera", browser.csrf, viewer.csrf):
        assert own not in mine


def test_a_line_is_made_once_as_long_as_its_machine_has_not_changed(console: Console) -> None:
    app = create_app(console)
    now = 0.0
    lines = MachineLines(app.jinja_env, lambda: now)
    console.fleet.apply(snapshot(device("a"), device("b")))
    with app.test_request_context():
        machine, other = console.fleet.get("a"), console.fleet.get("b")
        assert machine
        assert other
        first = lines.line(machine)
        assert lines.line(machine) is first
        assert 'hx-swap-oob="true"' in lines.line(machine, oob=True)
        assert 'hx-swap-oob="true"' not in first
        assert lines.line(other) != first
        now = 11.0
        assert lines.line(machine) is not first
        console.fleet.apply(change(device=device("a", maintenance="x")))
        changed = console.fleet.get("a")
        assert changed
        assert "maintenance" in lines.line(changed)
