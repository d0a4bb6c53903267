"""``bringup pki``: the certificate authority and everything that it issues."""

from bringup.cli.pki import issue, renew, revoke, rollover, setup, show, verify
from bringup.cli.pki.group import pki

__all__ = ["issue", "pki", "renew", "revoke", "rollover", "setup", "show", "verify"]
