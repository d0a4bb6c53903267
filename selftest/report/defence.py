"""Layers of defence, and threats: what of each was seen to hold in this run, by the ids of the checks.

Nothing is assumed: a row without a check that has passed in this run reads "not seen".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pki.check import Status
from selftest.case import CaseResult
from selftest.report.markup import table

# The worst first. A skip is no proof: a check that ran elsewhere, or waits for another one, shows nothing here.
_OPEN = {
    Status.FAIL: "DOES NOT HOLD",
    Status.WARN: "not as production needs it",
    Status.SKIP: "not proven here",
}


@dataclass(frozen=True)
class Claim:
    """What must hold, and the checks that see it: by the beginnings of their ids, as --only takes them."""

    about: str
    holds: str
    seen_by: tuple[str, ...]


_BAD_CERTIFICATES = ("no-certificate", "foreign-ca", "expired", "not-yet-valid", "wrong-purpose", "revoked")
LAYERS = (
    Claim("network", "no way in beside the port with TLS", ("1k", "3d", "7.redis.plain", "7.api.plain", "7.images")),
    Claim("encryption", "TLS 1.2 or later on every connection", ("1b", "2b", "3b", "7.redis.old", "7.api.old")),
    Claim("identity of servers", "our CA, the right name, a valid certificate", ("2b", "3b", "4", "5", "6")),
    Claim(
        "identity of clients",
        "only a valid client certificate of our CA gets in",
        ("1j", *(f"7.{server}.{case}" for server in ("redis", "api") for case in _BAD_CERTIFICATES)),
    ),
    Claim("password or token", "besides the certificate, for every call", ("1a", "1g", "1i", "7.api.wrong-token")),
    Claim(
        "secrets", "only their owners read them, and nobody guesses them", ("host.files", "host.secrets", "host.git")
    ),
    Claim("rights", "each role can do its work, and no more", ("1h", "2", "3a", "3b", "7.api.roles")),
    Claim("data", "a restart or a failover loses nothing that was acknowledged", ("1c", "1d", "1e", "1f", "3e")),
    Claim("work", "leases are read, and every queue has a worker", ("chain.", "host.version")),
    Claim("machines", "one inventory, and the certificate of every BMC is checked", ("8",)),
    Claim("clocks", "certificates and deadlines are judged by the same time", ("3c",)),
)
THREATS = (
    Claim("someone reads the network", "every connection is encrypted", ("2b", "3b", "7.redis.plain", "7.api.plain")),
    Claim(
        "someone answers in place of a server",
        "its certificate is checked before a secret is sent",
        ("2b", "3b", "4"),
    ),
    Claim(
        "a password or token is stolen",
        "it is worth nothing without a certificate",
        ("7.redis.no-certificate", "7.api.no-certificate"),
    ),
    Claim(
        "a certificate is stolen", "it is worth nothing without password or token", ("1a", "1g", "7.api.wrong-token")
    ),
    Claim(
        "a host of one role is taken over", "it can do what its role needs, and no more", ("1h", "1i", "7.api.roles")
    ),
    Claim("a stolen certificate was revoked", "the servers refuse it", ("7.redis.revoked", "7.api.revoked")),
    Claim("another CA takes the name of ours", "trust is by key, not by name", ("7.redis.foreign", "7.api.foreign")),
    Claim("an old certificate is used", "what has ended is refused", ("7.redis.expired", "7.api.expired")),
    Claim("a server's certificate is used as a client's", "the purpose is checked", ("7.redis.wrong", "7.api.wrong-p")),
    Claim("a client asks for an old protocol", "TLS 1.1 and older is refused", ("7.redis.old-tls", "7.api.old-tls")),
    Claim(
        "Redis is killed, full, or comes back with older data", "nothing is lost unnoticed", ("1c", "1e", "1f", "3e")
    ),
    Claim("someone answers in place of a BMC", "its certificate is checked", ("8",)),
)


def section(outcomes: Sequence[CaseResult]) -> list[str]:
    """The section of the report."""
    head = ("what must hold", "asked by", "in this run")
    known = tuple(beginning for claim in LAYERS for beginning in claim.seen_by)
    others = tuple(dict.fromkeys(one.case.id for one in outcomes if not one.case.id.startswith(known)))
    layers = (*LAYERS, Claim("all else", "what the remaining checks ask", others)) if others else LAYERS
    return [
        "",
        "## Defence in depth",
        "",
        "What each layer adds, as far as this run has seen it hold.",
        *table(("layer", *head), (_row(claim, outcomes) for claim in layers)),
        "",
        "## Threats",
        *table(("threat", *head), (_row(claim, outcomes) for claim in THREATS)),
    ]


def in_this_run(claim: Claim, outcomes: Iterable[CaseResult]) -> str:
    """What was seen of a claim: the worst first, and which checks saw it."""
    by_status: dict[Status, list[str]] = {}
    for outcome in outcomes:
        if outcome.case.id.startswith(claim.seen_by):
            by_status.setdefault(outcome.finding.status, []).append(outcome.case.id)
    seen = f"seen to hold: {', '.join(by_status[Status.OK])}" if Status.OK in by_status else ""
    for status, words in _OPEN.items():
        if status in by_status:
            return f"{words}: {', '.join(by_status[status])}{f' ({seen})' if seen else ''}"
    idle = f" (no case in this run: {', '.join(by_status[Status.INFO])})" if Status.INFO in by_status else ""
    return f"{seen}{idle}" if seen else "not seen in this run"


def _row(claim: Claim, outcomes: Sequence[CaseResult]) -> tuple[str, str, str, str]:
    return claim.about, claim.holds, ", ".join(claim.seen_by), in_this_run(claim, outcomes)
