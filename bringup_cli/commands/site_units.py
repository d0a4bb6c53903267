"""``bringup site init`` and ``remove``, and a join with service units: hosts on which systemd runs what they are."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import click

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings, load
from bringup.wire.operator import QueueList
from bringup.wire.site import TrustView
from bringup_cli.commands import selftest
from bringup_cli.commands.pki.group import now
from bringup_cli.site import host_system, steps
from bringup_cli.site import init as first_host
from bringup_cli.site.bundle import BundleRefused, Manifest, env_file
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.join import join
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from pki.errors import PkiError
from pki.store import Store
from selftest.report import Results

# Seconds for the API to answer that a host has joined; the timer of renewals reports it, too.
_REPORT_S = 5
# Seconds for a worker and a tailer to report after they have started, on a slow host. What has not reported then, the
# self-test names.
_REPORTED_S = 60
_DEFAULT_ROLES = (HostRole.REDIS, HostRole.API, HostRole.WORKER, HostRole.TAILER)
# By whose settings the self-test of a whole host is made: a worker may ask the most.
_ASKS = (HostRole.WORKER, HostRole.CONSOLE, HostRole.API, HostRole.IMAGES, HostRole.TAILER, HostRole.REDIS)


@click.command()
@click.option("--name", default=lambda: os.uname().nodename.partition(".")[0], help="Of this host. Default: its own.")
@click.option("--address", help="By which machines, BMCs and other hosts reach it. Default: that of its default route.")
@click.option("--role", "roles", multiple=True, type=click.Choice([one.value for one in HostRole]), help="Repeatable.")
@click.option(
    "--dhcp-source",
    default="dnsmasq-log",
    show_default=True,
    type=click.Choice(get_args(Settings.model_fields["dhcp_source"].annotation)),
    help="What --dhcp-path holds (docs/dhcp.md).",
)
@click.option(
    "--dhcp-path",
    default="/var/log/dnsmasq.log",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that the DHCP server of this host writes.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def init(
    *, name: str, address: str | None, roles: tuple[str, ...], dhcp_source: str, dhcp_path: Path, dry_run: bool
) -> None:
    """Make this host the first of a site: its CA, users, settings, units; start them and run the self-test.

    Redis, API, worker and tailer run here where no --role is given. What was done already stays, and --role adds to it;
    after an interruption, run it again. Exit status 0: the self-test of production has passed.
    """
    require_units("init", dry_run=dry_run)
    layout = HostLayout()
    chosen = _chosen_roles(layout, tuple(map(HostRole, roles)))
    host = first_host.FirstHost(name, address or first_host.own_address(), chosen, dhcp_source, dhcp_path)
    steps.apply(first_host.steps(layout, host, now), click.echo, dry_run=dry_run)
    if not dry_run:
        raise SystemExit(selftest.status_of(examine(layout, chosen)))


def _chosen_roles(layout: HostLayout, given: tuple[HostRole, ...]) -> tuple[HostRole, ...]:
    """What runs here from now on: what did already, and what is given. Raises SettingsError: it is no first host."""
    if not (layout.config / "manifest.json").exists():
        return given or _DEFAULT_ROLES
    if not layout.site_settings.exists():
        raise errors.SettingsError(
            [f"{layout.config}: this host has joined a site; `bringup site remove` ends that first"]
        )
    return tuple(dict.fromkeys([*HostFolder.read(layout.config).manifest.roles, *given]))


@click.command()
@click.option("--purge", is_flag=True, help="Data, settings and keys, too; the CA as well, where it is here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def remove(*, purge: bool, yes: bool, dry_run: bool) -> None:
    """Undo `bringup site init` or `join`: services are stopped, units are removed. Data and keys stay."""
    require_units("remove", dry_run=dry_run)
    layout = HostLayout()
    manifest = HostFolder.read(layout.config).manifest if (layout.config / "manifest.json").exists() else None
    gone = f"{layout.config} and {layout.state}, with all data, and every key{' of the CA' if _has_ca(layout) else ''}"
    if purge and not (yes or dry_run):
        click.confirm(f"Delete {gone}? Nothing can restore them.", abort=True)
    running = [*host_system.service_units(manifest.roles if manifest else tuple(HostRole))]
    stopped = [*host_system.timers(tuple(HostRole), has_ca=True), *reversed(running), host_system.TARGET]
    planned = [
        steps.HostStep(f"stop {', '.join(stopped)}", partial(host_system.disable, stopped)),
        steps.HostStep(f"remove the unit files from {host_system.UNITS}", host_system.remove_units),
        *([steps.HostStep(f"delete {gone}", partial(_delete, layout))] if purge else ()),
    ]
    steps.apply(planned, click.echo, dry_run=dry_run)
    if not purge:
        click.echo(f"{layout.config} and {layout.state} stay, and the users that own them; --purge deletes both.")


def can_have_units(layout: HostLayout) -> bool:
    """Whether the services of this host can be units: systemd runs, and no earlier join has put its state elsewhere."""
    return host_system.is_running_systemd() and not (layout.config / "var").exists()


def join_with_units(layout: HostLayout, manifest: Manifest, files: Mapping[str, bytes], *, force: bool) -> int:
    """Put everything of a bundle in its place, run its services as units, and return the self-test's status.

    Args:
        layout: the folders of this host.
        manifest: of the bundle.
        files: by name, as `unpack` returns them.
        force: replace what another host's bundle has put here.

    Raises:
        BundleRefused: it must not be joined with here; nothing was changed.
        HostCommandFailed: a user or a unit cannot be made, or does not start.
    """
    if layout.site_settings.exists():
        raise BundleRefused(f"{layout.config} is that of the first host of a site; `bringup site remove` ends that")

    def put() -> None:
        join(layout.config, manifest, files, now(), force=force, layout=layout)
        first_host.write_starting_files(layout, manifest.roles)

    planned = [
        *first_host.user_steps(manifest.roles),
        steps.HostStep(f"certificates and settings of {manifest.host} in {layout.config}", put),
        *first_host.unit_steps(layout, manifest.roles),
        *first_host.timer_steps(manifest.roles, has_ca=False),
    ]
    steps.apply(planned, click.echo)
    report_joining(layout.config)
    return selftest.status_of(examine(layout, manifest.roles))


def report_joining(folder: Path) -> None:
    """Let the CA's host see at once who has joined, and from where."""
    host = HostFolder.read(folder)
    settings = host.settings().model_copy(update={"api_timeout_s": _REPORT_S})
    try:
        ApiClient(settings, tls.ClientContexts()).put(f"/hosts/{host.manifest.host}", host.report(), TrustView)
    except (errors.BringupError, PkiError) as error:
        click.echo(f"The API does not know yet that it has joined; its timer of `site renew` reports it. Why: {error}")


