"""The image of a simulated machine's run: read by its BMC, from the BMC's address, as a real one does."""

import http.client
from urllib.parse import urlsplit

from pydantic import ValidationError

from bringup import errors, tls
from bringup.settings import Settings
from bringup.wire.machine import AREA_SIZE, RunParameters
from bringup.wire.message import read_reply


def read_parameters(url: str, source: str, settings: Settings, contexts: tls.ClientContexts) -> RunParameters:
    """What the run's machine is given.

    Args:
        url: of the image.
        source: address that it is read from: the API gives the parameters to no other.
        settings: of a client of the API.
        contexts: for https.

    Raises:
        ApiUnavailable: there is no answer, or none yet.
        PermanentError: the run has ended, or this is not the BMC's address on record.
    """
    status, body = _fetch(url, source, settings, contexts)
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


def _fetch(url: str, source: str, settings: Settings, contexts: tls.ClientContexts) -> tuple[int, bytes]:
    target = urlsplit(url)
    where, from_bmc, timeout_s = (target.hostname or "", target.port), (source, 0), settings.api_timeout_s
    connection = http.client.HTTPConnection(*where, timeout=timeout_s, source_address=from_bmc)
    if target.scheme == "https":
        context = tls.for_api_client(settings, contexts)
        connection = http.client.HTTPSConnection(*where, timeout=timeout_s, source_address=from_bmc, context=context)
    try:
        connection.request("GET", target.path)
        response = connection.getresponse()
        return response.status, response.read(AREA_SIZE)
    except (OSError, http.client.HTTPException) as error:
        raise errors.ApiUnavailable(f"the image of the run cannot be read from {source}: {error}") from None
    finally:
        connection.close()
