"""Options that choose which runs and devices a list shows, and the query of the API that they make."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import click

from bringup.model import DeviceState, FailureReason, RunState

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(click.ParamType[datetime]):
    """A time, or how long ago: ``90m``, ``2h``, ``3d``, ``2026-11-29``, ``2026-11-29T10:00``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """As `click` asks for it: the time with its zone; without one in the text it is UTC."""
        if isinstance(value, datetime):
            return value
        try:
            if ago := re.fullmatch(r"([0-9]{1,6})([smhdw])", value):
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            time = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: use 2h, 3d, 2026-11-29 or 2026-11-29T10:00", param, ctx)
        return time if time.tzinfo else time.replace(tzinfo=UTC)


since_option = click.option(
    "--since", type=Since(), metavar="TIME", help="From then on: 90m, 2h, 3d (ago), or 2026-11-29T10:00 (UTC)."
)
watch_option = click.option(
    "--watch",
    "watch_",
    is_flag=True,
    help="Go on with each change, until Ctrl-C. Without a terminal: one line for each.",
)
reason_option = click.option(
    "--reason", type=click.Choice([reason.value for reason in FailureReason]), help="Why the run did not pass."
)
run_state_option = click.option(
    "--state",
    type=click.Choice([state.value for state in RunState if state is not RunState.UNKNOWN]),
    help="Only those in this state.",
)
device_state_option = click.option(
    "--state",
    type=click.Choice([state.value for state in DeviceState if state is not DeviceState.UNKNOWN]),
    help="Only those in this state.",
)


def query(path: str, parameters: Mapping[str, object | None]) -> str:
    """The address of a list.

    Args:
        path: below ``/api/v1``.
        parameters: None: not given.
    """
    given = {name: _text(value) for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
