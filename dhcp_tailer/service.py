"""The tailer as a service: everything it is made of, put together from the settings."""

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from bringup import log
from bringup.connections import connect_redis, redis_errors
from bringup.model import LeaseEvent
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.tls import ClientContexts
from dhcp_tailer.changes import Polling
from dhcp_tailer.checkpoint import checkpoint_file, read_checkpoint
from dhcp_tailer.follow import Follower
from dhcp_tailer.lock import locked
from dhcp_tailer.outcomes import Tally
from dhcp_tailer.patience import Patience
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources import SOURCES, Source
from dhcp_tailer.stop import Interrupted, Stop
from dhcp_tailer.tail import Tail

_log = log.get(__name__)


def run(settings: Settings, stop: Stop, *, from_end: bool = False, once: bool = False) -> None:
    """Follow ``DHCP_PATH`` until asked to stop.

    Args:
        from_end: without a checkpoint, leave out what the file holds already.
        once: stop at the end of the file.

    Raises:
        PermanentError: another tailer follows this file, or Redis refuses us.
        SettingsError: a certificate that the settings name cannot be used.
    """
    file = checkpoint_file(settings.state_dir, settings.dhcp_source, settings.dhcp_path)
    with locked(file.with_suffix(".lock")):
        source = SOURCES[settings.dhcp_source]()
        follower = _follower(settings.dhcp_path, source, file, from_end=from_end)
        saver = Saver(file, source=source.name, path=settings.dhcp_path, memory=source.memory)
        patience = Patience(stop)
        try:
            deliver = _delivery(settings, patience)
            Tail(follower, source, deliver, saver, patience, Polling(), stop, Tally()).run(once=once)
        except Interrupted:
            _log.info("stopped while waiting for Redis")
        finally:
            follower.close()


def _delivery(settings: Settings, patience: Patience) -> Callable[[LeaseEvent], bool]:
    """What puts a lease on the queue. Redis is asked at once: a wrong password must not wait for the first lease."""
    connection = connect_redis(settings, ClientContexts(), name="tail")
    queues = Queues(connection)

    def ping() -> None:
        with redis_errors(settings):
            connection.ping()

    def deliver(event: LeaseEvent) -> bool:
        with redis_errors(settings):
            return queues.add_lease(event)

    patience.insist(ping)
    return deliver


def _follower(path: Path, source: Source, file: Path, *, from_end: bool) -> Follower:
    """Begins where the checkpoint says; a damaged one costs time and no lease, for a lease read twice is one run."""
    try:
        checkpoint = read_checkpoint(file)
        if checkpoint is None:
            return Follower(path, from_end=from_end)
        source.restore(checkpoint.memory)
    except ValueError as error:
        _log.error("the checkpoint is damaged; reading from the beginning", checkpoint=str(file), why=_short(error))
        return Follower(path)
    return Follower(path, checkpoint.position)


def _short(error: ValueError) -> str:
    """Without the content: pydantic's own text would print it."""
    return f"{error.error_count()} things in it are wrong" if isinstance(error, ValidationError) else str(error)
