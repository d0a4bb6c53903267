"""The tailer as a service: everything it is made of, put together from the settings."""

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from bringup import log
from bringup.connections.redis_client import check_writes, connect_redis, redis_errors
from bringup.errors import NotReplicated
from bringup.model import LeaseEvent
from bringup.outages import Outages
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.tls import ClientContexts
from dhcp_tailer.accounting import Tally
from dhcp_tailer.checkpoint import checkpoint_file, read_checkpoint
from dhcp_tailer.filters import policy_of
from dhcp_tailer.following import Following, follow
from dhcp_tailer.inotify import watched
from dhcp_tailer.lock import locked
from dhcp_tailer.metrics import Metrics
from dhcp_tailer.retry import Patience
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
        InventoryError: DHCP_INVENTORY_ONLY, and DEVICES_FILE cannot be read.
        SettingsError: a certificate that the settings name cannot be used.
    """
    policy = policy_of(settings)
    file = checkpoint_file(settings.state_dir, settings.dhcp_source, settings.dhcp_path)
    with locked(file.with_suffix(".lock")), watched(settings.dhcp_path) as changes:
        source, tally = SOURCES[settings.dhcp_source](), Tally()
        following = _following(settings.dhcp_path, source, tally, file, from_end=from_end)
        saver = Saver(file, source=source.name, path=settings.dhcp_path, memory=source.memory, tally=tally)
        metrics = Metrics(file.with_suffix(".prom"), source.name, tally)
        try:
            deliver, patience = _delivery(settings, stop)
            tail = Tail(following, source, deliver, saver, patience, changes, stop, tally, policy, metrics)
            tail.run(once=once)
        except Interrupted:
            _log.info("stopped while waiting for Redis")
        finally:
            following.close()


def _delivery(settings: Settings, stop: Stop) -> tuple[Callable[[LeaseEvent], bool], Patience]:
    """What puts a lease on the queue, and what waits until that is possible.

    Redis is asked at once: a wrong password must not wait for the first lease.
    """
    connection = connect_redis(settings, ClientContexts(), name="tail", replicated=True)
    queues = Queues(connection)

    def probe() -> None:
        with redis_errors(settings):
            check_writes(connection)

    def deliver(event: LeaseEvent) -> bool:
        with redis_errors(settings):
            is_new = queues.add_lease(event)
            if settings.sentinels and not queues.has_lease(event):
                raise NotReplicated("a failover has lost the lease; it is delivered again")
            return is_new

    patience = Patience(stop, probe, Outages("tail"))
    patience.insist(probe)
    return deliver, patience


def _following(path: Path, source: Source, tally: Tally, file: Path, *, from_end: bool) -> Following:
    """Begins where the checkpoint says; a damaged one costs time and no lease, for a lease read twice is one run."""
    try:
        checkpoint = read_checkpoint(file)
        if checkpoint is None:
            return follow(path, source, from_end=from_end)
        source.restore(checkpoint.memory)
        tally.go_on(checkpoint.counts, checkpoint.last_record_at)
    except ValueError as error:
        _log.error("the checkpoint is damaged; reading from the beginning", checkpoint=str(file), why=_short(error))
        return follow(path, source)
    return follow(path, source, checkpoint.position)


def _short(error: ValueError) -> str:
    """Without the content: pydantic's own text would print it."""
    return f"{error.error_count()} things in it are wrong" if isinstance(error, ValidationError) else str(error)
