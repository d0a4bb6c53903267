"""What a refusal or a silence of a BMC means: try again, or give the run up and why."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from sushy import exceptions as sushy_errors

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.text import without_image_secret

_LATER_STATUS = frozenset({408, 409, 423, 425, 429})
_NOT_IMPLEMENTED = 501
# Source: DSP0268, Base message registry.
_LATER_MESSAGES = frozenset(
    {
        "CreateLimitReachedForResource",
        "ResourceInUse",
        "ServiceInUnknownState",
        "ServiceShuttingDown",
        "ServiceTemporarilyUnavailable",
        "SessionLimitExceeded",
    }
)
_READERS = frozenset({"sushy", "json", "requests", "urllib"})
_DISTRUST = ("CERTIFICATE_VERIFY_FAILED", "Fingerprints did not match")


@contextmanager
def redfish_errors(
    bmc: str,
    doing: str,
    *,
    refused: FailureReason,
    busy: FailureReason = FailureReason.BMC_UNREACHABLE,
    logging_in: bool = False,
) -> Iterator[None]:
    """Translate everything that sushy raises inside.

    Args:
        bmc: its address on record, for people.
        doing: what is being done, to stand after "to".
        refused: what a refusal means for the run.
        busy: what it means for the run when the BMC stays busy until the last try.
        logging_in: a 401 means a wrong password; later it means that the session has ended.
    """
    told = f"the BMC at {bmc}, asked to {without_image_secret(doing)},"
    try:
        yield
    except sushy_errors.ConnectionError as error:
        raise _of_connection(told, error) from error
    except sushy_errors.HTTPError as error:
        # Without its cause, which may name the image's address: rq keeps tracebacks in Redis.
        raise _of_answer(told, error, refused, busy, logging_in=logging_in) from None
    except sushy_errors.SushyError as error:
        raise BmcRejected(f"{told} cannot: {without_image_secret(str(error))}", reason=refused) from None
    except ValueError as error:  # no JSON: many BMCs answer with a page for people while they start
        raise BmcUnavailable(f"{told} gave an answer that is not Redfish", reason=busy) from error
    except (TypeError, AttributeError, LookupError, RecursionError) as error:
        if not tripped_over_an_answer(error):
            raise
        raise BmcUnavailable(f"{told} gave an answer that is not Redfish", reason=busy) from error


def tripped_over_an_answer(error: Exception) -> bool:
    """Whether it was raised by what reads the answers for us, and so by an answer: sushy checks the form of none."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _READERS


def _of_connection(told: str, error: BaseException) -> BmcUnavailable | BmcRejected:
    causes = list(_causes(error))
    if any(isinstance(cause, requests.TooManyRedirects) for cause in causes):
        message = f"{told} answered with a redirect, which is never followed; put its real address in the inventory"
        return BmcRejected(message, reason=FailureReason.BMC_UNREACHABLE)
    if any(word in str(cause) for cause in causes for word in _DISTRUST):
        message = f"{told} showed a certificate that is not trusted: {causes[-1]}; see bmc_ca and bmc_fingerprint"
        return BmcRejected(message, reason=FailureReason.BMC_AUTH)
    return BmcUnavailable(f"{told} does not answer: {causes[-1]}")


def _of_answer(
    told: str, error: sushy_errors.HTTPError, refused: FailureReason, busy: FailureReason, *, logging_in: bool
) -> BmcUnavailable | BmcRejected:
    # Some name the image that they could not fetch.
    reason = without_image_secret(str(error.detail or "without a reason"))
    message = f"{told} answered {error.status_code}: {reason}"
    if _is_later(error):
        return BmcUnavailable(message, reason=busy)
    if isinstance(error, sushy_errors.AccessError):
        is_unknown = error.status_code == requests.codes.unauthorized
        if is_unknown and not logging_in:
            return BmcUnavailable(f"{message} (the session has ended)")
        look_at = "the username and password of the device's credential" if is_unknown else "the account's role"
        return BmcRejected(f"{message}; look at {look_at}", reason=FailureReason.BMC_AUTH)
    return BmcRejected(message, reason=refused)


def _is_later(error: sushy_errors.HTTPError) -> bool:
    status = int(error.status_code)
    if status in _LATER_STATUS or (status >= 500 and status != _NOT_IMPLEMENTED):
        return True
    listed = error.extended_info if isinstance(error.extended_info, list) else [error.extended_info or {}]
    ids = [error.code, *(entry.get("MessageId") for entry in listed if isinstance(entry, dict))]
    return any(str(one).rpartition(".")[2] in _LATER_MESSAGES for one in ids)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from, innermost last; requests and urllib3 nest in three different ways."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        places = (getattr(inner, "reason", None), inner.__cause__, *inner.args, inner.__context__)
        inner = next((place for place in places if isinstance(place, BaseException)), None)
