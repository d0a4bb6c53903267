"""``bringup site flip``: a running site from plain text to mutual TLS, or back."""

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.files import write_atomically
from bringup.settings import Settings, load, pki_rules
from bringup.wire.operator import DeviceList
from bringup_cli.commands import selftest
from bringup_cli.commands.pki.group import EXIT_FAILED, now
from bringup_cli.commands.site_units import asking_role, examine, require_units
from bringup_cli.context import Output, output_option, print_json
from bringup_cli.site import flip as site_flip
from bringup_cli.site import flip_files, host_system
from bringup_cli.site.actions import HostAction, OutageMeter, SiteHost, run_on
from bringup_cli.site.bundle import Manifest, env_file
from bringup_cli.site.flip_files import FlipMode
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole, Registry
from pki.store import Store
from selftest.report import Results

# What the files of a host would change by, asked by the host that flips the others.
_DIFFERENCES = "differences"
_NAMED = 5  # machines in one message


@click.command()
@click.argument("mode", type=click.Choice([mode.value for mode in FlipMode]))
@click.option("--dry-run", is_flag=True, help="Check, and show what would change on each host; change nothing.")
@click.option("--now", "at_once", is_flag=True, help="Also while machines boot or report: their runs may time out.")
@click.option(
    "--ssh", metavar="COMMAND", help="Reaches another host, as 'ssh root@{host}'; without it the plan is shown."
)
@click.option("--step", hidden=True, help="One action on this host, for the host that flips the others.")
@output_option
def flip(*, mode: str, dry_run: bool, at_once: bool, ssh: str | None, step: str | None, output: Output) -> None:
    """Flip a running site to MODE: production (mutual TLS everywhere) or development (plain text).

    It checks first, changes REDIS_USE_TLS and API_USE_TLS on every host, restarts in the right order, runs the
    self-test, and goes back by itself where that is not green. Run it on the CA's host, as root.

    Exit status: 0 the site is in MODE and its self-test has passed; 1 it is not, and the report shows why.
    """
    require_units("flip", dry_run=False)
    layout, wanted = HostLayout(), FlipMode(mode)
    here = HostFolder.read(layout.config).manifest
    if step:
        _on_this_host(layout, here, step, wanted)
        return
    hosts = hosts_of_site(layout, here)
    others = [host.name for host in hosts if host.name != here.host]
    if others and not ssh and not dry_run:
        _print_plan(hosts, here.host, wanted)
        return
    actor = _Actor(layout, here, ssh)
    changes = {host.name: actor.differences(host.name, wanted) for host in hosts if ssh or host.name == here.host}
    show = partial(click.echo, err=output == "json")
    _show_changes(changes, show)
    if dry_run:
        raise SystemExit(_dry_run(hosts, actor, wanted, show))
    if not at_once:
        _refuse_running_machines(layout, here)
    record = site_flip.FlipRecord(wanted, now(), changes)
    with OutageMeter(_in_both_modes(layout, here)) as meter:
        site_flip.flip(record, hosts, actor, show)
    record.outage_s = meter.longest_s
    written = site_flip.write(record, layout.state / "flips")
    if output == "json":
        print_json(site_flip.as_json(record))
    else:
        click.echo(f"{site_flip.result_of(record)}\nThe API did not answer for {record.outage_s:.1f} s at most.")
        click.echo(f"Reports: {', '.join(map(str, written))}")
    raise SystemExit(0 if record.passed else EXIT_FAILED)


class _Actor:
    """Does one action on one host: here by itself, elsewhere by the operator's own ssh."""

    def __init__(self, layout: HostLayout, here: Manifest, ssh: str | None) -> None:
        self._layout = layout
        self._here = here
        self._ssh = ssh

    def __call__(self, action: HostAction, mode: FlipMode) -> None:
        if action.host == self._here.host:
            _on_this_host(self._layout, self._here, action.what, mode)
        else:
            self._elsewhere(action.host, action.what, mode)

    def differences(self, host: str, mode: FlipMode) -> list[str]:
        """What would change there."""
        if host == self._here.host:
            return list(flip_files.differences(self._layout, self._here.roles, mode))
        return list(filter(None, self._elsewhere(host, _DIFFERENCES, mode).splitlines()))

    def _elsewhere(self, host: str, what: str, mode: FlipMode) -> str:
        return run_on(host, _command(mode, what), ssh=self._ssh or "")


def _on_this_host(layout: HostLayout, here: Manifest, what: str, mode: FlipMode) -> None:
    """One action on this host. Raises BringupError: it has failed."""
    verb, _, role = what.partition(" ")
    units = host_system.instances(HostRole(role)) if role else []
    timers = [host_system.RENEW, *([host_system.SIGN] if layout.site_settings.exists() else [])]
    actions: Mapping[str, Callable[[], object]] = {
        _DIFFERENCES: lambda: click.echo("\n".join(flip_files.differences(layout, here.roles, mode))),
        "check": lambda: _check(layout, here, mode),
        "pause": lambda: host_system.stop(timers),
        "stop": lambda: host_system.stop(units),
        "change": lambda: flip_files.change(layout, here, mode),
        "restart": lambda: host_system.start(units, again=True),
        "start": lambda: host_system.start(units),
        # Renewal and the CA's posts need mutual TLS: in development they rest.
        "resume": lambda: host_system.start(timers if mode is FlipMode.PRODUCTION else []),
        "test": lambda: _test(layout, here),
    }
    if verb not in actions:
        raise errors.SettingsError([f"--step {what}: there is no such action"])
    actions[verb]()


