"""A large inventory is read by a process of its own, once for all processes of a host."""

import resource
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api import services
from api.state import inventory_cache, inventory_file
from api.state.inventory_cache import InventoryRead, read_by_another, read_directly
from api.views import workers
from bringup import files
from bringup.errors import InventoryError
from tests.integration.api.conftest import INVENTORY, RUN_A, RUN_B, Api
from tests.integration.workers.site import eventually

LARGE = "[boot_groups]\nrack = 2\n" + INVENTORY.replace('bmc = "s', 'boot_group = "rack"\nbmc = "s') + "#" * 70_000
WITHIN_S = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "large.toml"
    made.write_text(LARGE)
    return made


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that a process was started for."""
    started: list[Path] = []
    run: Any = inventory_cache._run

    def counting(path: Path, cache: Path) -> bool:
        started.append(path)
        return bool(run(path, cache))

    monkeypatch.setattr(inventory_cache, "_run", counting)
    return started


def read(path: Path) -> InventoryRead | None:
    signature = files.signature(path)
    assert signature
    return read_by_another(path, path.with_name("cache"), signature)


def test_two_processes_at_once_read_it_once_and_find_what_it_holds(path: Path, runs: list[Path]) -> None:
    found: list[InventoryRead | None] = []
    threads = [threading.Thread(target=lambda: found.append(read(path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    assert runs == [path]
    wanted = read_directly(path)
    assert len(found) == 2
    for one in found:
        assert one
        assert one._replace(inventory=wanted.inventory) == wanted
        assert one.inventory.by_name == wanted.inventory.by_name
        assert one.inventory.boot_groups == wanted.inventory.boot_groups
        assert one.inventory._owners == wanted.inventory._owners


def test_what_is_wrong_in_it_is_named_as_if_it_were_read_here(path: Path, runs: list[Path]) -> None:
    path.write_text(LARGE.replace("maintenance", "maintenence"))
    with pytest.raises(InventoryError) as expected:
        read_directly(path)
    for _ in range(2):
        with pytest.raises(InventoryError) as found:
            read(path)
        assert found.value.problems == expected.value.problems
    assert runs == [path]


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[1]\n", b"\xff"])
def test_a_cache_that_cannot_be_read_is_made_again(path: Path, runs: list[Path], damaged: bytes) -> None:
    path.with_name("cache").write_bytes(damaged)
    assert read(path)
    assert runs == [path]


def test_a_full_disk_is_named_in_a_line_and_the_api_reads_the_file_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    limit: Any = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (500, 500))
    run: Any = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run(command, preexec_fn=limit, **options))
    assert read(path) is None
    assert capfd.readouterr().err == (
        f"{path.with_name('cache')} cannot be written (File too large): the API reads DEVICES_FILE itself\n"
    )


def test_a_cache_of_another_version_or_another_file_is_made_again(
    path: Path, runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(path)
    path.write_text(LARGE + "#")
    assert read(path)
    monkeypatch.setattr(inventory_cache, "__version__", "another")
    assert read(path) is None, "that process has the version of the installed files"
    assert len(runs) == 3
    assert path.with_name("cache").stat().st_mode & 0o777 == 0o600


def test_while_it_is_read_everything_is_answered_and_nothing_decided(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permit for a machine that the edit puts in service would be a live machine touched."""
    api.lease(RUN_B)
    api.tell(RUN_B, "boot_started")
    reading, held = threading.Event(), threading.Event()

    def by_another(path: Path, _cache: Path, _signature: files.Signature) -> InventoryRead:
        reading.set()
        assert held.wait(WITHIN_S)
        return read_directly(path)

    monkeypatch.setattr(inventory_file, "read_by_another", by_another)
    in_service = LARGE.replace('name = "b"', 'name = "b"\nstate = "active"')
    try:
        api.inventory.write_text(in_service)
        assert {device["name"]: device["state"] for device in api.ok("GET", "/devices")["devices"]}["b"] == "validating"
        assert reading.wait(WITHIN_S)
        assert api.run(RUN_B)["state"] == "booting"
        refused = api.lease(RUN_A)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "is being read" in refused.json["detail"]
        for kind in ("write_requested", "power_on_requested"):
            answer = api.tell(RUN_B, kind).json
            assert (answer["permit_s"], answer["next_s"]) == (None, 3.0)
        assert api.call("GET", f"/runs/{RUN_A}").status_code == 404
    finally:
        held.set()
    eventually(lambda: api.lease(RUN_A).status_code == 201, WITHIN_S, "leases are taken again")
    assert api.tell(RUN_B, "power_on_requested").json["type"] == "urn:bringup:power_refused"


