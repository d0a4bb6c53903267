"""How a refusal is proven: between two controls, which must be accepted.

Without them a server that is down, or refuses every client, would look safe. A refusal whose controls fail, or that
is no more than silence, is inconclusive, and an inconclusive check never passes.
"""

from collections.abc import Callable
from pathlib import Path

from bringup.openssl_errors import unusable
from bringup.tls_failures import OUR_OWN_LIMIT, SILENCE
from pki.check import Finding, fail, info, ok, skip
from pki.errors import PkiError
from selftest import bad_certificates, case, probe
from selftest.target_installation import TargetInstallation, TlsServer

Pretend = Callable[[TargetInstallation, probe.TlsCredentials], probe.TlsContext]
NOT_ASKED = info("not asked: its TLS flag is off")


def must_refuse(server_of: case.ServerOf, pretend: Pretend) -> case.Ask:
    """The check that a server refuses a client with the context of ``pretend``."""

    def check(target: TargetInstallation) -> Finding:
        server = server_of(target)
        if not server.use_tls:
            return NOT_ASKED
        try:
            context = pretend(target, server.identity)
        except bad_certificates.NoCaKey as error:
            if target.settings.roles:
                return info("needs the CA's key to make a bad certificate: the CA's host asks this")
            return skip(
                f"needs the CA key to make a bad certificate: {error}",
                hint="run `bringup selftest` on the host of the CA",
            )
        except (PkiError, OSError) as error:
            return skip(f"inconclusive: {unusable(error)}", hint="bringup pki verify")
        return between_controls(server, lambda: server.secured(context))

    return check


def must_refuse_plain_text(server_of: case.ServerOf) -> case.Ask:
    """The check that plain text on a server's TLS port gets no answer."""

    def check(target: TargetInstallation) -> Finding:
        server = server_of(target)
        return between_controls(server, server.plain) if server.use_tls else NOT_ASKED

    return check


def between_controls(server: TlsServer, attempt: Callable[[], probe.Answer], *, hint: str = "") -> Finding:
    """What an attempt showed that must be refused.

    Args:
        attempt: the connection that must be refused.
        hint: what to do if it was accepted; default: what makes the server follow its settings.
    """
    before = _control(server)
    answer = attempt()
    after = _control(server)
    if answer.accepted and not _is_refusal(answer):
        return fail(f"accepted: {answer.first_line}", expected="refused", hint=hint or server.hint)
    refused = next((one for one in (before, after) if not one.accepted), None)
    if refused:
        reason = f"inconclusive: our own good certificate was refused, too ({refused.first_line})"
        return skip(reason, hint=server.see)
    if answer.text in {SILENCE, OUR_OWN_LIMIT}:
        return skip(f"inconclusive: {answer.text}", hint="try a longer --timeout")
    return ok(f"refused: {answer.first_line}")


def no_certificate(_target: TargetInstallation, identity: probe.TlsCredentials) -> probe.TlsContext:
    """A client that trusts our CA and has no certificate."""
    return probe.verifying_context(probe.TlsCredentials(identity.ca))


def presenting(make: Callable[[bad_certificates.BadCertificates], tuple[Path, Path]]) -> Pretend:
    """A client that presents the certificate and key that ``make`` makes."""
    return lambda target, identity: probe.verifying_context(
        probe.TlsCredentials(identity.ca, *make(target.bad_certificates))
    )


def api_request(target: TargetInstallation, call: str, token: str | None = None) -> bytes:
    """A request to the API, without a body.

    Args:
        call: method and path.
        token: instead of ours.
    """
    own = target.settings.api_token
    bearer = token if token is not None else own.get_secret_value() if own else ""
    lines = (f"{call} HTTP/1.1", f"Host: {target.api.address[0]}", f"Authorization: Bearer {bearer}")
    return "\r\n".join((*lines, "Content-Length: 0", "Connection: close", "", "")).encode()


def _control(server: TlsServer) -> probe.Answer:
    """What we get with our own certificate, as a service would."""
    try:
        context = probe.verifying_context(server.identity)
        return server.endpoint.secured(context, server.request, listen_s=0)
    except OSError as error:
        return probe.Answer(accepted=False, text=unusable(error))


def _is_refusal(answer: probe.Answer) -> bool:
    """HTTP servers may report in plain text that they want TLS."""
    return answer.text.startswith(("HTTP/1.1 400", "HTTP/1.1 403"))
