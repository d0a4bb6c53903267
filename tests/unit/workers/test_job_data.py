"""How much of a job's data is read, and what of a job is read at all."""

import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, cast

import pytest
from rq.serializers import JSONSerializer

from bringup.errors import JobRefused
from bringup.settings import Settings
from workers.job import AllowedJob, job_class

if TYPE_CHECKING:
    from redis import Redis

_NOWHERE = cast("Redis", object())  # no test here may reach a Redis
LARGEST = 256 * 1024
HEAD, TAIL = b'["workers.jobs.discover", null, [], {"lease": "', b'"}]'


def data(size: int) -> bytes:
    """JSON of a job, of so many bytes."""
    return HEAD + b" " * (size - len(HEAD) - len(TAIL)) + TAIL


def restored(settings: Settings, **fields: bytes) -> AllowedJob:
    job = job_class(settings, {})("a-job", connection=_NOWHERE, serializer=JSONSerializer)
    job.restore({name.encode(): value for name, value in fields.items()})
    return job


@pytest.mark.parametrize("pack", [bytes, zlib.compress])
def test_data_is_read_up_to_its_bound_packed_or_not(fast_settings: Settings, pack: "type[bytes]") -> None:
    assert restored(fast_settings, data=pack(data(LARGEST))).func_name == "workers.jobs.discover"
    with pytest.raises(JobRefused, match="larger than"):
        restored(fast_settings, data=pack(data(LARGEST + 1)))


def test_no_field_is_read_that_no_job_of_ours_has(fast_settings: Settings) -> None:
    bad = json.dumps("os.system").encode()
    job = restored(fast_settings, data=data(100), success_callback_name=bad, retries_left=b"5", exc_info=b"x")
    assert (job._success_callback_name, job.retries_left) == (None, None)


def test_a_job_with_an_instance_or_positional_arguments_is_refused(fast_settings: Settings) -> None:
    kind = job_class(fast_settings, {"f": lambda _task: None})
    job = kind.create("f", args=("x",), id="a-job", serializer=JSONSerializer, connection=_NOWHERE)
    with pytest.raises(JobRefused, match="carries arguments"):
        job.perform()
    job = kind.create("f", id="a-job", serializer=JSONSerializer, connection=_NOWHERE)
    job._instance = "x"
    with pytest.raises(JobRefused, match="allow-list"):
        job.perform()


def test_a_bomb_is_not_unpacked_beyond_the_bound(fast_settings: Settings) -> None:
    bomb = zlib.compress(bytes(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(JobRefused, match="larger than"):
            restored(fast_settings, data=bomb)
        assert tracemalloc.get_traced_memory()[1] < 16 * LARGEST
    finally:
        tracemalloc.stop()
