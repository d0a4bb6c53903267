"""Settings: one frozen object, read once, from the environment and ``.env``."""

from bringup.settings.load import Loaded, load
from bringup.settings.rules import pki_rules
from bringup.settings.schema import Settings, variables
from bringup.settings.types import Address

__all__ = ["Address", "Loaded", "Settings", "load", "pki_rules", "variables"]
