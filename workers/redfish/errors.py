"""What a refusal or a silence of a BMC means: wait, try again, or give the run up and why."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from sushy import exceptions as sushy_errors

from bringup.errors import BmcBusy, BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.text import without_image_secret
from workers.redfish.refusal import Refusal
from workers.redfish.waiting import busy_with, is_busy, retry_after_s

_LATER_STATUS = frozenset({408, 409, 423, 425, 429})
_NOT_IMPLEMENTED = 501
# Source: DSP0268, Base message registry; RAC0218 is iDRAC's session limit.
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
_READERS = frozenset({"sushy", "json", "requests", "urllib"})
_DISTRUST = ("CERTIFICATE_VERIFY_FAILED", "Fingerprints did not match")
# iLO LicenseKeyRequired, Supermicro OemLicenseNotPassed, iDRAC LIC501 "... license is missing", and whoever is next.
_LICENCE = re.compile(r"licen[cs]e", re.IGNORECASE)


@contextmanager
def redfish_errors(
    bmc: str,
    doing: str,
    *,
    refused: FailureReason,
    busy: FailureReason = FailureReason.BMC_UNREACHABLE,
    logging_in: bool = False,
) -> Iterator[None]:
    """Translate everything that a request raises inside.

    Args:
        bmc: its address on record, for people.
        doing: what is being done, to stand after "to".
        refused: what a refusal means for the run.
        busy: what it means for the run when the BMC has no answer but a 5xx until the last try.
        logging_in: a 401 means a wrong password; later it means that the session has ended.
    """
    told = f"the BMC at {bmc}, asked to {without_image_secret(doing)},"
    try:
        yield
    except sushy_errors.ConnectionError as error:
        raise _of_connection(told, error) from error
    except Refusal as refusal:
        # Without its cause, which may name the image's address: rq keeps tracebacks in Redis.
        raise _of_refusal(told, refusal, refused, busy, logging_in=logging_in) from None
    except sushy_errors.SushyError as error:
        raise BmcRejected(f"{told} cannot: {without_image_secret(str(error))}", reason=refused) from None
    except ValueError as error:  # no JSON: many BMCs answer with a page for people while they start
        raise BmcUnavailable(f"{told} gave an answer that is not Redfish", reason=busy) from error
    except (TypeError, AttributeError, LookupError, RecursionError) as error:
        if not tripped_over_an_answer(error):
            raise
        raise BmcUnavailable(f"{told} gave an answer that is not Redfish", reason=busy) from error


def tripped_over_an_answer(error: Exception) -> bool:
    """Whether it was raised by what reads the answers for us, and so by an answer."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _READERS


def is_hopeless(error: BaseException) -> bool:
    """Whether asking once more cannot help: a foreign certificate, a redirect, an endless answer, nobody there."""
    causes = list(_causes(error))
    hopeless = (
        requests.TooManyRedirects,
        requests.ConnectTimeout,
        requests.exceptions.InvalidSchema,
        requests.exceptions.ContentDecodingError,
    )
    return any(isinstance(cause, hopeless) for cause in causes) or _names_distrust(causes)


def licence_in(refusal: Refusal) -> str | None:
    """What the BMC says about the licence that it wants; None when the refusal is about something else."""
    about = [str(one) for one in refusal.messages if _LICENCE.search(one.id) or _LICENCE.search(one.text)]
    return "; ".join(about) or None


def is_passing(refusal: Refusal) -> bool:
    """Whether the same request may be answered otherwise later."""
    if refusal.status_code in _LATER_STATUS:
        return True
    return (refusal.status_code >= 500 and refusal.status_code != _NOT_IMPLEMENTED) or bool(
        refusal.ids & _LATER_MESSAGES
    )


def _names_distrust(causes: list[BaseException]) -> bool:
    return any(word in str(cause) for cause in causes for word in _DISTRUST)


def _of_connection(told: str, error: BaseException) -> BmcUnavailable | BmcRejected:
    causes = list(_causes(error))
    if any(isinstance(cause, requests.TooManyRedirects) for cause in causes):
        message = f"{told} answered with a redirect, which is never followed; put its real address in the inventory"
        return BmcRejected(message, reason=FailureReason.BMC_UNREACHABLE)
    if _names_distrust(causes):
        message = f"{told} showed a certificate that is not trusted: {causes[-1]}; see bmc_ca and bmc_fingerprint"
        return BmcRejected(message, reason=FailureReason.BMC_AUTH)
    return BmcUnavailable(f"{told} does not answer: {without_image_secret(str(causes[-1]))}")


def _of_refusal(
    told: str, refusal: Refusal, refused: FailureReason, busy: FailureReason, *, logging_in: bool
) -> BmcUnavailable | BmcRejected:
    # Some name the image that they could not fetch.
    message = f"{told} {without_image_secret(refusal.summary)}"
    if licence_in(refusal):
        return BmcRejected(f"{message}; the BMC lacks a licence for it", reason=refused)
    if is_busy(refusal):
        waits_for = busy_with(refusal)
        message = f"{message}; waiting for {waits_for or 'the BMC to be free'}"
        # Where nobody says what for, the BMC is as good as away.
        reason = refused if waits_for else busy
        return BmcBusy(message, reason=reason, retry_in_s=retry_after_s(refusal.response))
    if is_passing(refusal):
        return BmcUnavailable(message, reason=busy)
    if refusal.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
        return _of_account(message, refusal, logging_in=logging_in)
    return BmcRejected(message, reason=refused)


def _of_account(message: str, refusal: Refusal, *, logging_in: bool) -> BmcUnavailable | BmcRejected:
    is_unknown = refusal.status_code == requests.codes.unauthorized
    if is_unknown and not logging_in:
        return BmcUnavailable(f"{message} (the session has ended)")
    look_at = "the username and password of the device's credential" if is_unknown else "the account's role"
    return BmcRejected(f"{message}; look at {look_at}", reason=FailureReason.BMC_AUTH)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from, innermost last; requests and urllib3 nest in three different ways."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        places = (getattr(inner, "reason", None), inner.__cause__, *inner.args, inner.__context__)
        inner = next((place for place in places if isinstance(place, BaseException)), None)
