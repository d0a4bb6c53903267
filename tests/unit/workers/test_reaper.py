"""What seems lost, and when it counts as lost."""

from workers.reaper import Suspects


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_looks_lost_is_acted_upon_only_when_it_keeps_looking_so() -> None:
    clock = Clock()
    suspects = Suspects(4, clock)
    assert suspects.confirmed(["a"]) == []
    clock.now += 3.9
    assert suspects.confirmed(["a", "b"]) == []
    clock.now += 0.2
    assert suspects.confirmed(["a", "b"]) == ["a"]


def test_what_was_seen_well_in_between_is_suspected_anew() -> None:
    clock = Clock()
    suspects = Suspects(4, clock)
    suspects.confirmed(["a"])
    clock.now += 3
    suspects.confirmed([])
    clock.now += 3
    assert suspects.confirmed(["a"]) == []


def test_after_an_error_nothing_seen_before_it_counts() -> None:
    clock = Clock()
    suspects = Suspects(4, clock)
    suspects.confirmed(["a"])
    suspects.clear()
    clock.now += 60
    assert suspects.confirmed(["a"]) == []
