"""The certificate of one run, made by the operator's command: no service holds the CA's key, or knows how to use it."""

import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bringup import errors, model, text

# Seconds. A CA may be across a network; the request of the worker, and one of its slots, wait meanwhile.
TIMEOUT_S = 20
# Characters of its error output that are logged: the last lines have the reason.
_LONGEST_COMPLAINT = 500
# The area of an image holds a quarter of this.
_MOST_BYTES = 256 * 1024
# PEM by RFC 7468 s.5 and s.10; the command may print other text around it.
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----.+?-----END ([A-Z]+ )?PRIVATE KEY-----", re.DOTALL)
# A pipe of Linux holds so much: pipe(7).
_PIECE_BYTES = 64 * 1024


class NoRunCertificate(errors.BringupError):
    """The command made no usable certificate; with the reason, and never a key."""


class TooMuchOutput(errors.BringupError):
    """It prints more than was asked for."""


@dataclass(frozen=True)
class RunCertificate:
    """What a machine presents where API_REQUIRE_CLIENT_CERT=true, in PEM."""

    certificate: str
    key: str = field(repr=False)


def run_identity(run_id: str) -> str:
    """The name in the certificate of a run: docs/PKI.md, 'More identities'."""
    return f"{run_id}.run.bringup.internal"


def check_command(command: str) -> None:
    """Find a misspelt program, or a PATH without it, before the first machine waits for its certificate.

    Raises:
        SettingsError: there is no such program.
    """
    program = shlex.split(command)[0]
    if shutil.which(program) is None:
        raise errors.SettingsError(
            [f"RUN_CERTIFICATE_COMMAND: {program} is no program on the API's PATH; give its full path"]
        )


def make_run_certificate(command: str, run_id: str) -> RunCertificate:
    """What ``command`` prints for a run: a certificate and its key.

    Args:
        command: RUN_CERTIFICATE_COMMAND; no shell sees it.

    Raises:
        NoRunCertificate: it failed, took more than `TIMEOUT_S` seconds, or printed what would not do.
    """
    if not re.fullmatch(model.RUN_ID, run_id):
        raise NoRunCertificate("this is no run id")
    printed = _run([word.replace("{name}", run_id) for word in shlex.split(command)])
    certificate, key = _CERTIFICATE.search(printed), _KEY.search(printed)
    if not certificate or not key:
        raise NoRunCertificate("it did not print a certificate and a key in PEM")
    _check(certificate[0], key[0], run_identity(run_id))
    return RunCertificate(f"{certificate[0].decode()}\n", f"{key[0].decode()}\n")


def _run(words: list[str]) -> bytes:
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, and a run id of a strict form
            words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise NoRunCertificate(f"{words[0]} cannot be run: {error.strerror}") from None
    with process:
        try:
            out, err = _outputs(process, TIMEOUT_S, _MOST_BYTES)
            process.wait(TIMEOUT_S)
        except (TimeoutError, subprocess.TimeoutExpired, TooMuchOutput) as error:
            os.killpg(process.pid, signal.SIGKILL)  # with all that it has started, or its pipes stay open
            too_much = isinstance(error, TooMuchOutput)
            fault = f"it printed more than {_MOST_BYTES} bytes" if too_much else f"it did not end within {TIMEOUT_S} s"
            raise NoRunCertificate(fault) from None
    if process.returncode:
        raise NoRunCertificate(f"it ended with status {process.returncode}: {_complaint(err)}")
    return out


def _outputs(process: subprocess.Popen[bytes], longest_s: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Standard and error output of ``process``, to their end: within limits, for the API must outlive it.

    Raises:
        TimeoutError: the end has not come in time.
        TooMuchOutput: one of them is longer than ``most_bytes``.
    """
    deadline = time.monotonic() + longest_s
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, found in ((process.stdout, out), (process.stderr, err)):
            pipes.register(pipe, selectors.EVENT_READ, found)  # type: ignore[arg-type] # both are pipes
        while pipes.get_map():
            if time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in pipes.select(deadline - time.monotonic()):
                _read(pipes, key, most_bytes)
    return bytes(out), bytes(err)


def _read(pipes: selectors.BaseSelector, key: selectors.SelectorKey, most_bytes: int) -> None:
    piece = os.read(key.fd, _PIECE_BYTES)
    key.data.extend(piece)
    if len(key.data) > most_bytes:
        raise TooMuchOutput
    if not piece:
        pipes.unregister(key.fileobj)


def _complaint(err: bytes) -> str:
    if b"PRIVATE KEY" in err:
        return "(its error output holds a key and is not shown)"
    return text.printable(err.decode(errors="replace").strip()[-_LONGEST_COMPLAINT:]) or "(it printed no reason)"


def _check(certificate_pem: bytes, key_pem: bytes, name: str) -> None:
    """Without this a machine would get what the API refuses when it calls back.

    Raises:
        NoRunCertificate: the certificate does not fit the key, the run or the time.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        fits = certificate.public_key() == load_pem_private_key(key_pem, password=None).public_key()
        sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise NoRunCertificate(f"what it printed cannot be read: {type(error).__name__}") from None
    if not fits:
        raise NoRunCertificate("the certificate that it printed is for another key")
    if name not in sans.get_values_for_type(x509.DNSName):
        raise NoRunCertificate(f"the certificate that it printed is not for {name}")
    if not certificate.not_valid_before_utc <= model.utc_now() < certificate.not_valid_after_utc:
        raise NoRunCertificate("the certificate that it printed is not valid now")
