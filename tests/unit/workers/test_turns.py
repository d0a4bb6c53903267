"""How the threads of a process are shared out: each kind keeps some, and the others help wherever jobs are."""

import threading
from contextlib import suppress

import pytest

from bringup.model import JobKind
from workers.turns import Turn, Turns, reserved_of

CONCURRENCIES = [4, 5, 7, 8, 16, 33, 256]
JOIN_S = 60


def storm(turns: Turns, kind: JobKind) -> list[Turn]:
    """As many jobs of one kind as get a thread; of the other kinds none comes."""
    listeners, executing = [], []
    while turn := turns._next():
        if turn.kind is kind:
            turn.took_job()
            executing.append(turn)
        else:
            listeners.append(turn)
    for idle in listeners:
        turns._end(idle)
    return executing


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_every_kind_has_a_thread_of_its_own_and_no_thread_is_wasted(concurrency: int) -> None:
    reserved = reserved_of(concurrency)
    assert set(reserved) == set(JobKind)
    assert min(reserved.values()) >= 1
    turns = Turns(concurrency, reserved)
    got = {kind: len(storm(turns, kind)) for kind in JobKind}
    assert sum(got.values()) == concurrency


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.parametrize("kind", list(JobKind))
def test_a_storm_of_one_kind_gets_all_threads_but_those_reserved_for_the_others(
    kind: JobKind, concurrency: int
) -> None:
    reserved = reserved_of(concurrency)
    turns = Turns(concurrency, reserved)
    assert len(storm(turns, kind)) == concurrency - sum(reserved.values()) + reserved[kind]
    for other in set(JobKind) - {kind}:
        assert len(storm(turns, other)) == reserved[other], "its own threads, and no more"


def test_of_each_queue_one_thread_listens() -> None:
    turns = Turns(16, reserved_of(16))
    listeners = []
    while turn := turns._next():
        listeners.append(turn.kind)
    assert sorted(listeners) == sorted(JobKind)


def test_a_listener_that_took_a_job_makes_room_for_the_next_one() -> None:
    turns = Turns(16, reserved_of(16))
    first = [turns._next() for _ in JobKind]
    assert turns._next() is None
    assert first[0]
    first[0].took_job()
    second = turns._next()
    assert second
    assert second.kind is first[0].kind
    turns._end(first[0])
    assert turns._next() is None, "the second one still listens"


def test_a_kind_without_a_thread_comes_before_one_that_has_some() -> None:
    turns = Turns(4, reserved_of(4))
    taken = [turns._next() for _ in JobKind]
    for turn in taken:
        assert turn
        turn.took_job()
    assert turns._next() is None
    turns._end(taken[2])
    again = turns._next()
    assert again
    assert taken[2]
    assert again.kind is taken[2].kind


@pytest.mark.parametrize("lacking", JobKind)
def test_whichever_kind_lacks_a_thread_gets_the_next_one(lacking: JobKind) -> None:
    turns = Turns(16, reserved_of(16))
    for kind in JobKind:
        turns._used[kind] = 0 if kind is lacking else reserved_of(16)[kind]
    turn = turns._next()
    assert turn
    assert turn.kind is lacking


def test_a_thread_waits_until_another_one_took_a_job() -> None:
    turns = Turns(5, reserved_of(5))
    listeners = [turns._next() for _ in JobKind]
    got: list[JobKind] = []

    def take() -> None:
        with turns.take() as turn:
            assert turn
            got.append(turn.kind)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    assert listeners[1]
    listeners[1].took_job()
    thread.join(JOIN_S)
    assert got == [listeners[1].kind]


def test_a_thread_that_fails_gives_its_turn_to_one_that_waits() -> None:
    turns = Turns(5, reserved_of(5))
    listeners = [turns._next() for _ in list(JobKind)[:-1]]
    waits, entered = threading.Event(), threading.Event()
    got: list[JobKind] = []

    def fail() -> None:
        with suppress(ConnectionError), turns.take():
            entered.set()
            assert waits.wait(JOIN_S)
            raise ConnectionError

    def take() -> None:
        waits.set()
        with turns.take() as turn:
            assert turn
            got.append(turn.kind)

    threads = [threading.Thread(target=fail, daemon=True)]
    threads[0].start()
    assert entered.wait(JOIN_S)
    threads.append(threading.Thread(target=take, daemon=True))
    threads[1].start()
    for thread in threads:
        thread.join(JOIN_S)
    assert got == [list(JobKind)[-1]]
    assert len(listeners) == 3


def test_close_ends_every_wait() -> None:
    turns = Turns(4, reserved_of(4))
    for _ in JobKind:
        turns._next()
    got: list[Turn | None] = []

    def take() -> None:
        with turns.take() as turn:
            got.append(turn)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    turns.close()
    for thread in threads:
        thread.join(JOIN_S)
    assert got == [None, None, None]


def test_the_last_idle_thread_listens_to_each_kind_in_turn() -> None:
    turns = Turns(len(JobKind) + 1, dict.fromkeys(JobKind, 1))
    for _ in JobKind:
        busy = turns._next()
        assert busy
        busy.took_job()
    listened = []
    for _ in JobKind:
        idle = turns._next()
        assert idle
        listened.append(idle.kind)
        turns._end(idle)
    assert sorted(listened) == sorted(JobKind)
