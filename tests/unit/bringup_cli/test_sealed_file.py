"""A sealed file on a host that is busy for a moment: age measures how fast it is, and may refuse a good file."""

import pyrage
import pytest

from bringup.errors import BringupError
from bringup_cli import sealed_file


class Age:
    """Refuses a number of times, then opens."""

    def __init__(self, patch: pytest.MonkeyPatch, why: str, refusals: int) -> None:
        self.tries = 0
        self._why, self._refusals = why, refusals
        patch.setattr(sealed_file, "_PAUSE_S", 0)
        patch.setattr(pyrage.passphrase, "decrypt", self._decrypt)

    def unseal(self) -> bytes:
        return sealed_file.unseal(b"a file", "a passphrase", refusal=BringupError, instead="make it again")

    def _decrypt(self, _data: bytes, _passphrase: str) -> bytes:
        self.tries += 1
        if self.tries <= self._refusals:
            raise pyrage.DecryptError(self._why)
        return b"what is in it"


def test_a_file_that_was_too_much_work_for_a_moment_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    age = Age(monkeypatch, "Excessive work parameter for passphrase.\nmore", refusals=2)
    assert age.unseal() == b"what is in it"


def test_a_file_that_stays_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    age = Age(monkeypatch, "Excessive work parameter for passphrase.", refusals=1000)
    with pytest.raises(BringupError, match="too slow or too busy"):
        age.unseal()
    assert age.tries == 5


def test_a_wrong_passphrase_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    age = Age(monkeypatch, "Decryption failed", refusals=1000)
    with pytest.raises(BringupError, match="the passphrase is wrong"):
        age.unseal()
    assert age.tries == 1


def test_a_file_of_more_work_than_any_host_can_do_is_refused_each_time_and_never_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealed_file, "_PAUSE_S", 0)
    bomb = b"age-encryption.org/v1\n-> scrypt " + b"A" * 22 + b" 40\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n"
    with pytest.raises(BringupError, match="Excessive work"):
        sealed_file.unseal(bomb + bytes(32), "a passphrase", refusal=BringupError, instead="make it again")
