"""What monitoring asks: health, readiness and metrics; and the OpenAPI document.

Metrics are read from Redis at each request, so that all processes report the same.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.auth import Auth, requires
from api.http import body, openapi
from api.services import Services, services
from api.state import counters, durations
from api.state.batch import Batch
from api.state.counts import DeviceCounts
from api.state.installation import InstallationStatus
from api.state.inventories import Differences
from api.state.key_types import of_another_type
from api.views import histograms
from bringup import __version__, errors, model
from bringup.wire.message import Health, Readiness
from bringup.wire.services import SelfTestView

bp = Blueprint("monitoring", __name__)
# Fields of `QueueView`, and values of the label "state".
_JOB_STATES = ("queued", "started", "scheduled", "failed", "quarantined")


@bp.get("/metrics")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, openapi.Text))
def metrics() -> Response:
    """Runs, devices and queues by state, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Current(services()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


@bp.get("/health")
@requires(Auth.ANYONE)
@openapi.documented((HTTPStatus.OK, Health), public=True)
def health() -> Response:
    """This process serves: which service it is, and which version."""
    return body.respond(Health(service="bringup-api", version=__version__))


@bp.get("/ready")
@requires(Auth.ANYONE)
@openapi.documented((HTTPStatus.OK, Readiness), (HTTPStatus.SERVICE_UNAVAILABLE, Readiness), public=True)
def ready() -> Response:
    """Whether the API can do its work: Redis takes writes, has a replica if it needs one, and has lost nothing."""
    # Every check runs: an operator wants all problems at once, not the first.
    problems, withheld = [], None
    try:
        services().database.check_writes()
        problems += [
            f"Redis holds another type under {key}: something else has written to this database"
            for key in of_another_type(services().database)
        ]
        withheld = services().installation.withheld()
        replicas = services().database.replicas()
        if replicas and not replicas.following:
            problems.append("no replica of Redis follows the master")
    except errors.RedisRefusesWrites:
        problems.append("Redis refuses writes")
    except errors.CorruptRecord:
        problems.append("a record in Redis cannot be read; see the log of the API")
    except (errors.RedisUnavailable, errors.PermanentError):
        problems.append("Redis does not answer")
    try:
        services().store.inventory()
    except errors.InventoryError:
        problems.append("the inventory cannot be read")
    problems += filter(None, (withheld, services().installation.not_remembering))
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return body.respond(Readiness(ready=not problems, problems=tuple(problems), withheld=withheld), status)


@bp.get("/openapi.json")
@requires(Auth.ANYONE)
def openapi_document() -> Response:
    """This document."""
    return jsonify(services().openapi())


class _Current(Collector):
    def __init__(self, given: Services) -> None:
        self._given = given
        self._store = given.store

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        batch, store = Batch(), self._store
        ended, open_runs = counters.ask_ends(batch), store.counts.ask_open_runs(batch)
        slots, devices = store.boot_slots.ask_numbers(batch), store.counts.ask_devices(batch)
        installation, hosts = self._given.installation.ask(batch), self._given.hosts.ask(batch)
        selftests, lasted = self._given.selftests.ask(batch), durations.ask(batch)
        followers, to_bmcs = self._given.followers.ask(batch), durations.ask_bmc_requests(batch)
        self._given.database.read(batch)
        status, differences, (booting, waiting) = installation(), hosts(), slots()
        yield _ended(ended())
        yield _open(open_runs())
        yield GaugeMetricFamily("bringup_boots", "Machines that boot now.", booting)
        yield GaugeMetricFamily("bringup_boots_waiting", "Runs that wait for a boot slot.", waiting)
        yield from self._devices(devices(), status, differences)
        yield self._jobs()
        yield from _installation(status)
        yield from self._replicas()
        documentation = "Other API hosts whose inventory is not the same: machines whose entries differ are withheld."
        yield GaugeMetricFamily("bringup_inventory_hosts_differing", documentation, len(differences.others))
        found, now = selftests()
        yield from _selftests(found, now)
        yield from histograms.durations(lasted())
        yield histograms.bmc_requests(to_bmcs())
        yield _followers(followers())
        yield histograms.certificates(self._given.settings, now)
        yield histograms.version()

    def _devices(self, found: DeviceCounts, status: InstallationStatus, differences: Differences) -> Iterator[Metric]:
        family = GaugeMetricFamily("bringup_devices", "Devices by state.", labels=["state"])
        for state in model.DeviceState:
            family.add_metric([state.value], found.by_state[state])
        yield family
        resting = found.in_maintenance + self._withheld(found, status, differences)
        yield GaugeMetricFamily("bringup_devices_in_maintenance", "Devices that must not be touched.", resting)

    def _withheld(self, found: DeviceCounts, status: InstallationStatus, differences: Differences) -> int:
        """Devices that are withheld and not in maintenance; as a rule none is, and so none is looked at."""
        if status.withheld:
            return found.by_state.total() - found.in_maintenance
        names = differences.names()
        return sum(device.is_withheld_alone for device in self._store.devices(names)) if names else 0

    def _replicas(self) -> Iterator[Metric]:
        """Only with Redis Sentinel."""
        replicas = self._given.database.replicas()
        if replicas:
            following, known = "Replicas that follow the master.", "Replicas that the sentinels know."
            yield GaugeMetricFamily("bringup_redis_replicas", following, replicas.following)
            yield GaugeMetricFamily("bringup_redis_replicas_known", known, replicas.known)

    def _jobs(self) -> Metric:
        family = GaugeMetricFamily("bringup_jobs", "Jobs in the queues.", labels=["queue", "state"])
        for queue in self._given.queues.counts(self._given.queues.quarantined()):
            for state in _JOB_STATES:
                family.add_metric([queue.name, state], getattr(queue, state))
        return family


def _ended(found: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily("bringup_runs_ended", "Runs that have ended.", labels=["state", "reason"])
    for way, number in found.items():
        family.add_metric(way, number)
    return family


def _open(found: Mapping[model.RunState, int]) -> Metric:
    family = GaugeMetricFamily("bringup_runs_open", "Runs that are not closed.", labels=["state"])
    for state in model.RunState:
        if state is not model.RunState.AUDITED:  # which is closed as soon as it is there
            family.add_metric([state.value], found[state])
    return family


def _installation(status: InstallationStatus) -> Iterator[Metric]:
    yield CounterMetricFamily("bringup_changes", "Changes that Redis holds.", status.number)
    yield GaugeMetricFamily("bringup_changes_missing", "Changes that Redis has lost.", status.missing)
    yield GaugeMetricFamily("bringup_withheld", "1: no machine is touched.", int(status.withheld is not None))


def _followers(found: Mapping[str, float]) -> Metric:
    documentation = "Seconds since a follower of the feed has handled every change, by its name."
    family = GaugeMetricFamily("bringup_feed_lag_seconds", documentation, labels=["follower"])
    for name, seconds in found.items():
        family.add_metric([name], seconds)
    return family


def _selftests(found: tuple[SelfTestView, ...], now: datetime) -> Iterator[Metric]:
    of_age, of_result = "Seconds since a host has posted its self-test.", "1: a host's last self-test has passed."
    age = GaugeMetricFamily("bringup_selftest_age_seconds", of_age, labels=["host"])
    passed = GaugeMetricFamily("bringup_selftest_passed", of_result, labels=["host"])
    for one in found:
        age.add_metric([one.host], (now - one.at).total_seconds())
        passed.add_metric([one.host], int(one.passed))
    yield from (age, passed)
