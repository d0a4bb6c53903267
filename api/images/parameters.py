"""What the image of one run carries: made for each run, and as the bytes that stand in the image's area."""

from api.images.run_certificate import RunCertificate
from bringup.errors import BringupError
from bringup.model import utc_now
from bringup.settings import Settings
from bringup.wire.machine import AREA_SIZE, RunParameters


class ParametersTooLarge(BringupError):
    """They do not fit into the area; cut short they would be worth nothing."""


def run_parameters(
    run_id: str, token: str, settings: Settings, certificate: RunCertificate | None = None
) -> RunParameters:
    """What the agent must know of this run.

    Args:
        certificate: where machines must present one.

    Raises:
        OSError: API_TLS_CA cannot be read.
    """
    return RunParameters(
        run_id=run_id,
        callback_url=f"{settings.api_url}/api/v1",
        token=token,
        epoch=int(utc_now().timestamp()),
        ca_pem=_trust(settings),
        client_cert_pem=certificate.certificate if certificate else None,
        client_key_pem=certificate.key if certificate else None,
        after="poweroff" if settings.power_off_after_run else "wait",
        lldp_wait_s=settings.lldp_wait_s,
    )


def area_of(parameters: RunParameters) -> bytes:
    """The area of the image with ``parameters`` in it. Raises ParametersTooLarge."""
    text = parameters.model_dump_json().encode()
    if len(text) > AREA_SIZE:
        raise ParametersTooLarge(f"{len(text)} bytes do not fit into {AREA_SIZE}")
    return text.ljust(AREA_SIZE)


def _trust(settings: Settings) -> str | None:
    """The whole file: while a CA is being replaced, the old and the new one stand in it."""
    return settings.path_of("api_tls_ca").read_text(encoding="ascii") if settings.api_use_tls else None
