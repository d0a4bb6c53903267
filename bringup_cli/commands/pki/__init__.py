"""``bringup pki``: the certificate authority and everything that it issues."""

from bringup_cli.commands.pki import ca, certificates, inspect
from bringup_cli.commands.pki.group import pki

__all__ = ["ca", "certificates", "inspect", "pki"]
