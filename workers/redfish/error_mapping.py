"""What a refusal or a silence of a BMC means: wait, try again, or end the run, and with which reason.

A BMC that is busy with its host or with itself has not failed: rack power-up leaves every host in POST, and an iDRAC
works off its job queue in minutes. A job that meets it comes back later, within the run's own time, and the run's
timeline shows what it waits for.
"""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from sushy import exceptions as sushy_errors

from bringup import backoff, errors, model, text
from workers.redfish.refusal import BmcRefusal

# HTTP statuses that mean: later. Source: RFC 9110 s.15.5, RFC 6585 s.4, RFC 8470 s.5.2, RFC 4918 s.11.3.
_LATER_STATUS = frozenset({408, 409, 423, 425, 429})
# HTTP statuses: busy with something else; in use by another client; never.
_CONFLICT, _LOCKED, _NOT_IMPLEMENTED = 409, 423, 501
# Messages that mean: later. Source: DSP0268, Base message registry; RAC0218 is iDRAC's session limit.
_LATER_MESSAGES = frozenset(
    {
        "CreateLimitReachedForResource",
        "ResourceInUse",
        "ServiceInUnknownState",
        "ServiceShuttingDown",
        "ServiceTemporarilyUnavailable",
        "SessionLimitExceeded",
        "RAC0218",
    }
)
# What a refused request waits for, by message.
_WAITS_FOR = {
    # HPE iLO 5, registry iLO: the boot override cannot be changed while the host is in POST.
    "UnableToModifyDuringSystemPOST": "the host to leave POST",
    "InvalidOperationForSystemState": "the host to leave its present state",
    "ServerInPOST": "the host to leave POST",
    # Dell, event and error message reference: a lifecycle job is pending or running.
    "SYS011": "a pending lifecycle job",
    "SYS428": "a pending lifecycle job",
    "SYS518": "the iDRAC to become ready",
    "RAC0679": "a running lifecycle job",
    "LC068": "a pending lifecycle job",
    # Source: DSP0268, Base registry.
    "ResourceInUse": "another user of the same resource",
    "ServiceTemporarilyUnavailable": "the BMC to become ready",
    "OperationTimeout": "the BMC to become ready",
}
# The same, where a BMC writes only prose.
_WAITS_FOR_IN_PROSE = {
    re.compile(r"\b(during|in|while)\b.{0,40}\bPOST\b", re.IGNORECASE): "the host to leave POST",
    re.compile(r"\b(job|configuration)\b.{0,60}\b(pending|running|in progress|already)\b", re.IGNORECASE): (
        "a pending lifecycle job"
    ),
    re.compile(r"\b(pending|running)\b.{0,60}\bjob\b", re.IGNORECASE): "a pending lifecycle job",
}
# Seconds that a Retry-After may ask for: a BMC that asks for an hour has a wrong clock; it is asked again before that.
_MAX_RETRY_AFTER_S = 120.0
# Packages that read answers for us: an error inside them is the answer's.
_READERS = frozenset({"sushy", "json", "requests", "urllib"})
# What OpenSSL and urllib3 write about a certificate that is not trusted.
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "Fingerprints did not match")
# iLO LicenseKeyRequired, Supermicro OemLicenseNotPassed, iDRAC LIC501 "... license is missing", and those of others.
_LICENCE = re.compile(r"licen[cs]e", re.IGNORECASE)


@contextmanager
def redfish_errors(
    bmc: str,
    doing: str,
    *,
    refused: model.FailureReason,
    busy: model.FailureReason = model.FailureReason.BMC_UNREACHABLE,
    logging_in: bool = False,
) -> Iterator[None]:
    """Translate everything that a request raises inside.

    Args:
        bmc: its address on record, for people.
        doing: what is being done, an infinitive without "to".
        refused: what a refusal means for the run.
        busy: what it means for the run when the BMC has no answer but a 5xx until the last try.
        logging_in: a 401 means a wrong password; later it means that the session has ended.

    Raises:
        BmcBusy: it waits for its host or for a job of its own.
        BmcUnavailable: another try may succeed.
        BmcRejected: no other try can.
    """
    subject = f"the BMC at {bmc}, asked to {text.without_image_secret(doing)},"
    try:
        yield
    except sushy_errors.ConnectionError as error:
        raise _of_connection(subject, error) from error
    except BmcRefusal as refusal:
        # Without its cause, which may name the image's address: rq keeps tracebacks in Redis.
        raise _of_refusal(subject, refusal, refused, busy, logging_in=logging_in) from None
    except sushy_errors.SushyError as error:
        raise errors.BmcRejected(f"{subject} cannot: {text.without_image_secret(str(error))}", reason=refused) from None
    except ValueError as error:  # no JSON: many BMCs answer with a page for people while they start
        raise errors.BmcUnavailable(f"{subject} gave an answer that is not Redfish", reason=busy) from error
    except (TypeError, AttributeError, LookupError, RecursionError) as error:
        if not _is_of_an_answer(error):
            raise
        raise errors.BmcUnavailable(f"{subject} gave an answer that is not Redfish", reason=busy) from error


