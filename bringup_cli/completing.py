"""The names of machines and runs for a shell that completes them; nothing where the API does not answer at once."""

import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from importlib import import_module
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from bringup.errors import BringupError

if TYPE_CHECKING:
    from bringup.connections.api_client import ApiClient

# Seconds: a person has pressed a key, and types on without an answer.
_TIMEOUT_S = 1.0
# More than a terminal shows.
_MOST = 100


def device_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The machines whose names begin so; the arguments as click gives them."""
    return _asked(ctx, incomplete, "/devices?limit=10000", "devices", "name")


def run_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of the newest runs those whose ids begin so; the arguments as click gives them."""
    return _asked(ctx, incomplete, "/runs?limit=1000", "runs", "run_id")


def _asked(ctx: click.Context, incomplete: str, path: str, *names: str) -> list[CompletionItem]:
    # What is logged would appear in the middle of the line that the person types.
    with redirect_stderr(io.StringIO()):
        try:
            return list(_items(_client(ctx), incomplete, path, *names))
        except (BringupError, OSError):
            return []


def _client(ctx: click.Context) -> "ApiClient":
    """The root's own function has not run: a shell completes without running any command."""
    env_file = ctx.find_root().params.get("env_file") or ()
    client: ApiClient = import_module("bringup_cli.context").Context(env_file).api(timeout_s=_TIMEOUT_S)
    return client


def _items(client: "ApiClient", incomplete: str, path: str, listed: str, name: str) -> Iterator[CompletionItem]:
    any_json = import_module("pydantic").RootModel[dict[str, list[dict[str, object]]]]
    found = client.get(path, any_json).root[listed]
    matching = (one for one in found if str(one[name]).startswith(incomplete))
    for one, _ in zip(matching, range(_MOST), strict=False):
        yield CompletionItem(str(one[name]), help=str(one["state"]))
