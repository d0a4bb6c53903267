"""What every report is made from: one run of the self-test, and what else is known of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pki.check import Status
from selftest.case import CaseResult, SelfTestResult, verdict
from selftest.report.costs import Cost
from selftest.target_installation import TargetInstallation


@dataclass(frozen=True)
class Results:
    """One run of the self-test.

    Args:
        target: what was examined.
        outcomes: of each check that was run, in order.
        redis_lines: of the ``redis.conf`` for these settings with TLS.
        costs: of TLS on this host, where they were measured.
    """

    target: TargetInstallation
    outcomes: Sequence[CaseResult]
    redis_lines: tuple[str, ...] = ()
    costs: tuple[Cost, ...] = ()

    @property
    def verdict(self) -> SelfTestResult:
        """The result of the whole."""
        return verdict(self.target, self.outcomes)


def counts(outcomes: Iterable[CaseResult]) -> dict[Status, int]:
    """How many checks ended in which way."""
    found = Counter(outcome.finding.status for outcome in outcomes)
    return {status: found[status] for status in Status}


def summary(outcomes: Iterable[CaseResult]) -> str:
    """How many checks ended in which way, as text."""
    return ", ".join(f"{count} {status}" for status, count in counts(outcomes).items() if count)
