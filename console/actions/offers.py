"""Which actions a page offers, what they are called, and which machines, runs or jobs they are done to. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bringup.model import DeviceState, RunState
from bringup.wire.actions import OperatorAction, TargetPreview
from bringup.wire.operator import DeviceView
from console.state.fleet import Fleet
from console.state.machine import Machine

# On a button, for one target or many.
LABELS: dict[OperatorAction, str] = {
    OperatorAction.START: "Start a run",
    OperatorAction.APPROVE: "Approve",
    OperatorAction.IN_SERVICE: "Put in service",
    OperatorAction.WITHHOLD: "Withhold",
    OperatorAction.MAINTENANCE: "Put in maintenance",
    OperatorAction.END_MAINTENANCE: "End maintenance",
    OperatorAction.ABORT: "Abort the run",
    OperatorAction.REPEAT: "Approve and run again",
    OperatorAction.REQUEUE: "Put back on its queue",
    OperatorAction.DISCARD: "Delete for good",
}
# What each one means, for a person who is about to do it.
MEANINGS: dict[OperatorAction, str] = {
    OperatorAction.START: "A run starts now, without waiting for a lease.",
    OperatorAction.APPROVE: "The next DHCP lease starts a run, which switches the machine off and on.",
    OperatorAction.IN_SERVICE: "bringup never switches the machine again.",
    OperatorAction.WITHHOLD: "The approval is taken back, also that of the inventory: no run starts.",
    OperatorAction.MAINTENANCE: "No run starts until a person ends it.",
    OperatorAction.END_MAINTENANCE: "Runs may start again, if the machine is approved.",
    OperatorAction.ABORT: "The run ends without a verdict, and what it did at the BMC is undone.",
    OperatorAction.REPEAT: "The machine is approved, and another run starts now.",
    OperatorAction.REQUEUE: "A worker takes the job again.",
    OperatorAction.DISCARD: "The job is never done, and cannot be brought back.",
}
# Those that end or delete something look so.
DANGEROUS = frozenset({OperatorAction.ABORT, OperatorAction.DISCARD, OperatorAction.WITHHOLD})
OF_RUNS = frozenset({OperatorAction.ABORT, OperatorAction.REPEAT})
OF_JOBS = frozenset({OperatorAction.REQUEUE, OperatorAction.DISCARD})
OF_MACHINES = tuple(action for action in LABELS if action not in OF_JOBS)
_COMMANDS = {
    OperatorAction.START: "device start",
    OperatorAction.APPROVE: "device approve",
    OperatorAction.IN_SERVICE: "device in-service",
    OperatorAction.WITHHOLD: "device withhold",
    OperatorAction.MAINTENANCE: "device maintenance",
    OperatorAction.END_MAINTENANCE: "device maintenance --end",
    OperatorAction.ABORT: "run abort",
    OperatorAction.REPEAT: "run repeat",
    OperatorAction.REQUEUE: "queues requeue",
    OperatorAction.DISCARD: "queues discard",
}
# Commands that take a reason for the record.
WITH_REASON = frozenset({OperatorAction.START, OperatorAction.MAINTENANCE, OperatorAction.ABORT, OperatorAction.REPEAT})
_NOT_PASSED = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.ABORTED, RunState.DEGRADED})


def for_device(device: DeviceView, run: RunState | None) -> list[OperatorAction]:
    """What makes sense for ``device`` now; the API decides what is done.

    Args:
        device: as it is now.
        run: the state of its present or last run; None: it had none.
    """
    is_open = run is not None and not run.ended
    wanted = {
        OperatorAction.ABORT: is_open,
        OperatorAction.REPEAT: run in _NOT_PASSED and device.state not in {DeviceState.ACTIVE, DeviceState.VALIDATED},
        OperatorAction.START: not is_open and device.state is DeviceState.APPROVED,
        OperatorAction.APPROVE: not is_open and device.state not in {DeviceState.APPROVED, DeviceState.ACTIVE},
        OperatorAction.IN_SERVICE: device.state is not DeviceState.ACTIVE,
        OperatorAction.MAINTENANCE: device.maintenance is None,
        OperatorAction.END_MAINTENANCE: device.maintenance is not None,
        OperatorAction.WITHHOLD: device.state is not DeviceState.DISCOVERED,
    }
    return [action for action, is_offered in wanted.items() if is_offered]


def for_run(run: RunState) -> list[OperatorAction]:
    """What makes sense for a run in this state."""
    if not run.ended:
        return [OperatorAction.ABORT]
    return [OperatorAction.REPEAT] if run in _NOT_PASSED else []


def command(action: OperatorAction, targets: Sequence[str], reason: str = "") -> str:
    """The command that does the same, for a shell.

    Args:
        action: what is done.
        targets: names of devices, or ids of runs or jobs.
        reason: on record; empty: the usual one.
    """
    words = ["bringup", *_COMMANDS[action].split()]
    if reason and action in WITH_REASON:
        words += ["--reason", reason]
    if any(target.startswith("-") for target in targets):
        words.append("--")
    return shlex.join([*words, *targets])


@dataclass(frozen=True)
class Targets:
    """What the API is asked about.

    Args:
        asked: names of devices, or ids of runs or jobs, each once.
        machines: of which machine a run is, by its id.
        refused: machines that have no such run: there is nothing to ask the API.
    """

    asked: tuple[str, ...]
    machines: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[TargetPreview, ...] = ()

    def __len__(self) -> int:
        return len(self.asked) + len(self.refused)

    def name_of(self, target: str) -> str:
        """What people call it: a run by its machine."""
        return self.machines.get(target, target)


def of_machines(action: OperatorAction, names: Sequence[str], fleet: Fleet) -> Targets:
    """The targets of an action on machines: themselves, or the present or last run of each.

    Args:
        action: what is to be done.
        names: of the machines; each counts once.
        fleet: knows the runs.
    """
    names = tuple(dict.fromkeys(names))
    if action not in OF_RUNS:
        return Targets(names)
    runs, refused = {}, []
    for name in names:
        run_id, why_not = _run_of(action, fleet.get(name))
        if run_id:
            runs[run_id] = name
        else:
            refused.append(TargetPreview(target=name, would=False, reason=why_not))
    return Targets(tuple(runs), runs, tuple(refused))


def _run_of(action: OperatorAction, machine: Machine | None) -> tuple[str, str]:
    """The id of the run that the action is for, or why there is none."""
    run = machine.run if machine else None
    if run is None:
        return "", "the machine had no run"
    if action is OperatorAction.ABORT and not run.is_open:
        return "", "no run of the machine is under way"
    return run.run_id, ""
