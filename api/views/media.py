"""What the machine of a run is to boot: its image, with a fresh run token in it."""

from dataclasses import dataclass
from typing import cast

from api.http import problems
from api.images import base_image, image_store, run_certificate
from api.images.readers import UnknownBmcAddress, addresses_of
from api.runs import bmc_of_run
from api.runs.records import NewImage, NewSecrets, RunRecord
from api.services import services
from api.state import run_secrets
from bringup import log
from bringup.wire.machine import RunParameters
from bringup.wire.run_events import RunMedia

# A person must repair the command, the CA or DNS: to try more often would only fill the timeline.
_UNPREPARED_S = 30


@dataclass(frozen=True)
class PreparedMedia:
    """What was made, and counts once its secrets are on record.

    Args:
        secrets: of the run.
        message: to the worker.
    """

    secrets: NewSecrets
    message: RunMedia


def prepare(run: RunRecord, owner: str) -> PreparedMedia:
    """Make the image of a run, which may take the time of RUN_CERTIFICATE_COMMAND.

    Args:
        run: as it is on record.
        owner: the fencing token of the worker that asks; for another than the run's there is no image.

    Raises:
        Refusal: it cannot be made now, or by this API at all.
    """
    plan = _plan(run) if run.fencing_token == owner else None
    secret, token = image_store.new_secret(), run_secrets.new_token()
    parameters = _parameters(run.run_id, token, plan.certificate if plan else None)
    image = _image(plan, parameters, secret) if plan else None
    message = RunMedia(
        run_id=run.run_id,
        callback_url=parameters.callback_url,
        epoch=parameters.epoch,
        image_url=_image_url(plan, secret) if plan else None,
    )
    return PreparedMedia(NewSecrets(run_secrets.token_digest(token), image), message)


@dataclass(frozen=True)
class _Plan:
    """What the image of a run is made of, and who is given the parameters in it."""

    base: base_image.BaseImage | base_image.AreaAlone
    readers: tuple[str, ...]
    certificate: run_certificate.RunCertificate | None


def _plan(run: RunRecord) -> _Plan | None:
    """None: the machine boots no image of ours, and is given no parameters."""
    given = services()
    entry = given.store.inventory().by_name.get(run.device)
    # As pinned, for the parameters must go to no address that the inventory has not named.
    bmc = cast("str | None", bmc_of_run.pinned(run, entry, given.settings)["bmc"])
    simulated = (bmc or "").startswith("simulated:")
    if simulated and given.settings.environment == "production":
        return None
    base = None if run.boot_method == "pxe" and not simulated else given.images.base_for(simulated=simulated)
    if base is None:
        return None
    # A simulated machine has its certificate from `bringup simulate`.
    return _Plan(base, _readers(run, bmc), None if simulated else _certificate(run))


def _readers(run: RunRecord, bmc: str | None) -> tuple[str, ...]:
    try:
        return addresses_of(bmc)
    except UnknownBmcAddress as error:
        services().store.note(run.run_id, "bmc_not_resolved", str(error))
        raise problems.unavailable(f"the run has no image yet: {error}", retry_after_s=_UNPREPARED_S) from None


def _certificate(run: RunRecord) -> run_certificate.RunCertificate | None:
    """What the machine must present; None: it need not."""
    given = services()
    if not given.settings.machines_need_certificates:
        return None
    # Not blocking: a request that waits here would hold a work slot, and the worker tries again anyway.
    if not given.certificate_commands.acquire(blocking=False):
        raise problems.unavailable("the run has no image yet: RUN_CERTIFICATE_COMMAND runs for as many runs as it may")
    try:
        return run_certificate.make_run_certificate(given.settings.run_certificate_command, run.run_id)
    except run_certificate.NoRunCertificate as error:
        log.get("api").error("RUN_CERTIFICATE_COMMAND made no certificate", run=run.run_id, why=str(error))
        detail = "RUN_CERTIFICATE_COMMAND made no certificate; see the log of the API"
        given.store.note(run.run_id, "no_certificate", detail)
        raise problems.unavailable(f"the run has no image yet: {detail}", retry_after_s=_UNPREPARED_S) from None
    finally:
        given.certificate_commands.release()


def _parameters(run_id: str, token: str, certificate: run_certificate.RunCertificate | None) -> RunParameters:
    try:
        return image_store.run_parameters(run_id, token, services().settings, certificate)
    except (OSError, ValueError) as error:
        log.get("api").error("API_TLS_CA cannot be read: no machine can be given it", why=str(error))
        raise problems.misconfigured("the API cannot read what machines must trust; see its log") from None


def _image(plan: _Plan, parameters: RunParameters, secret: str) -> NewImage:
    try:
        return image_store.new_image(parameters, secret, plan.base, plan.readers)
    except image_store.ParametersTooLarge as error:
        log.get("api").error("API_TLS_CA is too large: a run's parameters do not fit into the image", why=str(error))
        raise problems.misconfigured("the run's parameters do not fit into the image; see the log of the API") from None


def _image_url(plan: _Plan, secret: str) -> str:
    """Where the BMC finds the run's image: a simulated one where its machine calls back."""
    settings = services().settings
    port = settings.api_url if isinstance(plan.base, base_image.AreaAlone) else settings.image_base
    return f"{port}/api/v1{image_store.path_of(secret)}"
