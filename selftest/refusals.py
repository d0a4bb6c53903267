"""How a refusal is proven: it stands between two controls that must be accepted.

Without them a server that is down, or refuses everybody, would look safe. A refusal whose controls fail, or that
is no more than silence, is inconclusive, and inconclusive is never a pass.
"""

from collections.abc import Callable

from pki.errors import PkiError
from selftest.bad_certificates import NoCaKey
from selftest.check import Finding, fail, info, ok, skip
from selftest.explain import OUR_OWN_LIMIT, SILENCE, unusable
from selftest.probe import Answer, Identity, TlsContext, trusting
from selftest.server_target import Target
from selftest.target_installation import Subject

Ask = Callable[[Subject], Finding]
Pretend = Callable[[Subject, Identity], TlsContext]
NOT_ASKED = info("not asked: its TLS flag is off")


def must_refuse(target: Target, pretend: Pretend) -> Ask:
    """The check that ``target`` refuses who comes with the context of ``pretend``."""

    def check(subject: Subject) -> Finding:
        if not target.promised(subject):
            return NOT_ASKED
        try:
            context = pretend(subject, target.identity(subject))
        except NoCaKey as error:
            return skip(f"needs the CA key to forge a certificate: {error}", mend="run it on the host of the CA")
        except (PkiError, OSError) as error:
            return skip(f"inconclusive: {unusable(error)}", mend="bringup pki verify")
        return between_controls(
            subject, target, lambda: target.endpoint(subject).secured(context, target.request(subject))
        )

    return check


def plain_text_on(target: Target) -> Ask:
    """The check that plain text on the TLS port of ``target`` gets no answer."""

    def check(subject: Subject) -> Finding:
        if not target.promised(subject):
            return NOT_ASKED
        return between_controls(subject, target, lambda: target.endpoint(subject).plain(target.request(subject)))

    return check


def between_controls(subject: Subject, target: Target, attempt: Callable[[], Answer], *, mend: str = "") -> Finding:
    """What an attempt showed that must be refused. ``mend``: if it was not."""
    before = _control(subject, target)
    answer = attempt()
    after = _control(subject, target)
    if answer.accepted and not _is_refusal(answer):
        return fail(f"accepted: {answer.first_line}", expected="refused", mend=mend or target.mend)
    refused = next((one for one in (before, after) if not one.accepted), None)
    if refused:
        why = f"inconclusive: our own good certificate was refused, too ({refused.first_line})"
        return skip(why, mend=target.see)
    if answer.said in {SILENCE, OUR_OWN_LIMIT}:
        return skip(f"inconclusive: {answer.said}", mend="try a longer --timeout")
    return ok(f"refused: {answer.first_line}")


def _control(subject: Subject, target: Target) -> Answer:
    """What we get with our own certificate, as a service would."""
    try:
        context = trusting(target.identity(subject))
        return target.endpoint(subject).secured(context, target.request(subject), listen_s=0)
    except OSError as error:
        return Answer(accepted=False, said=unusable(error))


def _is_refusal(answer: Answer) -> bool:
    """HTTP servers may say in plain text that they want TLS."""
    return answer.said.startswith(("HTTP/1.1 400", "HTTP/1.1 403"))
