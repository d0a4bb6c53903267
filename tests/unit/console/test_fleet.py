"""The fleet in memory: what the feed brings in, and what a list takes out."""

from datetime import timedelta
from typing import Any

import pytest

from bringup.model import DeviceState, FailureReason, RunState
from console.state.fleet import Fleet
from console.state.lists import FleetLists
from console.state.query import PAGE_ROWS, Query
from tests.unit.console.conftest import AT, change, device, run_of, snapshot

LATER = AT + timedelta(minutes=5)


def fleet_of(*batches: object) -> Fleet:
    fleet = Fleet()
    for batch in batches:
        fleet.apply(batch)  # type: ignore[arg-type]
    return fleet


def names(fleet: Fleet, **query: object) -> list[str]:
    return [machine.name for machine in FleetLists(fleet).page(Query(**query)).machines]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "run", "shown"),
    [
        (DeviceState.VALIDATING, RunState.BOOTING, "booting"),
        (DeviceState.FAILED, RunState.TIMED_OUT, "timed_out"),
        (DeviceState.FAILED, RunState.ABORTED, "aborted"),
        (DeviceState.FAILED, RunState.DEGRADED, "degraded"),
        (DeviceState.VALIDATED, RunState.PASSED, "validated"),
        (DeviceState.APPROVED, RunState.FAILED, "approved"),
        (DeviceState.ACTIVE, RunState.AUDITED, "active"),
        (DeviceState.DISCOVERED, None, "discovered"),
    ],
)
def test_a_machine_has_one_state(state: DeviceState, run: RunState | None, shown: str) -> None:
    ended: dict[str, Any] = {"ended_at": LATER} if run and run.ended else {}
    runs = (run_of("a", run, **ended),) if run else ()
    machine = fleet_of(snapshot(device("a", state), runs=runs)).get("a")
    assert machine
    assert machine.state == shown


def test_maintenance_is_its_state_but_not_while_a_run_is_under_way() -> None:
    resting = device("a", maintenance="disk")
    assert fleet_of(snapshot(resting)).counts["maintenance"] == 1
    assert fleet_of(snapshot(resting, runs=(run_of("a"),))).counts["running"] == 1


def test_a_change_moves_a_machine_from_one_count_to_the_other() -> None:
    fleet = fleet_of(snapshot(device("a"), device("b")))
    assert fleet.counts["approved"] == 2
    fleet.apply(change(run=run_of("a"), device=device("a", DeviceState.VALIDATING)))
    assert (fleet.counts["approved"], fleet.counts["running"], len(fleet)) == (1, 1, 2)


def test_a_change_of_an_earlier_run_does_not_hide_the_newest() -> None:
    newest = run_of("a", RunState.RUNNING, number=2, created_at=LATER)
    fleet = fleet_of(snapshot(device("a"), runs=(newest,)), change(run=run_of("a", RunState.FAILED, ended_at=AT)))
    machine = fleet.get("a")
    assert machine
    assert machine.run
    assert machine.run.run_id == newest.run_id


def test_a_snapshot_replaces_all_that_was_known() -> None:
    fleet = fleet_of(snapshot(device("a"), device("b")), snapshot(device("b"), device("c")))
    assert names(fleet) == ["b", "c"]
    assert sum(fleet.counts.values()) == 2


def test_the_time_in_a_state_does_not_begin_anew_with_an_event_in_it() -> None:
    fleet = fleet_of(snapshot(device("a")))
    for seconds, state in enumerate((RunState.BOOTING, RunState.BOOTING, RunState.WAITING)):
        at = AT + timedelta(seconds=seconds)
        run = run_of("a", state, boot_started_at=AT, updated_at=at)
        fleet.apply(change(seconds + 2, run=run, device=device("a", DeviceState.VALIDATING), at=at))
        machine = fleet.get("a")
        assert machine
        assert machine.since == (AT if state is RunState.BOOTING else at)


@pytest.mark.parametrize(
    ("state", "fields", "since"),
    [
        (RunState.QUEUED, {}, AT),
        (RunState.BOOTING, {"boot_started_at": LATER}, LATER),
        (RunState.WAITING, {"powered_on_at": LATER}, LATER),
        (RunState.FAILED, {"ended_at": LATER}, LATER),
    ],
)
def test_after_a_start_the_time_in_a_state_is_that_of_the_run(
    state: RunState, fields: dict[str, Any], since: object
) -> None:
    shown = device("a", DeviceState.FAILED if state.ended else DeviceState.VALIDATING)
    machine = fleet_of(snapshot(shown, runs=(run_of("a", state, **fields),))).get("a")
    assert machine
    assert machine.since == since


def test_a_time_that_is_not_known_is_not_made_up() -> None:
    machine = fleet_of(snapshot(device("a", last_seen_at=AT))).get("a")
    assert machine
    assert machine.since is None


def test_a_snapshot_of_an_older_state_has_no_run_that_was_begun_since() -> None:
    fleet = fleet_of(snapshot(device("a"), runs=(run_of("a"),)), snapshot(device("a")))
    machine = fleet.get("a")
    assert machine
    assert machine.run is None
    assert fleet.counts["approved"] == 1


def test_a_change_that_comes_twice_does_no_harm() -> None:
    page = change(run=run_of("a"), device=device("a", DeviceState.VALIDATING))
    fleet = fleet_of(snapshot(device("a")), page, page)
    assert fleet.counts["running"] == 1


