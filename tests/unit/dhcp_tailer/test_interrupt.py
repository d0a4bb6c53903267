"""Stopping, and waiting for Redis."""

import os
import signal

import pytest

from bringup.errors import RedisUnavailable
from bringup.outages import Outages
from dhcp_tailer.retry import Interrupted, Retry, Stop, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_stop_and_interrupts_nothing(number: signal.Signals) -> None:
    with stop_on_signals() as stop, stop.interruptible():
        os.kill(os.getpid(), number)
        assert stop.requested


def test_a_call_that_goes_on_after_the_grace_is_interrupted() -> None:
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        with pytest.raises(Interrupted), stop.interruptible():
            os.kill(os.getpid(), signal.SIGALRM)  # as the timer does


def test_nothing_is_interrupted_where_it_would_harm() -> None:
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGALRM)
        assert stop.requested


def test_signals_mean_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_ends_the_wait_for_redis_within_a_twentieth_of_a_second() -> None:
    stop = Stop()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stop.request()

    def away() -> None:
        raise RedisUnavailable("gone")

    with pytest.raises(Interrupted):
        Retry(stop, away, Outages("tests"), sleep=sleep).call_with_retry(away)
    assert slept == [0.05]
