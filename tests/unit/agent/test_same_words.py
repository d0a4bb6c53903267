"""The agent explains a TLS failure in the words of everything else."""

from pathlib import Path

from agent import tls_failures as of_the_agent
from bringup import tls_failures


def test_the_agent_has_the_same_file() -> None:
    assert Path(of_the_agent.__file__).read_bytes() == Path(tls_failures.__file__).read_bytes()
