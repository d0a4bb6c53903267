"""The passphrase of the CA key, typed at a real terminal."""

import codecs
import os
import pty
import select
import sys
import time
from pathlib import Path

from pki.authority import is_encrypted
from tests.integration.pki.forked import ENVIRONMENT

WORD = "correct horse"


def type_in(folder: Path, words: str, *answers: str) -> tuple[int, str]:
    """Run a command at a terminal of its own; each answer is typed when a question ends in a colon."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, "-m", "bringup", "pki", *words.split()], ENVIRONMENT)  # noqa: S606
    shown, waiting = "", list(answers)
    decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end in the middle of a character
    asked = 0
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and (part := _read(terminal, deadline)):
        shown += decoder.decode(part)
        if waiting and shown[asked:].rstrip().endswith(":"):
            asked = len(shown)
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def _read(terminal: int, deadline: float) -> bytes:
    select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
    try:
        return os.read(terminal, 4096)
    except OSError:  # the error of Linux when the other side has closed its terminal
        return b""


def test_a_passphrase_is_asked_twice_for_a_new_key_and_never_shown(tmp_path: Path) -> None:
    code, shown = type_in(tmp_path, "setup --encrypt-ca-key", WORD, WORD)
    assert code == 0, shown
    assert shown.count("Passphrase") == 1
    assert "Repeat for confirmation" in shown
    assert WORD not in shown
    assert is_encrypted((tmp_path / "pki" / "ca" / "ca-key.pem").read_bytes())

    code, shown = type_in(tmp_path, "issue run --name r1", WORD)
    assert code == 0, shown
    assert WORD not in shown

    code, shown = type_in(tmp_path, "issue run --name r2", "wrong")
    assert code == 2
    assert "the passphrase is wrong" in shown

    code, shown = type_in(tmp_path, "verify")
    assert code == 0, "what signs nothing asks for nothing"
