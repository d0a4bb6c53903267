"""gunicorn's log goes where ours goes, in our format."""

from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):
    """Hands everything to the root logger instead of writing by itself."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn at start and on reload."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
        self.access_log.name = "api.access"
        self.error_log.name = "api.server.server"
