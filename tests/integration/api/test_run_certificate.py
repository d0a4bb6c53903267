"""The command that makes a run's certificate: real processes, good and bad, and what is told of each."""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.images import run_certificate
from api.images.run_certificate import NoRunCertificate, check_command, make_run_certificate, run_identity
from bringup.errors import SettingsError
from pki.issue import issue_ephemeral
from pki.names import Identity, Role
from tests.integration.workers.site import eventually
from tests.unit.pki import kit

RUN = "02-00-00-00-00-01-1795426896"
KEY = b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What `bringup pki issue run --stdout` prints."""
    now = datetime.now(UTC)
    store = kit.init_pki(tmp_path_factory.mktemp("ca") / "pki", now)
    with kit.open_session(store, now, days=1) as session:
        return issue_ephemeral(session, Identity(Role.RUN, RUN))


def printing(folder: Path, out: bytes, err: bytes = b"", status: int = 0) -> str:
    """A command that says all this, whatever its name is."""
    (folder / "out").write_bytes(out)
    (folder / "err").write_bytes(err)
    script = f"cat {folder}/out; cat {folder}/err >&2; exit {status} # $0"
    return f"sh -c {shlex.quote(script)} {{name}}"


def refusal(command: str, run_id: str = RUN) -> str:
    with pytest.raises(NoRunCertificate) as caught:
        make_run_certificate(command, run_id)
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_what_the_command_prints_is_taken_whatever_stands_around_it(issued: bytes, tmp_path: Path) -> None:
    made = make_run_certificate(printing(tmp_path, b"Welcome to the CA\n" + issued + b"bye\n"), RUN)
    assert made.certificate.encode() + made.key.encode() == issued
    assert "PRIVATE" not in repr(made)


def test_the_run_id_takes_its_place_in_the_command_and_no_shell_sees_it(issued: bytes, tmp_path: Path) -> None:
    (tmp_path / RUN).write_bytes(issued)
    assert make_run_certificate(f"cat {tmp_path}/{{name}}", RUN).key
    assert "status 1" in refusal(f"cat {tmp_path}/{{name}} ; true")


@pytest.mark.parametrize("run_id", ["x", "", f"{RUN};id", f"{RUN}\n", "$(id)"])
def test_what_is_no_run_id_reaches_no_command(tmp_path: Path, run_id: str) -> None:
    assert refusal(f"touch {tmp_path}/reached {{name}}", run_id) == "this is no run id"
    assert not (tmp_path / "reached").exists()


def test_a_command_that_fails_is_quoted_escaped_and_shortened(tmp_path: Path) -> None:
    told = refusal(printing(tmp_path, b"", b"x" * 2000 + b"\n\x1b[31mthe CA is locked\n", status=3))
    assert told.startswith("it ended with status 3: x")
    assert told.endswith("\\n\\x1b[31mthe CA is locked")
    assert len(told) < 600


def test_a_key_on_its_error_output_is_not_shown(tmp_path: Path) -> None:
    assert "is not shown" in refusal(printing(tmp_path, b"", KEY, status=1))


def test_a_program_that_is_not_there_is_told_before_any_machine_waits_for_it() -> None:
    check_command("cat {name}")
    with pytest.raises(SettingsError, match="RUN_CERTIFICATE_COMMAND: no-such-program is no program on"):
        check_command("no-such-program {name}")


def test_a_program_that_is_not_there_is_named() -> None:
    assert refusal("/nonexistent/ca {name}") == "/nonexistent/ca cannot be run: No such file or directory"


@pytest.mark.parametrize("lacks", [b"", KEY, b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_output_without_both_is_refused(tmp_path: Path, lacks: bytes) -> None:
    assert refusal(printing(tmp_path, lacks)) == "it did not print a certificate and a key in PEM"


def test_output_that_only_looks_like_both_is_refused(tmp_path: Path) -> None:
    both = b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n" + KEY
    assert "cannot be read" in refusal(printing(tmp_path, both))


@pytest.mark.parametrize("stream", [1, 2])
def test_a_command_that_does_not_stop_talking_is_ended(stream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_certificate, "TIMEOUT_S", 3600)  # not only by its time
    assert "printed more than 262144 bytes" in refusal(f"sh -c 'cat /dev/zero >&{stream}' {{name}}")


def test_a_certificate_that_has_expired_is_refused(tmp_path: Path) -> None:
    then = datetime.now(UTC) - timedelta(days=9)
    store = kit.init_pki(tmp_path / "pki", then)
    with kit.open_session(store, then, days=1) as session:
        expired = issue_ephemeral(session, Identity(Role.RUN, RUN))
    assert refusal(printing(tmp_path, expired)) == "the certificate that it printed is not valid now"


def test_the_certificate_of_another_run_is_refused(issued: bytes, tmp_path: Path) -> None:
    told = refusal(printing(tmp_path, issued), "02-00-00-00-00-01-1")
    assert told == f"the certificate that it printed is not for {run_identity('02-00-00-00-00-01-1')}"


def test_a_key_of_another_certificate_is_refused(issued: bytes, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    store = kit.init_pki(tmp_path / "pki", now)
    with kit.open_session(store, now) as session:
        other = issue_ephemeral(session, Identity(Role.RUN, RUN))
    mixed = issued.partition(b"-----BEGIN PRIVATE KEY")[0] + b"".join(other.partition(b"-----BEGIN PRIVATE KEY")[1:])
    assert refusal(printing(tmp_path, mixed)) == "the certificate that it printed is for another key"


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_certificate, "TIMEOUT_S", 3)
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    assert refusal(f"sh -c {shlex.quote(script)} {{name}}") == "it did not end within 3 s"
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not _is_running(child), 60, "what it has started has ended")


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
