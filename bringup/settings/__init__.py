"""Settings: one frozen object, read once, from the environment and ``.env``.

These names are the face of the package: 50 modules take `Settings`, and none of them needs to know which file has it.
"""

from bringup.settings.load import Loaded, load
from bringup.settings.schema import Settings, pki_rules, variables
from bringup.settings.types import Address

__all__ = ["Address", "Loaded", "Settings", "load", "pki_rules", "variables"]
