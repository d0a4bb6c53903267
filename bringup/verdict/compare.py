"""One expected value beside the observed one, as a line of the verdict."""

from collections.abc import Iterable, Sequence

from bringup.wire.report import CheckResult, CheckStatus

# A machine may report thousands of parts; its verdict must fit in a table.
_LONGEST = 400
_ORDER = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIP, CheckStatus.OK)
NOT_REPORTED = "not reported by the machine"


def compare(name: str, expected: object, observed: object) -> CheckResult:
    """Equal passes and different fails; what was not collected (None) is a skip, which never passes.

    Args:
        name: of the line in the verdict.
        expected: as the inventory has it.
        observed: as the machine reported it.
    """
    if observed is None:
        return skipped(name, in_words(expected), NOT_REPORTED)
    status = CheckStatus.OK if expected == observed else CheckStatus.FAIL
    return CheckResult(name=name, status=status, expected=in_words(expected), observed=shorten(in_words(observed)))


def compare_all(name: str, expected: object, observed: Sequence[tuple[str, object]]) -> CheckResult:
    """One line for the same value of many parts, however many a machine reports; those that differ are named.

    Args:
        observed: each part's name and its value; None: not collected. Without any part, nothing was collected.
    """
    different = [f"{part} {in_words(value)}" for part, value in observed if value not in (None, expected)]
    silent = [part for part, value in observed if value is None]
    if different:
        return CheckResult(
            name=name, status=CheckStatus.FAIL, expected=in_words(expected), observed=shorten(", ".join(different))
        )
    if silent or not observed:
        return skipped(name, in_words(expected), shorten(f"{NOT_REPORTED}: {', '.join(silent) or 'any part'}"))
    return CheckResult(name=name, status=CheckStatus.OK, expected=in_words(expected), observed=in_words(expected))


def skipped(name: str, expected: str, why: str) -> CheckResult:
    """The line for what was expected and could not be looked at.

    Args:
        name: of the line in the verdict.
        expected: in words.
        why: in words.
    """
    return CheckResult(name=name, status=CheckStatus.SKIP, expected=expected, observed=why)


def in_words(value: object) -> str:
    """The value as people write it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def shorten(text: str) -> str:
    """The text, cut where it would not fit."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def worst(statuses: Iterable[CheckStatus]) -> CheckStatus:
    """The one that decides: any failure first; a pass only where all passed."""
    return min(statuses, key=_ORDER.index)


def severity(status: CheckStatus) -> int:
    """A sort key: what decides comes first."""
    return _ORDER.index(status)
