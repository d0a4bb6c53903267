"""The lines of machines as HTML, made once for all who look at the same ones."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from jinja2 import Environment
from markupsafe import Markup

from console.state.machine import Machine

# Seconds after which a line is made anew although its machine has not changed: its dots move as time passes.
# console.js keeps the ages in it true meanwhile.
_FRESH_S = 10
# MachineLines that are kept, each some 2 kB: what fifty people with pages of their own look at.
_MOST = 5000


class MachineLines:
    """Makes the line of a machine by the template ``_machine.html``. ``clock``: monotonic seconds."""

    def __init__(self, environment: Environment, clock: Callable[[], float] = time.monotonic) -> None:
        self._environment = environment
        self._clock = clock
        self._kept: OrderedDict[tuple[str, int, int, bool, bool], Markup] = OrderedDict()
        self._lock = Lock()  # without it two requests could drop the same oldest line

    def line(self, machine: Machine, *, oob: bool = False, selectable: bool = False) -> Markup:
        """The line of ``machine``.

        Args:
            machine: as it is now.
            oob: as a part of a poll, which replaces the one that is there.
            selectable: with a check box, for people who may act.
        """
        key = machine.name, machine.version, int(self._clock() // _FRESH_S), oob, selectable
        found = self._kept.get(key)
        if found is None:
            module = self._environment.get_template("_machine.html").module
            found = Markup(module.line(machine, oob, selectable))  # type: ignore[attr-defined]  # noqa: S704 - escaped by it
            with self._lock:
                self._kept[key] = found
                if len(self._kept) > _MOST:
                    self._kept.popitem(last=False)
        return found
