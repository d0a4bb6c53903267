"""The tailer as a service: the loop, and all that it works with, made from the settings."""

import time
from typing import TYPE_CHECKING

from bringup import log, model, outages, tailers, tls
from bringup.connections.redis_client import check_writes, connect_redis, redis_errors
from bringup.service_manager import Notifier
from bringup.settings import Settings
from dhcp_tailer import recognise
from dhcp_tailer.accounting import Accounting, TextfileMetrics
from dhcp_tailer.checkpoint import checkpoint_file
from dhcp_tailer.filters import Filters, FirstPass
from dhcp_tailer.heartbeat import TailerHeartbeat
from dhcp_tailer.resume import locked, resume
from dhcp_tailer.retry import Interrupted, Retry, Stop
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.tailer import Tailer, delivery
from dhcp_tailer.watch import watch

if TYPE_CHECKING:
    from redis import Redis

_log = log.get(__name__)


def run(settings: Settings, stop: Stop, *, from_end: bool = False, once: bool = False) -> None:
    """Follow ``DHCP_PATH`` until asked to stop.

    Args:
        settings: which file, which source, which Redis.
        stop: ends it.
        from_end: without a checkpoint, leave out what the file holds already.
        once: stop at the end of the file.

    Raises:
        PermanentError: another tailer follows this file, Redis refuses us; or ``once``, and no source reads the file.
        InventoryError: DHCP_INVENTORY_ONLY, and DEVICES_FILE cannot be read.
        SettingsError: a certificate that the settings name cannot be used.
    """
    filters = Filters.of(settings)
    file = checkpoint_file(settings.state_dir, settings.dhcp_source, settings.dhcp_path)
    with locked(file.with_suffix(".lock")), watch(settings.dhcp_path) as watcher:
        parser, accounting = PARSERS[settings.dhcp_source](), Accounting()
        first_pass = FirstPass(settings.lease_max_age_h, model.utc_now())
        follower = resume(settings.dhcp_path, parser, accounting, file, from_end=from_end, first_pass=first_pass)
        saver = Saver(
            file,
            parser=parser,
            path=settings.dhcp_path,
            accounting=accounting,
            first_pass=first_pass,
        )
        metrics = TextfileMetrics(file.with_suffix(".prom"), parser.name, accounting)
        try:
            connection = connect_redis(settings, tls.ClientContexts(), name="tail", replicated=True)
            notifier = Notifier.taken_from()
            retry = _ready_redis(settings, stop, connection, notifier)
            deliver = delivery(settings, connection, accounting.reader)
            notifier.ready()
            # A pass by a timer is no tailer that runs: it would be reported as silent a minute later.
            heartbeat = None if once else _heartbeat(settings, stop, connection)
            tailer = Tailer(
                *(follower, parser, deliver, saver, retry, watcher, stop, accounting, filters, metrics, heartbeat),
                first_pass,
                doubt=lambda: recognise.warn(settings.dhcp_path, parser.name, accounting.others),
                alive=notifier.beat,
            )
            tailer.run(once=once)
            if once and accounting.others and not accounting.leases:
                recognise.require_match(settings.dhcp_path, parser.name, accounting.others)
        except Interrupted:
            _log.info("stopped while waiting for Redis")
        finally:
            follower.close()


def _heartbeat(settings: Settings, stop: Stop, connection: "Redis") -> TailerHeartbeat:
    def send(report: tailers.TailerReport) -> None:
        with redis_errors(settings):
            tailers.put_report(connection, report)

    return TailerHeartbeat(send, source=settings.dhcp_source, path=str(settings.dhcp_path), stop=stop)


def _ready_redis(settings: Settings, stop: Stop, connection: "Redis", notifier: Notifier) -> Retry:
    """The retry that waits for Redis, which takes writes now: a wrong password must not wait for the first lease."""

    def probe() -> None:
        with redis_errors(settings):
            check_writes(connection)

    def wait(seconds: float) -> None:
        notifier.beat()  # an outage of Redis, however long, is no reason to restart the tailer
        time.sleep(seconds)

    retry = Retry(stop, probe, outages.Outages("tail"), sleep=wait)
    retry.call_with_retry(probe)
    return retry
