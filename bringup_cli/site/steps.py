"""Steps that lead a host from what it is to what it shall be; each may be repeated, and after a kill all are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Show(Protocol):
    """Shows one line to the person who runs the command."""

    def __call__(self, line: str, /) -> object: ...


@dataclass(frozen=True)
class HostStep:
    """One change of a host.

    Args:
        title: what it does, as a person reads it before and after.
        do: makes the change; run again it changes nothing.
        is_done: whether there is nothing to change.
    """

    title: str
    do: Callable[[], object]
    is_done: Callable[[], bool] = lambda: False


def apply(steps: Sequence[HostStep], show: Show, *, dry_run: bool = False) -> None:
    """Take the steps in their order; those that are done are left out.

    Args:
        steps: all of them.
        show: gets a line for each step.
        dry_run: only report what would be done.

    Raises:
        BringupError: a step has failed. Run again, the steps before it are found done, or change nothing.
    """
    for step in steps:
        if step.is_done():
            show(f"unchanged: {step.title}")
        elif dry_run:
            show(f"would do:  {step.title}")
        else:
            step.do()
            show(f"done:      {step.title}")
