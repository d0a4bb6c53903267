"""Which machines a page shows: what its address asks for, and the part of the fleet that it means."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from console import words
from console.state.machine import Machine

# Rows of a page: what a person scrolls through, and a browser draws without delay.
PAGE_ROWS = 100
# Characters of one filter: more than the longest name of a machine; names of models may be longer, and are not then.
_LONGEST = 100
_GROUPINGS = ("state", "rack", "reason", "site", "none")


@dataclass(frozen=True)
class Query:
    """What the address of the page asks for; what it may not be is as if it were not there.

    Args:
        text: in names and addresses.
        state, reason, rack, model, site: of the machines; empty: any.
        need: one of `words.Group` by its name; empty: any.
        group: by what the list is divided.
        page: from 1.
    """

    text: str = ""
    state: str = ""
    reason: str = ""
    rack: str = ""
    model: str = ""
    site: str = ""
    need: str = ""
    group: str = "state"
    page: int = 1

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> "Query":
        """That of a request."""
        texts = {name: arguments.get(name, "").strip()[:_LONGEST] for name in _TEXTS}
        page = arguments.get("page", "")
        return cls(
            text=texts["text"].lower(),
            state=texts["state"] if texts["state"] in words.STATES else "",
            reason=texts["reason"],
            rack=texts["rack"],
            model=texts["model"],
            site=texts["site"],
            need=texts["need"] if texts["need"] in words.Group.__members__ else "",
            group=texts["group"] if texts["group"] in _GROUPINGS else "state",
            page=int(page) if re.fullmatch(r"[1-9][0-9]{0,5}", page) else 1,
        )

    def address(self, **changes: object) -> str:
        """The query string of this with ``changes``: only what differs from the default. A filter begins at page 1."""
        wanted = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        default = Query()
        return urlencode(
            {name: getattr(wanted, name) for name in _ALL if getattr(wanted, name) != getattr(default, name)}
        )

    @property
    def is_filtered(self) -> bool:
        """It leaves out some machines."""
        return any((self.text, self.state, self.reason, self.rack, self.model, self.site, self.need))

    def among(self, machines: Iterable[Machine]) -> list[Machine]:
        """Those of ``machines`` that the list shows, in their order."""
        wanted: tuple[tuple[str, Callable[[Machine], bool]], ...] = (
            (self.state, lambda machine: machine.state == self.state),
            (self.need, lambda machine: words.STATES[machine.state].group.name == self.need),
            (self.reason, lambda machine: machine.reason == self.reason),
            (self.rack, lambda machine: machine.rack == self.rack),
            (self.model, lambda machine: machine.device.product == self.model),
            (self.site, lambda machine: machine.site == self.site),
            (self.text, lambda machine: self.text in machine.text),
        )
        for value, fits in wanted:
            if value:  # what is not asked for costs nothing: there are 10,000 machines
                machines = filter(fits, machines)
        return list(machines)


_TEXTS = ("text", "state", "reason", "rack", "model", "site", "need", "group")
_ALL = (*_TEXTS, "page")


@dataclass(frozen=True)
class Part:
    """The machines of one group on one page. ``count``: of the whole group."""

    key: str
    count: int
    machines: tuple[Machine, ...]


@dataclass(frozen=True)
class Page:
    """One page of a list. ``total``: machines that the query asks for, on all pages."""

    parts: tuple[Part, ...]
    total: int
    number: int
    pages: int
    version: int

    @property
    def machines(self) -> list[Machine]:
        """All of them, in their order."""
        return [machine for part in self.parts for machine in part.machines]


# The machines of a list by group, in the order of the page: all of them, on all its pages.
Groups = Sequence[tuple[str, Sequence[Machine]]]


def grouped(machines: Iterable[Machine], query: Query) -> Groups:
    """Those of ``machines`` that ``query`` asks for, in its groups; in each they stay in their order."""
    key, found = _KEYS[query.group], defaultdict[tuple[tuple[int, str], str], list[Machine]](list)
    for machine in query.among(machines):
        found[key(machine)].append(machine)
    return [(name, found[rank, name]) for rank, name in sorted(found)]


def page_of(groups: Groups, number: int, version: int) -> Page:
    """One page of the list of ``groups``; the last one where there are fewer.

    Args:
        groups: the whole list.
        number: of the page, from 1.
        version: of the fleet, of which the list is.
    """
    total = sum(len(machines) for _, machines in groups)
    pages = max(1, -(-total // PAGE_ROWS))
    number = min(number, pages)
    return Page(tuple(_parts(groups, (number - 1) * PAGE_ROWS)), total, number, pages, version)


def group_of(machine: Machine, query: Query) -> str:
    """The group in which the page of ``query`` shows ``machine`` now."""
    return _KEYS[query.group](machine)[1]


def _parts(groups: Groups, start: int) -> Iterable[Part]:
    """What a page shows that begins with the machine ``start`` of the whole list."""
    for name, machines in groups:
        shown = machines[max(0, start) : max(0, start + PAGE_ROWS)]
        if shown:
            yield Part(name, len(machines), tuple(shown))
        start -= len(machines)


# What each grouping sorts by, and calls a group.
_KEYS: dict[str, Callable[[Machine], tuple[tuple[int, str], str]]] = {
    "state": lambda machine: ((words.RANK[machine.state], ""), words.STATES[machine.state].word),
    "rack": lambda machine: ((not machine.rack, machine.rack), machine.rack or "no rack in the inventory"),
    "reason": lambda machine: ((not machine.reason, machine.reason), words.reason_word(machine.reason) or "no failure"),
    "site": lambda machine: ((0, machine.site), machine.site),
    "none": lambda _: ((0, ""), "all machines"),
}
