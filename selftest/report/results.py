"""What every report is made from: one run of the self-test, what else is known of it, and how to run it again."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

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


_DEFAULT_FILES = (Path(".env"), Path("redis/worker.env"))  # those of `bringup init` and `bringup redis-conf`


def selftest_command(target: TargetInstallation, options: str = "") -> str:
    """The command line. Settings from the environment alone are named as the files that our commands write."""
    files = target.env_files or _DEFAULT_FILES
    variable = "" if files == (Path(".env"),) else f"BRINGUP_ENV_FILE={shlex.quote(':'.join(map(str, files)))} "
    return f"{variable}bringup selftest {options}".strip()