@pytest.mark.parametrize("kind", ["boot_started", "machine_identified"])
def test_no_run_is_judged_by_the_entries_of_before(api: Api, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A machine that an edit has just added is not one that is no longer in the inventory."""
    api.lease(RUN_B)
    if kind == "machine_identified":
        api.tell(RUN_B, "boot_started")
    api.inventory.write_text(LARGE.replace('name = "b"', 'name = "other"'))
    eventually(lambda: "other" in names_of_devices(api), WITHIN_S, "the edit counts")
    held = hold_reading(monkeypatch)
    identity = {"identity": {"serial": "S", "macs": []}} if kind == "machine_identified" else {}
    try:
        api.inventory.write_text(LARGE)
        answer = api.tell(RUN_B, kind, **identity)
        assert answer.status_code == 503
        assert "is being read" in answer.json["detail"]
        assert api.run(RUN_B)["reason"] is None
    finally:
        held.set()
    eventually(lambda: api.tell(RUN_B, kind, **identity).status_code == 202, WITHIN_S, "the new content counts")
    assert api.run(RUN_B)["state"] == "booting"


def test_no_machine_is_looked_up_in_the_entries_of_before(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content may come while its lease is taken: by its MAC alone nobody would have approved the machine."""
    before = LARGE.replace('name = "a"', 'name = "other"').replace("02:00:00:00:00:01", "02:00:00:00:00:77")
    api.inventory.write_text(before)
    eventually(lambda: "other" in names_of_devices(api), WITHIN_S, "the edit counts")
    held, name_of = hold_reading(monkeypatch), workers._device_name

    def and_read(mac: str) -> str:
        found = name_of(mac)
        held.set()
        given = services.services().store
        eventually(lambda: given.inventory().device_of(mac) is not None, WITHIN_S, "the new content counts")
        return found

    monkeypatch.setattr(workers, "_device_name", and_read)
    api.inventory.write_text(LARGE)
    try:
        assert api.lease(RUN_A).status_code == 503
    finally:
        held.set()
    eventually(lambda: api.lease(RUN_A).status_code == 201, WITHIN_S, "leases are taken again")
    assert api.run(RUN_A)["device"] == "a"


def hold_reading(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """From now on the file is read only when this is set."""
    held = threading.Event()

    def by_another(path: Path, _cache: Path, _signature: files.Signature) -> InventoryRead:
        assert held.wait(WITHIN_S)
        return read_directly(path)

    monkeypatch.setattr(inventory_file, "read_by_another", by_another)
    return held


def names_of_devices(api: Api) -> set[str]:
    return {device["name"] for device in api.ok("GET", "/devices")["devices"]}


def test_a_permit_rests_on_no_inventory_that_was_replaced_while_it_was_decided(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its snapshot and its answer the API asks Redis for more, and another thread may take the new content."""
    api.lease(RUN_B)
    api.tell(RUN_B, "boot_started")
    context: Any = services._context
    in_service = LARGE.replace('name = "b"', 'name = "b"\nstate = "active"')

    def and_edit(*snapshot: Any) -> Any:
        found = context(*snapshot)
        if api.inventory.read_text() != in_service:
            api.inventory.write_text(in_service)
            eventually(lambda: device_state(api, "b") == "active", WITHIN_S, "the edit counts")
        return found

    monkeypatch.setattr(services, "_context", and_edit)
    assert api.tell(RUN_B, "power_on_requested").json["permit_s"] is None
    assert api.tell(RUN_B, "power_on_requested").json["type"] == "urn:bringup:power_refused"


def device_state(api: Api, name: str) -> str:
    return str({device["name"]: device["state"] for device in api.ok("GET", "/devices")["devices"]}[name])


@pytest.mark.parametrize("damage", ["cut at the end of a line", "another state"])
def test_a_cache_that_is_damaged_is_made_again(path: Path, runs: list[Path], damage: str) -> None:
    """A machine that is missing from it, or in another state, would be treated as another than it is."""
    wanted = read(path)
    assert wanted
    cache = path.with_name("cache")
    lines = cache.read_bytes().split(b"\n")
    assert any(b"active" in line for line in lines)
    damaged = lines[:-1] if damage.startswith("cut") else [line.replace(b"active", b"approved") for line in lines]
    cache.write_bytes(b"\n".join(damaged))
    found = read(path)
    assert found
    assert found.entries == wanted.entries
    assert found.inventory.by_name == wanted.inventory.by_name
    assert len(runs) == 2