def test_a_change_of_the_inventory_alone_changes_no_machine() -> None:
    assert len(fleet_of(snapshot(device("a")), change(what="inventory"))) == 1


def test_what_changed_since_a_version_is_known_the_latest_first() -> None:
    fleet = fleet_of(snapshot(device("a"), device("b")))
    seen = fleet.version
    fleet.apply(change(2, device=device("b")))
    fleet.apply(change(3, device=device("a")))
    assert [machine.name for machine in fleet.changed_since(seen)] == ["a", "b"]
    assert not list(fleet.changed_since(fleet.version))


def test_events_of_a_run_are_dots_and_bounded() -> None:
    fleet = fleet_of(snapshot(device("a")))
    for number in range(100):
        fleet.apply(change(number + 2, run=run_of("a"), what="bmc_busy", detail="x" * 5000))
    machine = fleet.get("a")
    assert machine
    assert machine.run
    assert len(machine.run.events) <= 33 + 8
    assert max(len(event.detail) for event in machine.run.events) <= 300


def test_what_a_person_did_is_shown_with_their_name() -> None:
    ended = run_of("a", RunState.ABORTED, ended_at=AT)
    fleet = fleet_of(snapshot(device("a")), change(run=ended, what="abort", who="alice"))
    machine = fleet.get("a")
    assert machine
    assert machine.run
    assert [(event.kind, event.who) for event in machine.run.events] == [("lease", ""), ("aborted", "alice")]


def test_names_are_sorted_as_people_sort_them() -> None:
    fleet = fleet_of(snapshot(*map(device, ["r10u1", "r2u10", "r2u9", "2", "10", "b"])))
    assert names(fleet) == ["2", "10", "b", "r2u9", "r2u10", "r10u1"]


FLEET = snapshot(
    device("web1", DeviceState.FAILED, macs=("02:00:00:00:00:01",), ip="192.0.2.1", boot_group="r12"),
    device("web2", DeviceState.VALIDATED, bmc="https://10.0.0.2", boot_group="r13", product="PowerEdge R650"),
    device("db1", DeviceState.DISCOVERED, boot_group="r12"),
    runs=(run_of("web1", RunState.FAILED, ended_at=AT, reason=FailureReason.NO_BOOT, hostname="Rescue"),),
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"text": "web"}, ["web1", "web2"]),
        ({"text": "02:00:00:00:00:01"}, ["web1"]),
        ({"text": "192.0.2.1"}, ["web1"]),
        ({"text": "10.0.0.2"}, ["web2"]),
        ({"text": "rescue"}, ["web1"]),
        ({"state": "failed"}, ["web1"]),
        ({"reason": "no_boot"}, ["web1"]),
        ({"model": "PowerEdge R650"}, ["web2"]),
        ({"text": "poweredge"}, ["web2"]),
        ({"rack": "r12"}, ["web1", "db1"]),
        ({"need": "ATTENTION"}, ["web1", "db1"]),
        ({"need": "UP"}, ["web2"]),
        ({"site": "fra1", "text": "db"}, ["db1"]),
        ({"site": "ams1"}, []),
    ],
)
def test_a_list_is_filtered(query: dict[str, object], found: list[str]) -> None:
    assert names(fleet_of(FLEET), **query) == found


def test_what_a_list_can_be_filtered_by_is_what_machines_have() -> None:
    found = {"rack": ["r12", "r13"], "model": ["PowerEdge R650"], "reason": ["no_boot"]}
    assert fleet_of(FLEET).facets() == found


@pytest.mark.parametrize(
    ("group", "parts"),
    [
        ("state", [("failed", ["web1"]), ("not approved", ["db1"]), ("validated", ["web2"])]),
        ("rack", [("r12", ["db1", "web1"]), ("r13", ["web2"])]),
        ("reason", [("No boot", ["web1"]), ("no failure", ["db1", "web2"])]),
        ("site", [("fra1", ["db1", "web1", "web2"])]),
        ("none", [("all machines", ["db1", "web1", "web2"])]),
    ],
)
def test_a_list_is_grouped(group: str, parts: list[tuple[str, list[str]]]) -> None:
    page = FleetLists(fleet_of(FLEET)).page(Query(group=group))
    assert [(part.key, [machine.name for machine in part.machines]) for part in page.parts] == parts


def test_a_page_has_a_hundred_rows_and_counts_all() -> None:
    fleet = fleet_of(snapshot(*(device(f"m{number}") for number in range(250))))
    pages = [FleetLists(fleet).page(Query(page=number)) for number in (1, 3, 99)]
    assert [len(page.machines) for page in pages] == [PAGE_ROWS, 50, 50]
    assert [(page.total, page.number, page.pages, page.parts[0].count) for page in pages][2] == (250, 3, 3, 250)


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "1e3", "9" * 30, ""])
def test_an_address_with_a_strange_page_shows_the_first(page: str) -> None:
    assert Query.of({"page": page, "state": "none-such", "group": "x", "need": "X"}) == Query()


def test_the_address_of_a_filter_leads_back_to_it() -> None:
    query = Query(text="r12 & co", state="failed", group="rack", page=3)
    assert query.address(page=3) == "text=r12+%26+co&state=failed&group=rack&page=3"
    assert query.address(group="state") == "text=r12+%26+co&state=failed"