def is_hopeless(error: BaseException) -> bool:
    """Whether another try cannot help: an untrusted certificate, a redirect, an endless answer, no connection."""
    chain = list(errors.causes(error))
    hopeless = (
        requests.TooManyRedirects,
        requests.ConnectTimeout,
        requests.exceptions.InvalidSchema,
        requests.exceptions.ContentDecodingError,
    )
    return any(isinstance(cause, hopeless) for cause in chain) or _is_untrusted(chain)


def is_passing(refusal: BmcRefusal) -> bool:
    """Whether the same request may be answered otherwise later."""
    if refusal.status_code in _LATER_STATUS or refusal.ids & _LATER_MESSAGES:
        return True
    return refusal.status_code >= 500 and refusal.status_code != _NOT_IMPLEMENTED


def is_busy(refusal: BmcRefusal) -> bool:
    """Whether waiting may help, with or without a reason that we know."""
    return refusal.status_code in {_CONFLICT, _LOCKED} or _busy_with(refusal) is not None


def licence_in(refusal: BmcRefusal) -> str | None:
    """What the BMC reports about the licence that it wants; None when the refusal is about something else."""
    about = [str(one) for one in refusal.messages if _LICENCE.search(one.id) or _LICENCE.search(one.text)]
    return "; ".join(about) or None


def _busy_with(refusal: BmcRefusal) -> str | None:
    """What a refused request has to wait for; None when waiting is not known to help."""
    for message_id in refusal.ids:
        if message_id in _WAITS_FOR:
            return _WAITS_FOR[message_id]
    for pattern, reason in _WAITS_FOR_IN_PROSE.items():
        if refusal.status_code < 500 and any(pattern.search(message.text) for message in refusal.messages):
            return reason
    return None


def _is_of_an_answer(error: Exception) -> bool:
    """Whether it was raised by what reads the answers for us, and so by an answer."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _READERS


def _is_untrusted(chain: list[BaseException]) -> bool:
    return any(word in str(cause) for cause in chain for word in _UNTRUSTED)


def _of_connection(subject: str, error: BaseException) -> errors.BmcUnavailable | errors.BmcRejected:
    chain = list(errors.causes(error))
    if any(isinstance(cause, requests.TooManyRedirects) for cause in chain):
        message = f"{subject} answered with a redirect, which is never followed; put its real address in the inventory"
        return errors.BmcRejected(message, reason=model.FailureReason.BMC_UNREACHABLE)
    if _is_untrusted(chain):
        message = f"{subject} showed a certificate that is not trusted: {chain[-1]}; see bmc_ca and bmc_fingerprint"
        return errors.BmcRejected(message, reason=model.FailureReason.BMC_AUTH)
    return errors.BmcUnavailable(f"{subject} does not answer: {text.without_image_secret(str(chain[-1]))}")


def _of_refusal(
    subject: str, refusal: BmcRefusal, refused: model.FailureReason, busy: model.FailureReason, *, logging_in: bool
) -> errors.BmcUnavailable | errors.BmcRejected:
    # Some name the image that they could not fetch.
    message = f"{subject} {text.without_image_secret(refusal.summary)}"
    if licence_in(refusal):
        return errors.BmcRejected(f"{message}; the BMC lacks a licence for it", reason=refused)
    if is_busy(refusal):
        waits_for = _busy_with(refusal)
        message = f"{message}; waiting for {waits_for or 'the BMC to be free'}"
        # Where the BMC does not report what for, it is as good as away.
        reason = refused if waits_for else busy
        asked_s = backoff.retry_after_s(refusal.response.headers.get("Retry-After"), _MAX_RETRY_AFTER_S)
        return errors.BmcBusy(message, reason=reason, retry_in_s=asked_s)
    if is_passing(refusal):
        return errors.BmcUnavailable(message, reason=busy)
    if refusal.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
        return _of_account(message, refusal, logging_in=logging_in)
    return errors.BmcRejected(message, reason=refused)


def _of_account(message: str, refusal: BmcRefusal, *, logging_in: bool) -> errors.BmcUnavailable | errors.BmcRejected:
    is_unknown = refusal.status_code == requests.codes.unauthorized
    if is_unknown and not logging_in:
        return errors.BmcUnavailable(f"{message} (the session has ended)")
    look_at = "the username and password of the device's credential" if is_unknown else "the account's role"
    return errors.BmcRejected(f"{message}; look at {look_at}", reason=model.FailureReason.BMC_AUTH)
