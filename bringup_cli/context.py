"""What all commands share: the settings, and what their exit status means."""

from pathlib import Path

from bringup import log
from bringup.settings import Loaded, Settings, load
from bringup.settings.rules import idle_switches, insecurities

EXIT_FAILED = 1
EXIT_USAGE = 2


class Context:
    """What commands share: the settings, read on first use so that ``init`` works without any."""

    def __init__(self, env_file: Path | None) -> None:
        self.env_file = env_file
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded:
        """Settings and their origins. Raises SettingsError."""
        if self._loaded is None:
            self._loaded = load(env_file=self.env_file)
            log.configure(self._loaded.settings.log_level, self._loaded.settings.log_format)
            _warn(self._loaded.settings)
        return self._loaded

    @property
    def settings(self) -> Settings:
        """The effective settings. Raises SettingsError."""
        return self.loaded.settings


def _warn(settings: Settings) -> None:
    """The one way around the rules of production is loud, and so is a switch that does nothing."""
    if settings.environment == "production":
        for problem in insecurities(settings):
            log.get("bringup").warning("INSECURE, by ALLOW_INSECURE_PRODUCTION=true", problem=problem)
    for idle in idle_switches(settings):
        log.get("bringup").warning("a switch has no effect", problem=idle)
