"""The image of a simulated machine's run: read by its BMC, from the BMC's address, as a real one does."""

import http.client
import ssl
from urllib.parse import urlsplit

from pydantic import ValidationError

from bringup import errors
from bringup.wire.machine import AREA_SIZE, RunParameters
from bringup.wire.message import read_reply


def read_parameters(url: str, source: str, *, context: ssl.SSLContext | None, timeout_s: float) -> RunParameters:
    """What the run's machine is given.

    Args:
        url: of the image.
        source: address that it is read from: the API gives the parameters to no other.
        context: for https.
        timeout_s: seconds for each step.

    Raises:
        ApiUnavailable: there is no answer, or none yet.
        PermanentError: the run has ended, or this is not the BMC's address on record.
    """
    status, body = _fetch(url, source, context, timeout_s)
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.ApiUnavailable(f"the image of the run is not served now ({status})")
    if status != http.HTTPStatus.OK:
        raise errors.PermanentError(f"the image of the run is not served ({status}): it has ended or has another one")
    try:
        return read_reply(RunParameters, body)
    except ValidationError:
        raise errors.PermanentError(
            f"the image carries no run: the API gives it to the BMC's address alone, and it was read from {source}"
        ) from None


def _fetch(url: str, source: str, context: ssl.SSLContext | None, timeout_s: float) -> tuple[int, bytes]:
    target = urlsplit(url)
    where = (target.hostname or "", target.port)
    from_bmc = (source, 0)
    connection = (
        http.client.HTTPSConnection(*where, timeout=timeout_s, source_address=from_bmc, context=context)
        if target.scheme == "https"
        else http.client.HTTPConnection(*where, timeout=timeout_s, source_address=from_bmc)
    )
    try:
        connection.request("GET", target.path)
        response = connection.getresponse()
        return response.status, response.read(AREA_SIZE)
    except (OSError, http.client.HTTPException) as error:
        raise errors.ApiUnavailable(f"the image of the run cannot be read from {source}: {error}") from None
    finally:
        connection.close()
