"""A list is made once for all who look at it, and shows nothing that has changed since, or that is of one person."""

import re
from collections.abc import Callable, Sequence

from bringup.model import DeviceState
from console.services import Console
from console.state.fleet import Fleet
from console.state.lists import FleetLists
from console.state.machine import Machine
from console.state.query import Query
from tests.unit.console.conftest import Browser, change, device, snapshot


class CountedFleet(Fleet):
    """Counts how often all machines are looked through."""

    looks = 0

    def all(self) -> Sequence[Machine]:
        self.looks += 1
        return super().all()


def fleet_of(number: int) -> CountedFleet:
    fleet = CountedFleet()
    fleet.apply(snapshot(*(device(f"m{one}") for one in range(number))))
    return fleet


def shown(lists: FleetLists, query: Query) -> dict[str, list[str]]:
    return {part.key: [machine.name for machine in part.machines] for part in lists.page(query).parts}


def test_people_who_look_at_one_list_cost_what_one_costs() -> None:
    fleet = fleet_of(250)
    lists = FleetLists(fleet)
    pages = [lists.page(Query(page=number)).machines[0].name for number in (1, 2, 3, 1, 2, 3)]
    assert pages == ["m0", "m100", "m200"] * 2
    assert fleet.looks == 1


def test_a_list_is_of_its_query_alone() -> None:
    lists = FleetLists(fleet_of(3))
    assert shown(lists, Query(text="m1")) == {"approved": ["m1"]}
    assert shown(lists, Query(text="m2")) == {"approved": ["m2"]}
    assert shown(lists, Query(text="m2", group="none")) == {"all machines": ["m2"]}


def test_a_machine_that_has_changed_is_not_shown_as_it_was() -> None:
    fleet = fleet_of(3)
    lists, query = FleetLists(fleet), Query(state="approved")
    before = lists.page(query)
    fleet.apply(change(2, device=device("m1", DeviceState.FAILED)))
    fleet.apply(change(3, device=device("m2", ip="192.0.2.9")))
    after = lists.page(query)
    assert [machine.name for machine in after.machines] == ["m0", "m2"]
    assert after.machines[1].device.ip == "192.0.2.9"
    assert after.version == fleet.version > before.version


def test_a_machine_that_an_older_state_does_not_have_is_not_shown() -> None:
    fleet = fleet_of(2)
    lists = FleetLists(fleet)
    assert lists.page(Query()).total == 2
    fleet.apply(snapshot(device("m1")))
    assert shown(lists, Query()) == {"approved": ["m1"]}
    assert [machine.name for machine in fleet.all()] == ["m1"]


def test_lists_that_are_kept_are_bounded() -> None:
    fleet = fleet_of(1)
    lists = FleetLists(fleet)
    for number in range(450):
        lists.page(Query(text=str(number)))
    lists.page(Query(text="449"))
    lists.page(Query(text="0"))
    assert fleet.looks == 451


def test_what_is_shared_has_nothing_of_the_person_who_looked_first(
    browser: Browser, new_browser: Callable[[], Browser], console: Console
) -> None:
    console.fleet.apply(snapshot(device("a"), device("b", DeviceState.FAILED)))
    viewer = new_browser()
    viewer.sign_in("vera-token")
    mine, theirs = browser.get("/machines").text, viewer.get("/machines").text
    assert mine.count('type="checkbox"') == 2
    assert browser.csrf in mine
    for own in ('type="checkbox"', 'id="bulk"', browser.csrf, "alice"):
        assert own not in theirs, own
    again = browser.get("/machines").text
    assert again.count('type="checkbox"') == 2
    assert viewer.csrf not in again
    assert len(re.findall(r'<li id="m-', theirs)) == len(re.findall(r'<li id="m-', mine)) == 2
