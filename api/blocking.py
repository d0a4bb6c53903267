"""Calls that block outside of sockets, such as fsync: in the event loop they would hold up every other request."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import gevent
from gevent import monkey

_Result = TypeVar("_Result")


def in_a_thread(call: Callable[[], _Result]) -> _Result:
    """What ``call`` returns, or raises; the other requests of this process go on meanwhile.

    Args:
        call: may use nothing that gevent has patched: no lock, no socket, no sleep.
    """
    if not monkey.is_module_patched("socket"):
        return call()  # no event loop serves here, as in a command that is not `bringup api`
    outcome: _Result | Exception = gevent.get_hub().threadpool.apply(partial(_caught, call))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _caught(call: Callable[[], _Result]) -> _Result | Exception:
    """Errors are handed on: gevent would print those of its threads."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - raised again where it belongs
        return error
