"""Requests to BMCs are counted by how long they took, and each is reported once."""

from bringup.wire.bmc import BMC_BOUNDS_S
from workers.bmc_latency import BmcLatency


def test_where_nothing_was_sent_nothing_is_reported() -> None:
    assert BmcLatency().report() is None


def test_each_request_is_in_the_first_bound_that_it_does_not_exceed() -> None:
    latency = BmcLatency()
    for seconds in (0.0, 0.05, 0.06, 60.0, 61.0):
        latency.count(seconds)
    report = latency.report()
    assert report is not None
    assert (report.counts[0], report.counts[1], report.counts[-2], report.counts[-1]) == (2, 1, 1, 1)
    assert (sum(report.counts), len(report.counts)) == (5, len(BMC_BOUNDS_S) + 1)
    assert report.sum_s == 121.11


def test_a_report_that_was_not_posted_is_the_same_the_next_time_and_what_comes_meanwhile_is_in_the_one_after() -> None:
    latency = BmcLatency()
    latency.count(1)
    first = latency.report()
    latency.count(2)
    assert latency.report() == first
    latency.reported()
    second = latency.report()
    assert second is not None
    assert first is not None
    assert second.id != first.id
    assert sum(second.counts) == 1
    latency.reported()
    assert latency.report() is None