def examine(layout: HostLayout, roles: tuple[HostRole, ...]) -> Results:
    """The self-test of everything that a host runs, shown as it runs.

    Args:
        layout: its folders.
        roles: what runs there.
    """
    asks = asking_role(roles)
    files = [path for path in (layout.site_settings, layout.config / env_file(asks)) if path.exists()]
    found = load({}, files)
    settings = found.settings.model_copy(update={"host_roles": ",".join(roles)})
    # Each service has secrets of its own, in a file of its own.
    secret = tuple(path for path in (layout.config / env_file(role) for role in roles) if path.exists())
    if asks in {HostRole.WORKER, HostRole.CONSOLE}:
        _await_reports(settings, roles)
    click.echo(f"The self-test of {', '.join(roles)}:")
    loaded = replace(found, settings=settings, env_files=(*found.env_files, *secret))
    return selftest.examine_host(loaded, static_only=False, running=True)


def asking_role(roles: tuple[HostRole, ...]) -> HostRole:
    """The role of a host by whose settings the others are asked: the one that may ask the most."""
    return next(role for role in _ASKS if role in roles)


def _await_reports(settings: Settings, roles: tuple[HostRole, ...]) -> None:
    """Return when what has started here has reported, or will not."""
    api, deadline = ApiClient(settings, tls.ClientContexts()), time.monotonic() + _REPORTED_S
    while time.monotonic() < deadline:
        try:
            found = api.get("/queues", QueueList)
        except errors.BringupError:
            return
        tailed = HostRole.TAILER not in roles or found.tailers
        if tailed and (HostRole.WORKER not in roles or all(queue.workers for queue in found.queues)):
            return
        time.sleep(0.5)


def require_units(command: str, *, dry_run: bool) -> None:
    """Raises SettingsError: this user or this host cannot have units. ``dry_run``: nothing is done, and anybody may."""
    problems = []
    if os.geteuid() != 0 and not dry_run:
        problems.append(
            f"`bringup site {command}` makes users and service units, which root alone may: run it by sudo, or see "
            "with --dry-run what it would do"
        )
    if not host_system.is_running_systemd() and not dry_run:
        problems.append(
            f"systemd does not run this host, and `bringup site {command}` is about its units; docs/production.md, "
            "'Without systemd', has the way without it"
        )
    if problems:
        raise errors.SettingsError(problems)


def _has_ca(layout: HostLayout) -> bool:
    return Store(layout.ca).ca_key.exists()


def _delete(layout: HostLayout) -> None:
    for folder in (layout.state, layout.config):
        shutil.rmtree(folder, ignore_errors=False)
