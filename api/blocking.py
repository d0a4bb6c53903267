"""Waiting without delaying others: for a disk in a thread, for time to pass without a work slot."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

import gevent
from flask import has_request_context, request
from gevent import monkey

from bringup.serving.work_slots import SLOT_GIVEN_BACK

_Result = TypeVar("_Result")


def in_a_thread(call: Callable[[], _Result]) -> _Result:
    """What ``call`` returns, or raises; the other requests of this process go on meanwhile.

    For what blocks outside of sockets, such as fsync: in the event loop it would hold up every other request.

    Args:
        call: may use nothing that gevent has patched: no lock, no socket, no sleep.
    """
    if not monkey.is_module_patched("socket"):
        return call()  # no event loop serves here, as in a command that is not `bringup api`
    outcome: _Result | Exception = gevent.get_hub().threadpool.apply(partial(_caught, call))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def slot_given_back() -> AbstractContextManager[None]:
    """Give the work slot of the present request back, while it only waits and holds no connection to Redis."""
    given_back = request.environ.get(SLOT_GIVEN_BACK) if has_request_context() else None
    return given_back() if given_back else nullcontext()


def _caught(call: Callable[[], _Result]) -> _Result | Exception:
    """Errors are returned: gevent would print those of its threads."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - raised again where it belongs
        return error
