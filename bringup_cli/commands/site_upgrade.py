"""``bringup site upgrade`` and ``rollback``: a running site from one version to its neighbour, and back."""

import shlex
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import click

from api.state.unreadable import unreadable
from bringup import __version__, errors, tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import load
from bringup_cli.commands import selftest
from bringup_cli.commands.pki.group import EXIT_FAILED, now
from bringup_cli.commands.site_flip import client_settings, hosts_of_site, require_passed
from bringup_cli.commands.site_units import examine, require_units
from bringup_cli.context import Output, output_option, print_json
from bringup_cli.site import host_system, upgrade_bundle, upgrade_host, upgrade_report
from bringup_cli.site import upgrade as site_upgrade
from bringup_cli.site.actions import HostAction, OutageMeter, SiteHost, run_on
from bringup_cli.site.bundle import Manifest, env_file
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from bringup_cli.site.upgrade import UpgradePhase, UpgradeState
from bringup_cli.site.upgrade_bundle import UpgradeRefused
from bringup_cli.site.upgrade_host import command_of, rollback_of, upgrade_to
from pki.files import exclusive_lock

# Seconds for an action of a command that was killed: a worker finishes its jobs, apt installs on a slow disk.
_STEP_S = 900
_NAMED = 5  # records in one message
_ssh = click.option(
    "--ssh", metavar="COMMAND", help="Reaches another host, as 'ssh root@{host}'; without it the plan is shown."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done on each host; do nothing.")


@click.command()
@click.argument("bundle", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--signers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who may have signed the bundle, as docs/packages.md has it.",
)
@_dry_run
@_ssh
@click.option("--step", hidden=True, help="One action on this host, for the host that upgrades the others.")
@click.option("--digest", hidden=True, help="Of the bundle that is received.")
@output_option
def upgrade(
    *,
    bundle: Path | None,
    signers: Path | None,
    dry_run: bool,
    ssh: str | None,
    step: str | None,
    digest: str | None,
    output: Output,
) -> None:
    """Upgrade a running site to the version of BUNDLE, a release's .tar or the folder that it was unpacked to.

    It verifies the bundle, installs it on every host beside the present version, lets one service after the other run
    it, the API first and without a gap, runs the self-test, and goes back by itself where that is not green. After an
    interruption run it again. Run it on the CA's host, as root.

    Exit status: 0 the site runs the version and its self-test has passed; 1 it does not, and the report shows why.
    """
    require_units("upgrade", dry_run=False)
    site = _Site(HostLayout(), ssh)
    if step:
        # Of a command that was killed an action goes on: repeated beside it, each would stop what the other starts.
        with site.locked("step", wait_s=_STEP_S):
            _on_this_host(site, step, digest)
        return
    if bundle is None:
        raise errors.SettingsError(["BUNDLE: name the .tar of a release, or the folder that it was unpacked to"])
    upgrade_host.require_package()
    with site.locked("site"):
        upgrade_bundle.unpack(bundle, site.bundle)
        release = upgrade_bundle.verified(site.bundle, signers)
        _run(site, upgrade_to(site.last(), release, now()), dry_run=dry_run, output=output)


@click.command()
@_dry_run
@_ssh
@output_option
def rollback(*, dry_run: bool, ssh: str | None, output: Output) -> None:
    """Put the version before the last `bringup site upgrade` in force again; no network is needed.

    Where an upgrade was interrupted, it is undone. Run it on the CA's host, as root.

    Exit status: 0 the site runs the version before and its self-test has passed; 1 it does not.
    """
    require_units("rollback", dry_run=False)
    site = _Site(HostLayout(), ssh)
    with site.locked("site"):
        state = rollback_of(site.last(), now())
        _run(site, state, dry_run=dry_run, output=output, undoes=state.phase is UpgradePhase.BACK)


class _Site:
    """The hosts of the site, as the CA's host reaches them, and what is kept of its upgrades."""

    def __init__(self, layout: HostLayout, ssh: str | None) -> None:
        self.layout = layout
        self.ssh = ssh
        self.here: Manifest = HostFolder.read(layout.config).manifest
        self.folder = layout.state / "upgrades"
        self.bundle = self.folder / "bundle"

    def locked(self, what: str, *, wait_s: float = 0) -> AbstractContextManager[None]:
        """Keep a second command away, or wait for it. Raises Locked: it has not ended in time.

        Args:
            what: is locked: the whole site, or the one action of this host.
            wait_s: seconds.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        return exclusive_lock(self.folder / f"{what}.lock", "bringup site upgrade", wait_s=wait_s)

    def hosts(self) -> list[SiteHost]:
        """All of them, this one first."""
        return hosts_of_site(self.layout, self.here)

    def last(self) -> UpgradeState | None:
        """The last upgrade or rollback."""
        return UpgradeState.read(self.folder / site_upgrade.STATE_FILE)

    def save(self, state: UpgradeState) -> None:
        """Keep it."""
        state.write(self.folder / site_upgrade.STATE_FILE)

    def act(self, state: UpgradeState, action: HostAction, version: str) -> None:
        """One action on one host. Raises HostCommandFailed."""
        command = command_of(state, action, version)
        if action.host == self.here.host:
            host_system.run(*shlex.split(command))
        elif action.what == "receive":
            run_on(action.host, command, ssh=self.ssh or "", stdin=self._archive())
        else:
            run_on(action.host, command, ssh=self.ssh or "")

    def _archive(self) -> Path:
        """The bundle as a file, for other hosts."""
        path = self.folder / "bundle.tar"
        path.unlink(missing_ok=True)
        with tarfile.open(path, "w") as tar:
            tar.add(self.bundle, "bundle")
        return path


def _run(site: _Site, state: UpgradeState, *, dry_run: bool, output: Output, undoes: bool = False) -> None:
    """Take what is left, report it, and end. ``undoes``: the version before is wanted, and not the next one."""
    hosts = site.hosts()
    has_ended = state.phase is UpgradePhase.ENDED
    if not has_ended and (dry_run or (len(hosts) > 1 and not site.ssh)):
        _show_plan(state, hosts, site.here.host, dry_run=dry_run)
        return
    if has_ended:  # the bundle is in force
        _report(site, state, output)
    else:
        show = partial(click.echo, err=output == "json")
        site.save(state)
        with OutageMeter([client_settings(site.layout, site.here)]) as meter:
            keep = partial(_keep, site, meter, output)
            site_upgrade.apply(state, hosts, partial(site.act, state), show, keep, here=site.here.host)
    raise SystemExit(0 if (state.restored if undoes else state.passed) else EXIT_FAILED)


def _keep(site: _Site, meter: OutageMeter, output: Output, state: UpgradeState) -> None:
    """The report comes before the record that it has ended: after a kill in between, the next command reports."""
    state.outage_s = max(state.outage_s, meter.longest_s)
    if state.phase is UpgradePhase.ENDED:
        _report(site, state, output)
    site.save(state)


def _report(site: _Site, state: UpgradeState, output: Output) -> None:
    written = upgrade_report.write(state, site.folder)
    if output == "json":
        print_json(upgrade_report.as_json(state))
    else:
        click.echo(f"{upgrade_report.result_of(state)}\nThe API did not answer for {state.outage_s:.1f} s at most.")
        click.echo(f"Reports: {', '.join(map(str, written))}")


def _show_plan(state: UpgradeState, hosts: Sequence[SiteHost], here: str, *, dry_run: bool) -> None:
    click.echo(f"Nothing was changed. The site would go from {state.before} to {state.after}:")
    if not dry_run:
        click.echo("this site has other hosts: name the way to them, as --ssh 'ssh root@{host}', or run these, in this")
        click.echo("order, each when the one before it has ended (`receive` reads the bundle's .tar from its input):")
    preparation = site_upgrade.preparation(hosts, state.direction, here)
    for action in [*preparation, *site_upgrade.plan(hosts, state.direction)]:
        where = "here" if action.host == here else f"on {action.host}"
        click.echo(f"  {where}: {command_of(state, action, state.after)}")
    click.echo(f"Where one of them fails: `select`, `switch` and `test` of {state.before}, in the reverse order.")


def _on_this_host(site: _Site, what: str, digest: str | None) -> None:
    """One action on this host. Raises BringupError: it has failed."""
    verb, _, role = what.partition(" ")
    actions: dict[str, Callable[[], object]] = {
        "test-before": lambda: _test(site),
        "receive": lambda: _receive(site, digest),
        "install": lambda: upgrade_bundle.install(site.bundle),
        "check": lambda: _check(site),
        "rights": lambda: upgrade_host.add_rights(site.layout),
        "switch": lambda: upgrade_host.switch(HostRole(role)),
        "select": upgrade_host.select,
        "test": lambda: _test(site),
    }
    if verb not in actions:
        raise errors.SettingsError([f"--step {what}: there is no such action"])
    actions[verb]()


def _receive(site: _Site, digest: str | None) -> None:
    upgrade_bundle.unpack(sys.stdin.buffer, site.bundle)
    upgrade_bundle.verified(site.bundle, digest=digest)


def _check(site: _Site) -> None:
    """Whether this version can work with the files, the settings and the records that are here."""
    for role in site.here.roles:
        loaded = load({}, site.layout.config / env_file(role))
        settings = loaded.settings
        results = selftest.examine_host(loaded, static_only=True)
        require_passed(results, f"the self-test of the {role}'s files fails in {__version__}")
        if role is HostRole.API:
            found = unreadable(settings, connect_redis(settings, tls.ClientContexts(), name="upgrade"))
            if found:
                more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
                raise UpgradeRefused(
                    f"{__version__} does not know the state of {', '.join(found[:_NAMED])}{more}: nothing would be "
                    "done with them. End them first: `bringup run abort`, `bringup device set NAME --state approved`"
                )


def _test(site: _Site) -> None:
    """Twice where it must be: on a busy host answers come late, and that alone must not send a site back."""
    results = examine(site.layout, site.here.roles)
    if selftest.status_of(results):
        results = examine(site.layout, site.here.roles)
    require_passed(results, "the self-test has failed")
