"""What changed between two rounds of the self-test, and one round on a screen that is looked at again and again."""

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text

from pki.check import Status
from selftest.case import CaseResult
from selftest.report.repairs import repairs_as_text
from selftest.report.results import Results
from selftest.report.text import STYLE, as_line, fitting, verdict_as_text

_GOOD = {Status.OK, Status.INFO}
NEW = "new"


def changes(before: Iterable[CaseResult], now: Iterable[CaseResult]) -> Mapping[str, str]:
    """For each check that changed its status what it was; also where another thing is wrong with it than before.

    A good check whose message differs has not changed: clocks and days left are different each time.
    """
    old = {one.case.id: one.finding for one in before}
    found = {}
    for one in now:
        was = old.get(one.case.id)
        if (
            was is None
            or was.status is not one.finding.status
            or (one.finding.status not in _GOOD and was.message != one.finding.message)
        ):
            found[one.case.id] = was.status.value if was else NEW
    return found


def as_change(outcome: CaseResult, was: str, width: int | None = None) -> Text:
    """A check that changed, marked, with what it was before.

    Args:
        outcome: as it is now.
        was: as `changes` has it.
        width: columns of the terminal; None: a pipe or a file.
    """
    return Text("* ", style="bold") + as_line(outcome, width - 2 if width else None) + Text(f" (was {was})", "bold")


def as_screen(results: Results, changed: Mapping[str, str], width: int) -> Text:
    """One round: what changed, what is not as it must be, and the rest by its ids, so that it fits on a screen.

    Args:
        results: of this round.
        changed: since the round before, as `changes` has it.
        width: columns of the terminal.
    """
    good = [one for one in results.outcomes if one.finding.status in _GOOD]
    parts = [Text(line) for line in fitting(verdict_as_text(results), width)]
    parts += [as_change(one, changed[one.case.id], width) for one in results.outcomes if one.case.id in changed]
    parts += _by_ids(good, width)
    return Text("\n").join([*parts, repairs_as_text(results.outcomes, width)])


def _by_ids(outcomes: Sequence[CaseResult], width: int) -> list[Text]:
    lines = []
    for status in (Status.OK, Status.INFO):
        if ids := ", ".join(one.case.id for one in outcomes if one.finding.status is status):
            mark = f"{status.value.upper():5} "
            lines.append(Text(mark, STYLE[status]) + Text("\n".join(fitting(ids, width, first=len(mark)))))
    return lines
