"""What the views work with: the stores of their application, and the way to change a run by them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from threading import BoundedSemaphore
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, has_request_context

from api.http import problems
from api.http.openapi import document
from api.images import base_image, image_store
from api.principal import UnknownCallers
from api.runs import bmc_of_run, records, states
from api.state import inventories, inventory_cache, inventory_feed, job_queues, reader, redis, run_secrets
from api.state.artifacts import Artifacts
from api.state.enrollments import Enrollments, TrustStore
from api.state.feed import ChangeFeed
from api.state.feed_devices import FeedDevices
from api.state.followers import Followers
from api.state.installation import Installation
from api.state.selftests import SelfTests
from api.state.snapshot import NOTHING_ELSE, Also, Snapshot
from api.state.store import RunStore
from bringup import errors, files, outages, tls
from bringup.connections.redis_client import connect_redis
from bringup.operators import Operators
from bringup.settings import Settings
from bringup.wire.run import RunDetail

# Of the application's extensions, as Flask recommends: no global holds a connection.
_KEY = "bringup"
_Changed = TypeVar("_Changed", bound=records.Change | records.RunRecord)


@dataclass(frozen=True)
class Services:
    """The settings and stores of one application."""

    settings: Settings
    database: redis.Database
    hosts: inventories.InventoryHosts
    store: RunStore
    tokens: run_secrets.RunTokens
    artifacts: Artifacts
    queues: job_queues.JobQueues
    images: image_store.Images
    certificate_commands: BoundedSemaphore  # RUN_CERTIFICATE_COMMAND: so many run at the same time
    serves_images: bool  # on this port; they may have one of their own
    installation: Installation
    enrollments: Enrollments
    trust: TrustStore
    selftests: SelfTests
    followers: Followers
    feed_devices: FeedDevices
    operators: files.Reloaded[Operators]
    unknown_callers: UnknownCallers
    views: Mapping[str, Callable[..., object]]
    openapi: Callable[[], Mapping[str, Any]]


def make_services(
    app: Flask, settings: Settings, *, serves_images: bool, inventory: inventory_cache.InventoryRead | None = None
) -> Services:
    """Everything that the views of ``app`` work with. Connects to Redis on the first request, not before.

    Args:
        app, settings: of this process.
        serves_images: on this port.
        inventory: what was read of the inventory file already; None: nothing.

    Raises:
        SettingsError: STATE_DIR cannot be used, or VALIDATION_IMAGE names a file that is no image.
    """
    database = redis.Database(settings, connect_redis(settings, tls.ClientContexts(), name="api", replicated=True))
    installation = Installation(database, settings)
    feed = ChangeFeed(database, timedelta(days=settings.changes_keep_days))
    hosts = inventories.InventoryHosts(
        database, settings, inventory_feed.InventoryFeed(database, feed, installation.saw), inventory
    )
    keep = timedelta(days=settings.run_keep_days)
    image = settings.validation_image
    store = RunStore(
        database, hosts, installation, keep=keep, most_boots=settings.max_concurrent_boots, feed=feed, who=_who
    )
    return Services(
        settings=settings,
        database=database,
        hosts=hosts,
        store=store,
        tokens=run_secrets.RunTokens(database, keep),
        artifacts=Artifacts(database, keep),
        queues=job_queues.JobQueues(database),
        images=image_store.Images(
            run_secrets.ImageRecords(database, keep), base_image.BaseImageFile(image) if image else None
        ),
        # A command may take 20 s, and its request holds a slot meanwhile: three quarters are left for all others.
        certificate_commands=BoundedSemaphore(max(1, settings.api_threads // 4)),
        serves_images=serves_images,
        installation=installation,
        enrollments=Enrollments(database),
        trust=TrustStore(database),
        selftests=SelfTests(database),
        followers=Followers(database),
        feed_devices=FeedDevices(store),
        operators=_operators(settings),
        unknown_callers=UnknownCallers(),
        views=app.view_functions,
        # Made on the first request for it: most starts of the API never serve it.
        openapi=cache(lambda: document(app)),
    )


def _who() -> str:
    """Whose request is being served: a service or a person by name. A machine has a token of its run, and no name."""
    caller = g.get("principal") if has_request_context() else None
    return caller.name if caller else "machine" if has_request_context() else "api"


def _operators(settings: Settings) -> files.Reloaded[Operators]:
    path = settings.operators_file
    alarm = outages.Alarm(
        "api", "OPERATORS_FILE cannot be used: no operator is let in", "OPERATORS_FILE can be used again"
    )
    return files.Reloaded([path], lambda: Operators.read(path), alarm=alarm)


def services() -> Services:
    """Those of the application that serves the present request."""
    found: Services = current_app.extensions[_KEY]
    return found


def change_run(
    run_id: str,
    compute: Callable[[states.RunContext], _Changed],
    also: Also = NOTHING_ELSE,
) -> _Changed:
    """Apply ``compute`` to the run as it is now; a run that it returns changes nothing.

    Args:
        run_id: of the run.
        compute: may be called more than once.
        also: what the context holds besides the run and its device.

    Raises:
        Refusal: there is no such run.
        InvalidTransition, NotYet: from ``compute``.
    """
    given = services()

    def in_context(snapshot: Snapshot) -> _Changed:
        return compute(_context(given, snapshot, also))

    # In the transaction: of many runs that ask at once, no more may see a slot free than there are.
    change = given.store.change_run(run_id, in_context, also)
    if change is None:
        raise problems.unknown_run(run_id)
    return change


def _context(given: Services, snapshot: Snapshot, also: Also) -> states.RunContext:
    run, device, store = cast("records.RunRecord", snapshot.run), snapshot.device, given.store
    seen_as = None
    if snapshot.first_seen_as:
        is_own = snapshot.first_seen_as == device.record.name
        seen_as = store.if_seen_as(device if is_own else store.device(snapshot.first_seen_as), also.machine)
    refusal = store.boot_slots.refusal(run, device, is_free=snapshot.is_slot_free) if also.boot_slot else None
    return states.RunContext(
        run,
        device,
        snapshot.now,
        given.settings,
        snapshot.refused_callbacks,
        inventory=store.inventory(),
        seen_as=seen_as,
        no_boot_slot=refusal,
    )


def change_run_or_refuse(
    run_id: str,
    compute: Callable[[states.RunContext], records.Change],
    also: Also = NOTHING_ELSE,
) -> records.Change:
    """As `change_run`; what does not apply is a conflict.

    Args:
        run_id, compute, also: as of `change_run`.

    Raises:
        Refusal: there is no such run, or the change does not apply to it.
        NotYet: from ``compute``.
    """
    try:
        return change_run(run_id, compute, also)
    except errors.PowerRefused as error:
        raise problems.power_refused(str(error)) from None
    except errors.InvalidTransition as error:
        raise problems.stale(str(error)) from None


def run_detail(run_id: str) -> RunDetail | None:
    """The run with its timeline and its artifacts, and how its BMC is reached, if it is known."""
    found = services().store.run_with_history(run_id)
    return _detail(found) if found else None


def changed_run_detail(change: records.Change) -> RunDetail:
    """The same of a run that was just changed, of which the records need not be read again."""
    return _detail(services().store.history_of(change.run, change.device))


def _detail(found: reader.RunHistory) -> RunDetail:
    run, device = found.run, found.device
    current = states.with_required_jobs(run).model_copy(
        update=bmc_of_run.pinned(run, device.entry if device else None, services().settings)
    )
    media = device.record.media_sha256 if device else ()
    return RunDetail(**dict(current), timeline=found.timeline, artifacts=found.artifacts, media_sha256=media)
