"""Metrics beside those of states: how long runs last, when certificates end, and which version serves."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from api.state.durations import BOUNDS, Durations, Histogram
from bringup import __version__, model
from bringup.settings import Settings
from bringup.wire.bmc import BMC_BOUNDS_S


def durations(found: Durations) -> Iterator[Metric]:
    """How long runs were in a state, and how long they lasted in all."""
    in_state = "How long runs were in a state; booting is what their BMCs took."
    yield _family("bringup_run_state_seconds", in_state, found.in_state)
    yield _family("bringup_run_seconds", "From the lease to the end of a run, by how it ended.", found.of_runs)


def bmc_requests(found: Histogram) -> Metric:
    """How long BMCs took to answer requests of all workers."""
    documentation = "How long BMCs took to answer one request of a worker, or it to give up."
    family = HistogramMetricFamily("bringup_bmc_request_seconds", documentation)
    names = (*map(str, BMC_BOUNDS_S), "+Inf")
    family.add_metric([], list(zip(names, map(float, found.buckets), strict=True)), found.sum_s)
    return family


def version() -> Metric:
    """Which version the process that answers is of."""
    family = GaugeMetricFamily("bringup_info", "Always 1; the label is the version of the API.", labels=["version"])
    family.add_metric([__version__], 1)
    return family


def certificates(settings: Settings, now: datetime) -> Metric:
    """How long the certificates of this host are valid, and the list of revoked ones.

    Args:
        settings: name them; what neither TLS nor the disk has is not shown.
        now: the time.
    """
    documentation = "Seconds until a certificate of this API host, or its list of revoked ones, ends."
    family = GaugeMetricFamily("bringup_certificate_seconds_left", documentation, labels=["certificate"])
    for name, path in _paths(settings):
        end = _end(path)
        if end is not None:
            family.add_metric([name], (end - now).total_seconds())
    return family


def _paths(settings: Settings) -> Iterator[tuple[str, Path]]:
    if settings.api_use_tls:
        for name in ("api_tls_cert", "api_tls_ca", "api_tls_crl"):
            yield name.removesuffix("_cert"), settings.path_of(name)
    if settings.redis_use_tls:
        for name in ("redis_tls_cert", "redis_tls_ca"):
            yield name.removesuffix("_cert"), settings.path_of(name)


def _end(path: Path) -> datetime | None:
    """When a certificate or a list ends; of several the first; None: it cannot be read, which the self-test shows."""
    try:
        content = path.read_bytes()
        if b"X509 CRL" in content:
            return x509.load_pem_x509_crl(content).next_update_utc
        return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(content))
    except (OSError, ValueError):
        return None


def _family(name: str, documentation: str, found: Mapping[model.RunState, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, documentation, labels=["state"])
    for state, histogram in found.items():
        names = (*(f"{bound}.0" for bound in BOUNDS), "+Inf")
        family.add_metric([state.value], list(zip(names, map(float, histogram.buckets), strict=True)), histogram.sum_s)
    return family
