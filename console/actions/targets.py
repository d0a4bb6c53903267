"""What an action is done to: the names that a form sends, and the runs of the machines that it names. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bringup.wire.actions import OperatorAction, TargetPreview
from console.actions.offers import OF_RUNS
from console.state.fleet import Fleet
from console.state.machine import Machine


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
