"""The maintenance calendar: what must be done when, from the real dates of this installation."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from selftest.report.certificates import CA, CRL, ValidityPeriod, validities
from selftest.report.checklist import backup_command
from selftest.report.markup import table
from selftest.report.results import Results, selftest_command

# A run each quarter: often enough to find what has changed unnoticed since the last one.
_REHEARSAL = timedelta(days=90)


def section(results: Results) -> list[str]:
    """The section of the report."""
    found = list(dated(results))
    following = min((due for due, _, _ in found if due >= results.target.now()), default=None)
    return [
        "",
        "## Maintenance",
        "",
        f"Next renewal: {following:%Y-%m-%d}." if following else "Nothing here has a date of renewal.",
        *table(("from", "what", "by"), ((f"{due:%Y-%m-%d}", what, how) for due, what, how in sorted(found))),
        *table(("every", "what", "by"), regular(results)),
    ]


def dated(results: Results) -> Iterator[tuple[datetime, str, str]]:
    """What has a date: when it is due, what it is, and by which command."""
    for one in validities(results.target):
        yield one.due, f"{one.name}: {_what(one)}, before it ends on {one.end:%Y-%m-%d}", _how(one, results)


def regular(results: Results) -> Iterator[tuple[str, str, str]]:
    """What recurs: how often, what it is, and by which command."""
    yield "day", "renew what is due, by a timer", _renew(results)
    yield "day", "this self-test, by a timer; a person hears of an exit status that is not 0", "bringup selftest"
    yield "day", "back up the append-only file of Redis", "redis/data/appendonlydir"
    if results.target.store.ca_key.exists():
        yield "change of a certificate", "back up the PKI directory", backup_command(results.target.store.root)
    rehearsal = results.target.now() + _REHEARSAL
    yield (
        f"{_REHEARSAL.days} days",
        f"rehearse the emergencies below; compare with this report; next on {rehearsal:%Y-%m-%d}",
        selftest_command(results.target, "--report selftest.md"),
    )


def _what(one: ValidityPeriod) -> str:
    return "replace the CA" if one.name == CA else "sign a new one" if one.name == CRL else "renew"


def _how(one: ValidityPeriod, results: Results) -> str:
    if one.name == CA:
        return "bringup pki rollover start"
    return "bringup pki renew (signs a new list)" if one.name == CRL else _renew(results)


def _renew(results: Results) -> str:
    """Where the CA key is, the PKI's own command; on another host of a site, by EST over the API."""
    target = results.target
    elsewhere = target.settings.roles and not target.store.ca_key.exists()
    return "bringup site renew" if elsewhere else "bringup pki renew"
