"""What the views work with: made once by the application factory, found through the application."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from flask import current_app

from api.images import Images
from api.state.artifacts import Artifacts
from api.state.installation import Installation
from api.state.quarantine import JobQuarantine
from api.state.store import Store
from api.state.tokens import RunTokens
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
