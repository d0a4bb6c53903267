"""The images on the first host of a site: the validation image and their port, in the settings of the site."""

import re

from dotenv import dotenv_values

from bringup.errors import SettingsError
from bringup.files import write_atomically
from bringup_cli.site.layout import HostLayout

_IMAGE, _PORT = "VALIDATION_IMAGE", "IMAGE_PORT"
_FREE_PORT = "5001"  # beside the API's 5000
_NO_PORT = "0"


def has_settings(layout: HostLayout) -> bool:
    """Whether the image is there, and the settings of the site name it and a port for it."""
    return layout.validation_image.is_file() and not _missing(layout)


def add_settings(layout: HostLayout) -> None:
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
