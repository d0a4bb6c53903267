"""All cases at once: every machine gets its lease, and plays its part when it is switched on."""

import json
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bringup.model import utc_now
from bringup.wire.machine import AREA_SIZE
from bringup.wire.operator import DeviceView
from bringup.wire.run import RunDetail
from tests import applications
from tests.integration.agent.site import Listener, long_ago, served
from tests.integration.redfish.cases import CASES, INSERT, RESET, UUIDS
from tests.integration.redfish.conftest import Emulator
from tests.integration.redfish.emulator import PASSWORD, SYSTEMS, USER
from tests.integration.redfish.machines import Machine
from tests.integration.redfish.rack import AREA_AT, Rack
from tests.integration.workers.site import eventually

_WITHIN_S = 180
_LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class Outcome:
    """A run that is closed, its device, and its machine as the emulator has it then."""

    run: RunDetail
    device: DeviceView
    machine: dict[str, Any]


def play_all(folder: Path, emulator: Emulator, rack: Rack, doomed: Rack) -> dict[str, Outcome]:
    """Every case to its end.

    Args:
        rack: with the worker that lives.
        doomed: with the worker that is killed.
    """
    for name in (name for name, case in CASES.items() if case.holds_a_disc):
        _leave_a_disc(emulator, name)
    lost = next(name for name, case in CASES.items() if case.loses_its_worker)
    _kill_the_worker(doomed, emulator, lost)
    with (
        ThreadPoolExecutor(len(CASES)) as threads,
        applications.opened(rack.stack.settings_of("api")) as app,
        served(app, folder, long_ago()) as expired,
    ):
        losing = threads.submit(_start_another_too_late, doomed, emulator, lost)
        stage = _Stage(folder, emulator, rack, expired, threads)
        return stage.play([name for name in CASES if name != lost]) | {lost: losing.result()}


class _Stage:
    """Watches the machines of the rack, and lets each play once."""

    def __init__(
        self, folder: Path, emulator: Emulator, rack: Rack, expired: Listener, threads: ThreadPoolExecutor
    ) -> None:
        self._folder = folder
        self._emulator = emulator
        self._rack = rack
        self._expired = expired
        self._threads = threads
        self._operator = rack.operator()
        self._plays: dict[str, Future[object]] = {}
        self._outcomes: dict[str, Outcome] = {}

    def play(self, names: list[str]) -> dict[str, Outcome]:
        """Until all have ended, or a machine could not play its part."""
        self._rack.lease(names)
        deadline = time.monotonic() + _WITHIN_S
        while len(self._outcomes) < len(names) and time.monotonic() < deadline:
            self._look(names)
            time.sleep(_LOOK_EVERY_S)
        for play in self._plays.values():
            play.result(_WITHIN_S)
        return self._outcomes

    def _look(self, names: list[str]) -> None:
        systems = self._emulator.systems
        for name in names:
            if name not in self._plays and (given := _booted_from(systems[UUIDS[name]])):
                machine = Machine(given, self._folder / UUIDS[name], self._operator, self._expired)
                self._plays[name] = self._threads.submit(CASES[name].play, machine)
        for name, run in self._rack.runs().items():
            if run.closed_at and name not in self._outcomes:
                self._outcomes[name] = _outcome(self._rack, self._emulator, name)


def _booted_from(system: dict[str, Any]) -> dict[str, Any] | None:
    """The run's parameters, when the machine is on and its BMC has the image and is set to boot from it."""
    override = system["override"]
    is_set = (override["BootSourceOverrideEnabled"], override["BootSourceOverrideTarget"]) == ("Once", "Cd")
    if not (is_set and system["power"] == "On" and system["disc"]):
        return None
    area = Path(system["disc"]).read_bytes()[AREA_AT : AREA_AT + AREA_SIZE]
    given: dict[str, Any] = json.loads(area)
    return given


def _outcome(rack: Rack, emulator: Emulator, name: str) -> Outcome:
    return Outcome(rack.run(name), rack.device(name), emulator.systems[UUIDS[name]])


def _kill_the_worker(rack: Rack, emulator: Emulator, name: str) -> None:
    """In the middle of the power switch: the BMC has done it, and its answer is lost."""
    rack.lease([name])
    switch = f"POST {SYSTEMS}{UUIDS[name]}{RESET}"
    eventually(lambda: switch in emulator.seen["log"], _WITHIN_S, "the worker switches the machine on")
    rack.stack.stop("work", signal.SIGKILL)


def _start_another_too_late(rack: Rack, emulator: Emulator, name: str) -> Outcome:
    deadline = rack.run(name).deadline_at
    assert deadline
    eventually(lambda: utc_now() > deadline, _WITHIN_S, "the run's time is up")
    rack.start_worker()
    eventually(lambda: rack.run(name).closed_at, _WITHIN_S, "another worker cleans up")
    return _outcome(rack, emulator, name)


def _leave_a_disc(emulator: Emulator, name: str) -> None:
    requests.post(
        f"{emulator.address}{SYSTEMS}{UUIDS[name]}{INSERT}",
        json={"Image": emulator.image},
        auth=(USER, PASSWORD),
        verify=str(emulator.ca),
        timeout=60,
    ).raise_for_status()