def _test(layout: HostLayout, here: Manifest) -> None:
    require_passed(examine(layout, here.roles), "the self-test has failed")


def require_passed(results: Results, what: str) -> None:
    """Raises HostCommandFailed, with what has failed."""
    if selftest.status_of(results):
        roots = [f"{one.case.id} {one.case.title}: {one.finding.message}" for one in results.outcomes if one.is_root]
        raise host_system.HostCommandFailed(f"{what}: {'; '.join(roots) or results.verdict}")


def _check(layout: HostLayout, here: Manifest, mode: FlipMode) -> None:
    """The self-test of files and settings as they would be. Raises BringupError: the flip must not begin."""
    with tempfile.TemporaryDirectory(prefix="bringup-flip-") as folder:
        for role in here.roles:
            text = flip_files.flipped((layout.config / env_file(role)).read_text(encoding="utf-8"), mode)
            path = Path(folder) / env_file(role)
            write_atomically(path, text, sole_writer=True)
            # What is to be corrected is in the files of this host, not in the copy that is tried.
            present = load({}, layout.config / env_file(role))
            results = selftest.examine_host(replace(present, settings=load({}, path).settings), static_only=True)
            require_passed(results, f"the self-test of the {role}'s files would fail")


def hosts_of_site(layout: HostLayout, here: Manifest) -> list[SiteHost]:
    """Every host of the site, this one first. Raises SettingsError: this is not the CA's host."""
    if not layout.site_settings.exists():
        raise errors.SettingsError(
            [f"{layout.site_settings} is not here: run it on the CA's host, which knows every host"]
        )
    known = Registry.read(Store(layout.ca)).hosts.values()
    hosts = [SiteHost(host.name, host.roles) for host in known if not host.revoked_at]
    return sorted(hosts, key=lambda host: host.name != here.host)


def _print_plan(hosts: Sequence[SiteHost], here: str, mode: FlipMode) -> None:
    click.echo("Nothing was changed: this site has other hosts. Name the way to them, as --ssh 'ssh root@{host}',")
    click.echo("or run these, in this order, each when the one before it has ended:")
    checks = [HostAction(host.name, "check") for host in hosts]
    tests = [HostAction(host.name, "test") for host in hosts]
    for action in [*checks, *site_flip.plan(hosts), *tests]:
        where = "here" if action.host == here else f"on {action.host}"
        click.echo(f"  {where}: {_command(mode, action.what)}")
    click.echo(f"Where one of them fails: the same from `change` on, with {mode.other} in place of {mode}.")


def _command(mode: FlipMode, what: str) -> str:
    return f"bringup site flip {mode} --step {shlex.quote(what)}"


def _show_changes(changes: dict[str, list[str]], show: Callable[[str], object]) -> None:
    for host, lines in changes.items():
        for line in lines or ["nothing to change"]:
            show(f"{host}: {line}")


def _dry_run(hosts: Sequence[SiteHost], actor: _Actor, mode: FlipMode, show: Callable[[str], object]) -> int:
    record = site_flip.FlipRecord(mode, now())
    for action in site_flip.plan(hosts):
        show(f"would do: {action.host}: {action.what}")
    site_flip.check(record, hosts, actor, show)
    return EXIT_FAILED if any(why for _, _, why in record.actions) else 0


def _refuse_running_machines(layout: HostLayout, here: Manifest) -> None:
    """A real machine calls back at the URL that it has booted with. Raises SettingsError: some do now."""
    api = ApiClient(client_settings(layout, here), tls.ClientContexts())
    try:
        devices = api.get("/devices", DeviceList).devices
    except errors.BringupError:
        return  # nobody is served now, and so nobody is cut off
    busy = [one.name for one in devices if one.active_run and not (one.bmc or "").startswith("simulated://")]
    if busy:
        more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
        why = (
            f"{', '.join(busy[:_NAMED])}{more} are in a run: they call back at the URL that they have booted with, "
            "which ends with the flip. Wait until `bringup runs` shows none, or flip with --now and repeat them"
        )
        raise errors.SettingsError([why])


def client_settings(layout: HostLayout, here: Manifest) -> Settings:
    """The settings of a client of the API on this host."""
    files = [layout.site_settings, layout.config / env_file(asking_role(here.roles))]
    return load({}, [path for path in files if path.exists()], rules=pki_rules).settings


def _in_both_modes(layout: HostLayout, here: Manifest) -> list[Settings]:
    settings = client_settings(layout, here)
    found = []
    for mode in FlipMode:
        urls = flip_files.with_scheme(",".join(settings.api_urls), mode)
        changed = {"api_use_tls": mode is FlipMode.PRODUCTION, "callback_api_url": urls}
        found.append(settings.model_copy(update=changed))
    return found
