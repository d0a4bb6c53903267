"""One cause, one message: which failures are no more than consequences of another one.

A check that could not run is attributed as it comes (`selftest.case`). What has run and has failed is attributed here,
when all outcomes are there: a wrong clock makes good certificates look expired, an expired certificate makes both
servers refuse us. A consequence remains a failure; it is shown below its cause, and needs no repair of its own.
"""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from selftest.case import CaseResult
from selftest.probe import UNKNOWN_NAME

CLOCKS = "3c"
_CONNECTIONS = frozenset({"1a", "1b", "2b", "3b", "3d"})
_ENTRIES = ("1a", "3a", "3b")
_IN_USE = (("1a", "5b"), ("3b", "5c"))


@dataclass(frozen=True)
class _Rule:
    """Failures whose text has ``words`` follow from the failure of ``root``.

    Args:
        ids: of these checks; none: of any.
        shown: what the text of the root must have; empty: whatever it has.
    """

    root: str
    words: re.Pattern[str]
    ids: Set[str] = frozenset()
    shown: str = ""

    def applies(self, outcomes: Iterable[CaseResult]) -> bool:
        """Whether its root has failed, in the way that explains others."""
        return any(
            one.case.id == self.root and one.has_failed and self.shown in f"{one.finding.message} {one.finding.cause}"
            for one in outcomes
        )

    def explains(self, outcome: CaseResult) -> bool:
        return (
            outcome.case.id != self.root
            and (not self.ids or outcome.case.id in self.ids)
            and bool(self.words.search(f"{outcome.finding.message} {outcome.finding.cause}"))
        )


# In this order: the first whose root has failed counts. A clock comes before the certificates that it makes look wrong,
# and a certificate that was renewed and not loaded before the one that has expired.
_RULES = (
    _Rule(CLOCKS, re.compile(r"expired|not yet valid|not valid (yet|before)|in the future|stale")),
    *(_Rule(root, re.compile(""), frozenset({files}), shown="another server of our CA") for root, files in _IN_USE),
    *(_Rule(root, re.compile(r"not among its names"), frozenset({"6"}), shown=UNKNOWN_NAME) for root in _ENTRIES),
    _Rule("5b", re.compile(r"refused by us: certificate|mismatch"), frozenset({"1a", "1b", "2b"})),
    _Rule("5c", re.compile(r"refused by us: certificate|mismatch"), frozenset({"3b"})),
    _Rule("5a", re.compile(r"expired|not yet valid|revoked"), _CONNECTIONS),
    _Rule("6", re.compile(r"mismatch|another purpose|unusable|encrypted|does not fit|cannot be used"), _CONNECTIONS),
    _Rule("6", re.compile(r"\bEKU\b"), frozenset({"4"})),
    _Rule("4", re.compile(r"\bCA\b|signature|local issuer"), _CONNECTIONS),
    # Another program has the port, and answers with what it likes; a 2xx would be ours.
    *(
        _Rule(root, re.compile(r"wrong token gets HTTP/\S+ [^2]"), frozenset({"7.api.wrong-token"}))
        for root in ("3a", "3b")
    ),
    _Rule("1a", re.compile(r"cannot do its work"), frozenset({"3a", "3b"})),
    _Rule("2b", re.compile(r"Redis refuses writes"), frozenset({"3f"})),
    _Rule("2a", re.compile(r"Redis refuses writes"), frozenset({"3f"})),
    _Rule("8", re.compile(r"inventory cannot be read"), frozenset({"3f"})),
    _Rule("5d", re.compile(r"accepted"), frozenset({"7.api.revoked"})),
    _Rule("7.api.roles", re.compile(r"in plain text"), frozenset({"7.api.plain-port"})),
)


def attributed(outcomes: Sequence[CaseResult]) -> list[CaseResult]:
    """The outcomes in their order, each consequence with its cause."""
    rules = [rule for rule in _RULES if rule.applies(outcomes)]
    found = [_attributed(one, rules) for one in outcomes]
    return _to_the_first_cause(found)


def _attributed(outcome: CaseResult, rules: Sequence[_Rule]) -> CaseResult:
    rule = next((rule for rule in rules if rule.explains(outcome)), None) if outcome.is_root else None
    return replace(outcome, because=rule.root) if rule else outcome


def _to_the_first_cause(outcomes: Sequence[CaseResult]) -> list[CaseResult]:
    """What follows from a consequence follows from its cause. No two rules lead to each other's roots."""
    because = {one.case.id: one.because for one in outcomes if one.because}
    found = []
    for outcome in outcomes:
        root = outcome.because
        while because.get(root):
            root = because[root]
        found.append(replace(outcome, because=root))
    return found
