"""The ``pki`` group: the settings that it needs, and how its errors become messages and exit codes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from bringup.settings import Settings, load, pki_rules
from bringup_cli.context import Context
from pki import authority, errors, profile, store
from pki.session import CaSession

# Scripts and timers act on these: 1 is for an operator, 2 for who wrote the command line, 3 for a later attempt.
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_COULD_NOT_RUN = 3


class PkiGroup(click.Group):
    """A group whose errors end in one message, the command that fixes them, and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises SystemExit instead of PkiError."""
        try:
            return super().invoke(ctx)
        except errors.PkiError as error:
            click.echo(f"bringup {ctx.info_name}: {error}", err=True)
            if error.hint:
                click.echo(f"  fix: {error.hint}", err=True)
            raise SystemExit(exit_code(error)) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            click.echo(f"bringup {ctx.info_name}: {error.filename or 'a file'}: {error.strerror}", err=True)
            click.echo("  fix: run this as the owner of the PKI directory, or as root", err=True)
            raise SystemExit(EXIT_COULD_NOT_RUN) from None


@click.group(cls=PkiGroup)
def pki() -> None:
    """Certificates for mutual TLS: a CA, what it issues, and whether it is in order."""


def exit_code(error: errors.PkiError) -> int:
    """2: the command or the configuration is wrong; 3: it could not run; 1: anything else."""
    if isinstance(error, (errors.InvalidInput, errors.NotSetUp, errors.CaKeyLocked)):
        return EXIT_USAGE
    return EXIT_COULD_NOT_RUN if isinstance(error, errors.CouldNotRun) else EXIT_FAILED


def settings_of(context: Context) -> Settings:
    """The settings, without the rules that ask for certificates which these commands are about to make.

    Raises:
        SettingsError: with every problem found.
    """
    return load(env_file=context.env_file, rules=pki_rules).settings


def store_of(settings: Settings) -> store.Store:
    """The PKI directory."""
    return store.Store(settings.pki_dir)


def now() -> datetime:
    """The time that certificates are made for and judged by."""
    return datetime.now(UTC)


@contextmanager
def open_session(
    settings: Settings, *, init: bool = False, leaf_days: float | None = None, wait_s: float = 0
) -> Iterator[CaSession]:
    """A session at the CA for the command that runs now.

    Args:
        settings: the PKI directory, how long certificates are valid, and the passphrase.
        init: there may be no CA yet.
        leaf_days: how long new certificates are valid, instead of VALIDITY_DAYS.
        wait_s: how long to wait for another command to end, in seconds.

    Raises:
        PkiError: it cannot begin, or what is done in it fails.
    """
    with CaSession.open(
        store_of(settings),
        click.get_current_context().command_path,
        now(),
        validity=profile.Validity(leaf_days or settings.validity_days, settings.ca_validity_days, settings.crl_days),
        passphrase=passphrase_of(settings),
        init=init,
        wait_s=wait_s,
    ) as session:
        yield session


def passphrase_of(settings: Settings) -> authority.Passphrase:
    """CA_KEY_PASSPHRASE, or what an operator types; asked once."""
    asked: list[str] = []

    def ask() -> str | None:
        if settings.ca_key_passphrase:
            return settings.ca_key_passphrase.get_secret_value()
        if not asked and sys.stdin.isatty():
            asked.append(str(click.prompt("Passphrase of the CA key", hide_input=True, err=True)))
        return asked[0] if asked else None

    return ask
