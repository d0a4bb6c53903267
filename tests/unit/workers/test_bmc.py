"""Which medium counts as ours."""

import hashlib

import pytest

from workers.bmc import OwnMedia

SECRET = "q7nq1LJXyQWmVbSnVh3kAQd6mYyYHkJ0Zs8mL2o3x9E"
OTHER = "AAAA1LJXyQWmVbSnVh3kAQd6mYyYHkJ0Zs8mL2o3x9E"
OWN = OwnMedia("02-00-00-00-00-01-1", frozenset({hashlib.sha256(SECRET.encode()).hexdigest()}))


@pytest.mark.parametrize(
    ("shown", "is_ours"),
    [
        (f"https://images.example/images/{SECRET}/bringup-validation.iso", True),
        ("bringup-validation.iso", True),
        (f"https://images.example/images/{OTHER}/bringup-validation.iso", False),
        ("https://mirror.example/bringup-validation.iso", False),
        ("//10.0.0.9/share/bringup-validation.iso", False),
        ("C:\\iso\\bringup-validation.iso", False),
        ("", False),
    ],
)
def test_only_our_secret_or_the_bare_name_makes_a_medium_ours(shown: str, *, is_ours: bool) -> None:
    assert OWN.owns(shown) is is_ours


def test_a_machine_that_was_given_no_image_has_none_of_ours() -> None:
    assert not OwnMedia("02-00-00-00-00-01-1").owns("bringup-validation.iso")
