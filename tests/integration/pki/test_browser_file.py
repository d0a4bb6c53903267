"""The file that an operator imports into a browser: ``bringup pki issue operator --p12``."""

import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from pki.names import Identity, Role, dns_names
from pki.store import Store
from tests.integration.pki.test_commands import Run, made, run

__all__ = ["made", "run"]
P12 = Path("pki/issued/operator/alice.p12")
ISSUE = ("issue", "operator", "--name", "alice", "--p12")


def password_in(output: str) -> bytes:
    found = re.search(r"shown this once: (\S+)", output)
    assert found
    return found[1].encode()


def test_a_browser_reads_key_and_certificate_with_the_printed_password(run: Run, made: Store) -> None:
    output = run(*ISSUE).output
    key, certificate, more = pkcs12.load_key_and_certificates(P12.read_bytes(), password_in(output))
    assert key
    assert certificate
    assert dns_names(certificate) == ["alice.operator.bringup.internal"]
    assert [one.subject for one in more] == [certificate.issuer]
    assert certificate == made.certificate(Identity(Role.OPERATOR, "alice"))


def test_nobody_else_reads_the_file(run: Run, made: Store) -> None:
    run(*ISSUE)
    assert stat.S_IMODE(P12.stat().st_mode) == 0o600
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_key_and_certificates(P12.read_bytes(), b"guessed")


def test_for_a_certificate_that_is_there_only_the_file_is_made(run: Run, made: Store) -> None:
    assert run(*ISSUE[:-1]).exit_code == 0
    before = made.certificate(Identity(Role.OPERATOR, "alice"))
    assert run(*ISSUE).exit_code == 0
    assert made.certificate(Identity(Role.OPERATOR, "alice")) == before


@pytest.mark.parametrize("words", [("issue", "worker", "--name", "w2", "--p12"), (*ISSUE, "--stdout")])
def test_only_people_have_browsers(run: Run, made: Store, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "--p12: only for role operator" in result.output
