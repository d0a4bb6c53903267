"""What the views work with: the stores of their application, and the way to change a run by them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from flask import current_app

from api.http import problems
from api.images import Images
from api.runs.records import Change, KnownDevice, RunRecord
from api.runs.run_context import RunContext
from api.state.artifacts import Artifacts
from api.state.installation import Installation
from api.state.quarantine import JobQuarantine
from api.state.store import Store
from api.state.tokens import RunTokens
from bringup.errors import InvalidTransition, PowerRefused
from bringup.settings import Settings

_KEY = "bringup"


@dataclass(frozen=True)
class Services:
    """The settings and stores of one application."""

    settings: Settings
    store: Store
    tokens: RunTokens
    artifacts: Artifacts
    quarantine: JobQuarantine
    images: Images | None  # None: VALIDATION_IMAGE is not set
    certificate_commands: BoundedSemaphore  # RUN_CERTIFICATE_COMMAND: so many run at the same time
    serves_images: bool  # on this port; they may have one of their own
    installation: Installation
    views: Mapping[str, Callable[..., object]]
    openapi: Mapping[str, Any]


def services() -> Services:
    """Those of the application that serves the present request."""
    found: Services = current_app.extensions[_KEY]
    return found


def change_run(run_id: str, compute: Callable[[RunContext], Change]) -> Change:
    """Apply ``compute`` to the run as it stands.

    Raises:
        Refusal: there is no such run.
        InvalidTransition, NotYet: from ``compute``.
    """
    given = services()
    refused, now = given.tokens.refused(run_id), given.store.now()

    def in_context(run: RunRecord, device: KnownDevice) -> Change:
        return compute(RunContext(run, device, now, given.settings, refused, inventory=given.store.inventory()))

    change = given.store.change_run(run_id, in_context)
    if change is None:
        raise problems.unknown_run()
    return change


def change_run_or_refuse(run_id: str, compute: Callable[[RunContext], Change]) -> Change:
    """The same, with what does not apply answered as a conflict."""
    try:
        return change_run(run_id, compute)
    except PowerRefused as error:
        raise problems.power_refused(str(error)) from None
    except InvalidTransition as error:
        raise problems.stale(str(error)) from None
