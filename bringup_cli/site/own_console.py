"""The console on the first host of a site: its token, on record at the API and in the settings of the site."""

import re
from datetime import datetime
from pathlib import Path

from dotenv import dotenv_values

from bringup.files import write_atomically
from bringup.operators import Operator, OperatorRole, Operators, token_hash
from bringup.settings.generated import new_secret

_TOKEN = "CONSOLE_TOKEN"  # noqa: S105 - the name of a setting


def has_token(site_settings: Path) -> bool:
    """Whether the settings of the site have the console's token."""
    return site_settings.exists() and bool(dotenv_values(site_settings, interpolate=False).get(_TOKEN))


def make_token(site_settings: Path, operators_file: Path, name: str, address: str, now: datetime) -> None:
    """Put a new token on record, then into the settings: killed in between, it is run again and makes another.

    Args:
        site_settings: of the site.
        operators_file: of the API.
        name: of the console: that of its host, as in its certificate.
        address: that the console listens on.
        now: the time.

    Raises:
        OperatorsError: the file cannot be read or written.
    """
    token, known = new_secret(), Operators.read(operators_file)
    if name in known.by_name:
        known = known.removing(name)
    made = Operator(name=name, role=OperatorRole.CONSOLE, token_sha256=token_hash(token), added=now)
    known.adding(made).write(operators_file)
    text = site_settings.read_text(encoding="utf-8")
    for setting, value in {_TOKEN: token, "CONSOLE_HOST": address}.items():
        text = re.sub(rf"^{setting}=.*$", f"{setting}={value}", text, flags=re.MULTILINE)
    write_atomically(site_settings, text, sole_writer=True)
