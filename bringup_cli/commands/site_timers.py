"""``bringup site sign`` and ``renew``: what a timer runs, on the CA's host and on every other host."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from bringup_cli.commands.pki.group import now, open_session, settings_of, store_of
from bringup_cli.context import Context, Output, output_option, print_json, print_line
from bringup_cli.exit_status import EXIT_FAILED
from bringup_cli.site import enroll, host_files, join, redis_users, renewal
from bringup_cli.site.registry import Registry
from bringup_cli.site.renewal import run_pass as renew_pass
from bringup_cli.site.sign import Pass, prepare
from bringup_cli.site.sign import run_pass as sign_pass
from pki.errors import PkiError

# Seconds that a pass waits for a person's command at the CA.
_WAIT_S = 60
_watch = click.option(
    "--watch", type=click.FloatRange(0.1, 86400), metavar="SECONDS", help="Go on for ever, with this pause in between."
)


@click.command()
@_watch
@click.option(
    "--days",
    type=click.FloatRange(0, 3650, min_open=True),
    help="How long new certificates are valid, instead of VALIDITY_DAYS.",
)
@output_option
@click.pass_obj
def sign(context: Context, *, watch: float | None, days: float | None, output: Output) -> None:
    """On the CA's host: renew what hosts have asked for and is due, publish what is trusted and what is revoked.

    A Redis that was away meanwhile is given the users of hosts, and loses those of revoked ones.

    It opens no port. Run it by a timer every minute.
    """
    settings = settings_of(context)

    opener = partial(open_session, settings, leaf_days=days, wait_s=_WAIT_S)

    def once() -> int:
        with opener() as session:
            prepare(session)
            registry = Registry.read(session.store)
        _follow(settings, registry)
        return _show_signed(sign_pass(opener, api_of_ca(settings)), output)

    _repeat(once, watch)


@click.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@_watch
@output_option
def renew(*, folder: Path | None, watch: float | None, output: Output) -> None:
    """On any other host: renew its certificates, what it trusts and what is revoked, from the API.

    FOLDER is where the host has joined; by default /etc/bringup. Run it by a timer every few minutes.
    """
    host = host_files.HostFolder.read(folder or join.STANDARD_FOLDER)
    api = ApiClient(host.settings(), tls.ClientContexts())
    _repeat(lambda: _show_renewed(renew_pass(host, api, now), output), watch)


def api_of_ca(settings: Settings) -> ApiClient:
    """The API, with the certificate of the CA's host. Raises SettingsError."""
    if not settings.api_use_tls:
        raise errors.SettingsError(["API_USE_TLS: must be true, for the API knows the CA's host by its certificate"])
    files = store_of(settings).files(enroll.CA_CLIENT)
    own = {"api_client_cert": files.certificate, "api_client_key": files.key}
    return ApiClient(settings.model_copy(update=own), tls.ClientContexts())


def _follow(settings: Settings, registry: Registry) -> None:
    """A Redis that was away while a host was enrolled or revoked, or that is new, is brought up to date."""
    if not registry.hosts:
        return
    keeper = redis_users.Keeper(settings, registry.keeper)
    failed = redis_users.everywhere(keeper, lambda address: keeper.follow(address, registry))
    for address, why in failed.items():
        click.echo(
            f"bringup site sign: the users of Redis at {address[0]}:{address[1]} were not looked at: {why}", err=True
        )


def _repeat(once: Callable[[], int], pause_s: float | None) -> None:
    """One pass, whose status is ours; or one after another, for ever."""
    if pause_s is None:
        sys.exit(once())
    while True:
        try:
            once()
        except (errors.BringupError, PkiError) as error:
            click.echo(f"bringup: {error}", err=True)
        time.sleep(pause_s)


def _show_signed(done: Pass, output: Output) -> int:
    if output == "json":
        print_json(asdict(done))
    else:
        for identity in done.signed:
            print_line(f"signed: {identity}")
        for identity, why in done.refused.items():
            print_line(f"refused: {identity}: {why}")
        for blocker in done.waits_for:
            print_line(f"the CA rollover waits for {blocker}")
        if done.stage:
            print_line(f"the CA rollover is at stage {done.stage}")
    return 0


def _show_renewed(done: renewal.HostPass, output: Output) -> int:
    if output == "json":
        print_json(asdict(done))
    else:
        for name in (*done.trust, *done.renewed):
            print_line(f"renewed: {name}")
        for name in done.waiting:
            print_line(f"waits for the CA: {name}")
        for problem in done.problems:
            click.echo(f"bringup site renew: {problem}", err=True)
    return EXIT_FAILED if done.problems else 0
