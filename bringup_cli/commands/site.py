"""``bringup site``: hosts join a site, are looked at, and are cut off."""

import click

from bringup_cli.commands.pki.group import PkiGroup
from bringup_cli.lazy_group import LazyGroup, Place

# Where each command is: together they import Redis, the self-test and all of the PKI, and each needs a part of that.
COMMANDS = {
    "enroll": Place("site_enroll", "enroll", "Write one encrypted file for a host: its certificates and settings."),
    "flip": Place("site_flip", "flip", "Flip a running site to MODE: production (mutual TLS) or development."),
    "forget": Place("site_hosts", "forget", "Let the name of a revoked host be used again."),
    "init": Place("site_units", "init", "Make this host the first of a site: CA, users, settings and units."),
    "join": Place("site_enroll", "join_command", "Put everything of a file in its place, and run the self-test."),
    "remove": Place("site_units", "remove", "Undo `bringup site init` or `join`: stop services, remove units."),
    "renew": Place("site_timers", "renew", "On any other host: renew its certificates from the API."),
    "request": Place("site_hosts", "request", "On the host: make its keys, and a file that asks for certificates."),
    "revoke": Place("site_hosts", "revoke", "Cut a host off: its certificates, its API calls, its Redis users."),
    "rollback": Place("site_upgrade", "rollback", "Put the version before the last upgrade in force again."),
    "sign": Place("site_timers", "sign", "On the CA's host: renew what is due, publish what is revoked."),
    "status": Place("site_hosts", "status", "Every host: its roles, days left, when it was last seen, what is due."),
    "upgrade": Place("site_upgrade", "upgrade", "Upgrade a running site to the version of BUNDLE."),
}


class _SiteGroup(PkiGroup, LazyGroup):
    """The errors of the PKI as messages, and each command imported when it is called."""


@click.group(cls=_SiteGroup, places=COMMANDS)
def site() -> None:
    """Hosts of a site: enroll one on the CA's host, join on the host itself; see all, and cut one off."""
