"""What all commands share: the settings, the client of the API, and how results are printed."""

import json
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bringup import log
from bringup.settings import Loaded, Settings, load, rules
from bringup.text import printable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from bringup.connections.api_client import ApiClient

Output = Literal["table", "json"]
output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="table for people, json for programs.",
)


class Context:
    """What commands share: the settings are read on first use, so that ``init`` works without any."""

    def __init__(self, env_file: Path | Sequence[Path] = ()) -> None:
        self.env_file = env_file
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded:
        """Settings and their origins. Raises SettingsError."""
        return self._load(rules.broken_rules)

    @property
    def settings(self) -> Settings:
        """The effective settings. Raises SettingsError."""
        return self.loaded.settings

    def settings_for(self, *uses: rules.Use) -> Settings:
        """The effective settings, right for what a command does; what other services need is not asked for.

        Args:
            uses: none: a command that neither connects nor serves.

        Raises:
            SettingsError: with every problem found.
        """
        return self._load(rules.rules_for(uses), uses).settings

    def _load(self, applied: rules.Rules, uses: Iterable[rules.Use] | None = None) -> Loaded:
        if self._loaded is None:
            self._loaded = load(env_file=self.env_file, rules=applied)
            settings = self._loaded.settings
            log.configure(settings.log_level, settings.log_format)
            _warn(self._loaded, rules.uses_of_host(settings) if uses is None else frozenset(uses))
        return self._loaded

    def api(self, *, timeout_s: float | None = None) -> "ApiClient":
        """A client of the API, as the person of OPERATOR_TOKEN where that is set. Raises SettingsError.

        ``timeout_s``: for its connection and its answer, in seconds; None: as the settings have it.
        """
        # Imported here, because the libraries of Redis and HTTP take longer to load than most commands take to run.
        settings = self.settings_for(rules.Use.OPERATOR)
        if timeout_s is not None:
            settings = settings.model_copy(update={"redis_timeout_s": timeout_s, "api_timeout_s": timeout_s})
        own = settings.operator_token
        token = own.get_secret_value() if own else None
        contexts = import_module("bringup.tls").ClientContexts()
        client: ApiClient = import_module("bringup.connections.api_client").ApiClient(settings, contexts, token=token)
        return client


def _warn(loaded: Loaded, uses: frozenset[rules.Use]) -> None:
    """Warn at every start where ALLOW_INSECURE_PRODUCTION allows what production forbids, and of idle switches."""
    settings = loaded.settings
    if settings.environment == "production":
        for problem in (*rules.insecurities(settings, uses), *loaded.exposed):
            _log_warning("INSECURE, by ALLOW_INSECURE_PRODUCTION=true", problem)
    else:
        for problem in (*rules.exposed_keys(settings, uses), *loaded.exposed):
            _log_warning("other users can read a secret: an error with ENVIRONMENT=production", problem)
    for exception in rules.image_exceptions(settings):
        _log_warning("a verdict can be made without its machine", exception)
    for idle in rules.idle_switches(settings):
        _log_warning("a switch has no effect", idle)


def _log_warning(text: str, problem: str) -> None:
    """The logger is made with the first line: to import it takes longer than most commands run."""
    log.get("bringup").warning(text, problem=problem)


def print_line(text: str) -> None:
    """One line on standard output; what a device or a record chose in it cannot drive the terminal."""
    click.echo(printable(text))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, default=str))


def print_json_line(value: Any) -> None:
    """One JSON document on one line, as programs read a stream of them."""
    click.echo(json.dumps(value, default=str))


def print_model(found: "BaseModel", output: Output = "json", line: str = "") -> None:
    """A reply of the API as JSON; for people ``line`` instead.

    Args:
        found: the reply.
        output: what ``--output`` was given.
        line: for people.
    """
    if output == "json":
        print_json(found.model_dump(mode="json"))
    else:
        print_line(line)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; device-chosen text is never read as markup.

    Args:
        title: above the table.
        columns: their headings.
        rows: a cell for each column; None is shown as empty.
    """
    cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    # Imported here: what draws takes as long to import as a command that prints JSON takes to run.
    import_module("bringup_cli.tables").print_table(title, columns, cells)
