"""How far a certificate or a list is from its end. Pure."""

from datetime import datetime, timedelta

from pki.check import Finding, fail, ok, warn
from pki.renew import is_due

WARN_DAYS = 30


def judge(start: datetime, end: datetime, now: datetime, hint: str, *, warn_days: int = WARN_DAYS) -> Finding:
    """Fail before its start and after its end; warn under ``warn_days`` days and past two thirds of its life."""
    if now < start:
        return fail(
            f"not valid before {start:%Y-%m-%d %H:%M} UTC, and the clock here says {now:%Y-%m-%d %H:%M} UTC",
            "check the clock: timedatectl",
        )
    if now >= end:
        return fail(f"expired on {end:%Y-%m-%d %H:%M} UTC, {_days(now - end)} ago", hint)
    left = f"{_days(end - now)} left, until {end:%Y-%m-%d}"
    if is_due(start, end, now, warn_days):
        return warn(f"{left}: it is time", hint)
    return ok(left)


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days"
