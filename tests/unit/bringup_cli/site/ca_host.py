"""The CA's host of a site that is upgraded: the commands are real, and what they do to hosts is only remembered."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from bringup import __version__
from bringup_cli.commands import site_upgrade
from bringup_cli.site import upgrade_bundle, upgrade_host
from bringup_cli.site.actions import HostAction, SiteHost
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from bringup_cli.site.upgrade_bundle import ReleaseBundle

MAJOR, MINOR, *_ = __version__.split(".")
NEWER = f"{MAJOR}.{int(MINOR) + 1}.0"


class CaHost:
    """The CA's host of a site of ``hosts``, with nothing but its manifest."""

    def __init__(self, layout: HostLayout, patch: pytest.MonkeyPatch) -> None:
        self.layout = layout
        self.hosts = [SiteHost("h1", (HostRole.API,))]
        self.done: list[str] = []
        self.unpacked = 0
        self.meter = SimpleNamespace(longest_s=0.0)
        self.bundle = layout.state / "bundle.tar"
        self.bundle.touch()
        patch.setattr(site_upgrade, "HostLayout", lambda: layout)
        patch.setattr(site_upgrade, "require_units", lambda *_args, **_options: None)
        patch.setattr(site_upgrade, "hosts_of_site", lambda *_args: self.hosts)
        patch.setattr(site_upgrade, "client_settings", lambda *_args: None)
        patch.setattr(site_upgrade, "OutageMeter", lambda _settings: nullcontext(self.meter))
        patch.setattr(site_upgrade._Site, "act", lambda _site, _state, action, _version: self._act(action))
        patch.setattr(upgrade_bundle, "unpack", lambda *_args: self._unpack())
        patch.setattr(upgrade_bundle, "verified", lambda folder, _signers: ReleaseBundle(folder, NEWER, "d1"))
        patch.setattr("sys.argv", [upgrade_host.program_of(__version__)])

    def site(self) -> site_upgrade._Site:
        return site_upgrade._Site(self.layout, None)

    def upgrade(self, *options: str) -> Result:
        return CliRunner().invoke(site_upgrade.upgrade, [str(self.bundle), *options])

    def rollback(self) -> Result:
        return CliRunner().invoke(site_upgrade.rollback, [])

    def _act(self, action: HostAction) -> None:
        self.done.append(f"{action.host} {action.what}")

    def _unpack(self) -> None:
        self.unpacked += 1
