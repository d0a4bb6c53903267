"""How the services are: boots in progress, replicas of Redis, certificates and daily self-tests of the site's hosts."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.principal import current_principal
from api.services import Services, services
from api.state.selftests import TooManyHosts
from bringup import __version__, log
from bringup.wire import services as wire
from bringup.wire.selftest import SelfTestList, SelfTestReport, SelfTestView
from bringup.wire.site import HostView

bp = Blueprint("overview", __name__)


@bp.get("/services")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.ServicesView))
def show_services() -> Response:
    """Boots in progress against their limits, the replicas of Redis, and when certificates of hosts end."""
    given = services()
    replicas = given.database.replicas()
    return body.respond(
        wire.ServicesView(
            version=__version__,
            at=given.database.now(),
            boots=_boots(given),
            replicas=wire.ReplicasView(following=replicas.following, known=replicas.known) if replicas else None,
            certificates=tuple(one for host in given.trust.hosts() for one in _certificates(host)),
        )
    )


def _boots(given: Services) -> wire.BootsView:
    found = given.store.boot_slots.numbers()
    limits = given.store.inventory().boot_groups
    groups = (
        wire.BootGroupView(name=name, booting=found.of_group[name], limit=limits[name]) for name in sorted(limits)
    )
    return wire.BootsView(
        booting=found.booting,
        waiting=found.waiting,
        limit=given.settings.max_concurrent_boots,
        groups=tuple(groups),
    )


def _certificates(host: HostView) -> list[wire.CertificateView]:
    return [
        wire.CertificateView(host=host.name, identity=identity, ends=held.ends, reported_at=host.at)
        for identity, held in sorted(host.report.certificates.items())
    ]


# Bytes. The ids of 200 checks are below 16 KiB.
_LIMIT = body.MIB // 16


@bp.post("/selftest")
@requires(Auth.WORKER)
@openapi.documented(
    (HTTPStatus.OK, SelfTestView), body=SelfTestReport, refusals=(HTTPStatus.TOO_MANY_REQUESTS,), limit=_LIMIT
)
def post() -> Response:
    """Post the result of a host's self-test; it replaces the one before."""
    report = body.read(SelfTestReport, limit=_LIMIT)
    try:
        view = services().selftests.keep(report, services().database.now(), current_principal().name)
    except TooManyHosts:
        raise problems.busy("results of too many hosts are kept already") from None
    if not report.passed:
        log.get("api").warning("the self-test of a host has failed", host=report.host, failed=list(report.failed))
    return body.respond(view)


@bp.get("/selftest")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, SelfTestList))
def list_selftests() -> Response:
    """The last result of each host."""
    return body.respond(SelfTestList(selftests=services().selftests.all()))
