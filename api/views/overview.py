"""How the services are: boots in progress, replicas of Redis, and the certificates of the site's hosts."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi
from api.services import Services, services
from bringup import __version__
from bringup.wire import services as wire
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
