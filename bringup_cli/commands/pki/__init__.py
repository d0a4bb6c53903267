"""``bringup pki``: the certificate authority and everything that it issues."""

from bringup_cli.commands.pki import issue, renew, revoke, rollover, setup, show, verify
from bringup_cli.commands.pki.group import pki

__all__ = ["issue", "pki", "renew", "revoke", "rollover", "setup", "show", "verify"]
