"""The image of a run: its URL is the permission to read it while the run goes on.

The run's parameters are in it for the BMC on record alone: see `api.images.readers`.
"""

from http import HTTPStatus

from flask import Blueprint, Response, request

from api.auth import Auth, requires
from api.http import openapi, problems
from api.images import delivery, readers
from api.images.base_image import AreaAlone, BaseImage
from api.images.image_store import Images, RunImage, area_of
from api.services import services
from api.state.run_secrets import KnownImage
from bringup import log
from bringup.wire.machine import IMAGE_FILE

bp = Blueprint("images", __name__)
# With this one firmware goes by the end of the address; some BMCs accept no other.
_MEDIA_TYPE = "application/octet-stream"


@bp.get(f"/images/<secret>/{IMAGE_FILE}")
@requires(Auth.CAPABILITY_URL)
@openapi.documented(
    files=(HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED),
    refusals=(
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    public=True,
)
def image(secret: str) -> Response:
    """The image of one run, whole or in part (Range). 410: the run has ended."""
    images = services().images
    known = images.find(secret)
    # One answer for both: a secret that is unknown, and images that this port does not serve, look the same.
    if known is None or not _serves(known):
        raise problems.unknown_image()
    if known.state.ended:
        raise problems.finished(f"the run has ended: {known.state}")
    base = _same_base(images, known)
    has_parameters = readers.may_have_parameters(request.remote_addr or "", known.readers, services().settings)
    area = area_of(images.parameters(known, secret)) if has_parameters else b""
    file = RunImage(base, area)
    known = known if has_parameters else known.without_parameters()
    response = Response(mimetype=_MEDIA_TYPE, direct_passthrough=True)
    response.set_etag(known.etag)
    response.headers |= {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}
    response.make_conditional(request.environ)
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        raise problems.another_image()
    if response.status_code == HTTPStatus.OK:
        read_log = delivery.ReadLog(
            images.records, services().store, known.run_id, base.area_at, request.remote_addr or "", has_parameters
        )
        content = _fill(response, file, base.size, known.etag, read_log)
        if request.method == "GET":
            # Not in a test client, which has no socket.
            if connection := request.environ.get("gunicorn.socket"):
                delivery.send_in_small_parts(connection)
            content = delivery.while_it_lives(content, lambda: images.lives(secret))
            response.response = _counted(content, images, known)
    return response


def _serves(known: KnownImage) -> bool:
    """Simulated machines read where they call back: they have an image without VALIDATION_IMAGE or `bringup images`."""
    return services().serves_images or known.base == AreaAlone.digest


def _same_base(images: Images, known: KnownImage) -> BaseImage | AreaAlone:
    """From its first byte to its last, an image is of one build."""
    base = images.base_of(known)
    if base is not None:
        return base
    log.get("api").error(
        "VALIDATION_IMAGE is not the one that this run began with: its image is not served", run_id=known.run_id
    )
    raise problems.image_replaced()


def _fill(response: Response, file: RunImage, size: int, etag: str, read_log: delivery.ReadLog) -> delivery.Content:
    part = _part(size, etag)
    span = part or range(size)
    if part is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    response.content_length = len(span)
    progress = request.environ.get("bringup.progress", _no_clock)
    return delivery.deliver(file, span, read_log.delivered, progress)


def _counted(content: delivery.Content, images: Images, known: KnownImage) -> delivery.CountedBody:
    """A BMC that opens one connection after the other must not take the slots of all others."""
    if not images.concurrency.begin(known.etag):
        raise problems.unavailable("too many clients read this image now; try again")
    return delivery.CountedBody(content, lambda: images.concurrency.end(known.etag))


def _part(size: int, etag: str) -> range | None:
    """The part that is asked for; None: all of it. Source: RFC 9110 s.14.2: only GET has ranges."""
    header = request.headers.get("Range")
    if header is None or request.method != "GET" or request.headers.get("If-Range", f'"{etag}"') != f'"{etag}"':
        return None
    part = delivery.wanted(header, size)
    if part is not None and not part:
        raise problems.no_such_bytes(size)
    return part


def _no_clock() -> None:
    """A server without deadlines."""
