"""What the first host of a site has in its settings: the token of its console, its validation image and their port."""

import re
from datetime import datetime
from pathlib import Path

from dotenv import dotenv_values

from bringup.errors import SettingsError
from bringup.files import write_atomically
from bringup.operators import Operator, OperatorRole, Operators, token_hash
from bringup.settings.generated import new_secret
from bringup_cli.site.layout import HostLayout

_TOKEN = "CONSOLE_TOKEN"  # noqa: S105 - the name of a setting
_IMAGE, _PORT = "VALIDATION_IMAGE", "IMAGE_PORT"
_FREE_PORT = "5001"  # beside the API's 5000
_NO_PORT = "0"


def has_console_token(site_settings: Path) -> bool:
    """Whether the settings of the site have the console's token."""
    return site_settings.exists() and bool(dotenv_values(site_settings, interpolate=False).get(_TOKEN))


def make_console_token(site_settings: Path, operators_file: Path, name: str, address: str, now: datetime) -> None:
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


def has_image_settings(layout: HostLayout) -> bool:
    """Whether the image is there, and the settings of the site name it and a port for it."""
    return layout.validation_image.is_file() and not _missing(layout)


def add_image_settings(layout: HostLayout) -> None:
    """Name the image in the folder of the host, and a port; what a person has set stays.

    Raises:
        SettingsError: no image is there.
    """
    image = layout.validation_image
    if not image.is_file():
        raise SettingsError([f"{image} is not there: copy to it what scripts/iso/build makes, then run this again"])
    text = layout.site_settings.read_text(encoding="utf-8")
    for name, value in _missing(layout).items():
        line = f"{name}={value}"
        text, found = re.subn(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
        text = text if found else f"{text.rstrip()}\n{line}\n"
    write_atomically(layout.site_settings, text, sole_writer=True)


def _missing(layout: HostLayout) -> dict[str, str]:
    wanted = {_IMAGE: str(layout.validation_image), _PORT: _FREE_PORT}
    if not layout.site_settings.exists():
        return wanted
    present = dotenv_values(layout.site_settings, interpolate=False)
    return {name: value for name, value in wanted.items() if present.get(name) in {None, "", _NO_PORT}}
