"""One pass of a host: trust anchors, revocation lists, its own certificates, and what Redis has of them.

Source: RFC 7030 (EST). A new CA is trusted only if one that is trusted already has certified its key: an API that was
taken over cannot bring a CA of its own.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from api.est.trust import usable_lists
from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected, BringupError
from bringup.wire.site import TrustView
from bringup_cli.site import decide, host_files, redis_users, registry
from pki import errors, profile, renew
from pki.authority import PrivateKey, fits, key_pem, pem, read_key, signer_of
from pki.files import exclusive_lock, read, write_atomic
from pki.names import Identity, Role, sans_of

# Bytes of a response of EST: eight certificates of RSA keys with many names.
_LARGEST = 128 * 1024


@dataclass
class HostPass:
    """What one pass did, and what is wrong."""

    renewed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)  # until the CA has signed
    trust: list[str] = field(default_factory=list)  # which of anchors and lists were replaced
    problems: list[str] = field(default_factory=list)
    issuer: str | None = None  # key identifier of the CA that signs now, where the API knows it


def run_pass(host: host_files.HostFolder, api: ApiClient, now: Callable[[], datetime]) -> HostPass:
    """Do what is due. One thing that fails does not keep the others from it; the next pass tries again.

    Args:
        host: its files.
        api: with the certificate of the host.
        now: the time.

    Raises:
        Locked: another pass is at work.
    """
    done = HostPass()
    with exclusive_lock(host.lock(), "bringup site renew"):
        host.recover()
        _attempt(done, lambda: _report(host, api, done))
        _attempt(done, lambda: _renew_trust(host, api, done, now()))
        for identity in host.identities:
            _attempt(done, partial(_renew, host, api, identity, done, now()))
        _attempt(done, lambda: _reload_redis(host))
        if done.renewed or done.trust:
            _attempt(done, lambda: _report(host, api, done))
    return done


def _attempt(done: HostPass, do: Callable[[], object]) -> None:
    try:
        do()
    except (BringupError, errors.PkiError, ValueError, OSError) as error:
        done.problems.append(str(error))


def _report(host: host_files.HostFolder, api: ApiClient, done: HostPass) -> None:
    """Report what is here, and learn which CA signs now."""
    done.issuer = api.put(f"/hosts/{host.manifest.host}", host.report(), TrustView).issuer


def _renew_trust(host: host_files.HostFolder, api: ApiClient, done: HostPass, now: datetime) -> None:
    """Anchors and lists in one change: a CA that has no list here would be one whose clients are all refused."""
    present = host.anchors()
    anchors = accepted(_certificates(api.est("/cacerts") or b""), present, now)
    lists = usable_lists(api.get_text("/crl"), read(host.crl), anchors)
    files = {host.crl: lists} if lists else {}
    if anchors != present:
        files[host.ca] = pem(*anchors)
    if files:
        host.replace(files)
        done.trust += [path.name for path in files]


def accepted(
    received: list[x509.Certificate], present: list[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """The CAs to trust from now on: those that are trusted already, and those that one of them has certified.

    Args:
        received: CA certificates, of themselves and of each other.
        present: the CAs that are trusted now.
        now: the time.

    Raises:
        ValueError: none of the present ones is left, or one has a reason to be refused.
    """
    roots = [one for one in received if one.subject == one.issuer]
    vouchers = [one for one in received if one.subject != one.issuer and signer_of(one, tuple(present))]
    trusted = [one for one in roots if one in present or any(_vouches(v, one, now) for v in vouchers)]
    if len(trusted) < len(roots):
        names = ", ".join(one.subject.rfc4514_string() for one in roots if one not in trusted)
        raise ValueError(
            f"the API offers a CA that none of the present ones has certified: {names}; nothing is changed"
        )
    if not trusted:
        raise ValueError("the API offers no CA that is trusted here; nothing is changed")
    # PKCS #7 keeps no order: without this one, files would be replaced that are the same.
    return [one for one in present if one in trusted] + [one for one in trusted if one not in present]


def _vouches(voucher: x509.Certificate, authority: x509.Certificate, now: datetime) -> bool:
    same = voucher.subject == authority.subject and voucher.public_key() == authority.public_key()
    return same and voucher.not_valid_before_utc <= now < voucher.not_valid_after_utc


def _renew(host: host_files.HostFolder, api: ApiClient, identity: Identity, done: HostPass, now: datetime) -> None:
    present = host.certificate(identity)
    start, end = present.not_valid_before_utc, present.not_valid_after_utc
    moves = done.issuer is not None and done.issuer != host_files.issuer_id(present)
    if not moves and not renew.is_due(decide.from_issuing(start, end, identity), end, now, 0):
        return
    request = _request(_next_key(host, identity, present), present)
    try:
        answer = api.est("/simplereenroll", base64.encodebytes(request.public_bytes(Encoding.DER)))
    except ApiRejected:
        host.pending(identity).unlink(missing_ok=True)  # refused for good: the next pass asks with another key
        raise
    if answer is None:
        done.waiting.append(identity.dns)
        return
    certificate = _certificates(answer)[0]
    issuer = _checked(certificate, present, host.anchors(), now)
    host.replace(host.with_certificate(identity, certificate, issuer))
    host.pending(identity).unlink()
    done.renewed.append(identity.dns)


def _checked(
    certificate: x509.Certificate, present: x509.Certificate, anchors: list[x509.Certificate], now: datetime
) -> x509.Certificate:
    """The CA that has signed what was sent. Raises ValueError: it is not what was asked for."""
    issuer = signer_of(certificate, tuple(anchors))
    if issuer is None:
        raise ValueError("the certificate that was sent is of a CA that is not trusted here; nothing is changed")
    if set(sans_of(certificate)) != set(sans_of(present)) or certificate.subject != present.subject:
        raise ValueError("the certificate that was sent is for another identity; nothing is changed")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise ValueError("the certificate that was sent is not valid now; is the clock right? nothing is changed")
    return issuer


def _next_key(host: host_files.HostFolder, identity: Identity, present: x509.Certificate) -> PrivateKey:
    """The key that is asked for: kept, so that a pass after a kill asks again with the same one.

    A pass that was killed after the files were replaced has left the key that is in use now: it is no next key.
    """
    path = host.pending(identity)
    if not path.exists() or fits(read_key(path), present):
        write_atomic(path, key_pem(profile.new_key()))
    return read_key(path)


def _request(key: PrivateKey, present: x509.Certificate) -> x509.CertificateSigningRequest:
    """Of the same subject and names: RFC 7030 s.4.2.2."""
    names = x509.SubjectAlternativeName(sans_of(present))
    builder = x509.CertificateSigningRequestBuilder().subject_name(present.subject)
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256())


def _certificates(body: bytes) -> list[x509.Certificate]:
    if len(body) > _LARGEST:
        raise ValueError(f"the API has sent more than {_LARGEST >> 10} KiB of certificates")
    found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(b"".join(body.split()), validate=True))
    if not found:
        raise ValueError("the API has sent no certificate")
    return found


def _reload_redis(host: host_files.HostFolder) -> None:
    """At each pass, whether or not files have changed: a pass that was killed in between has not reached Redis."""
    if registry.HostRole.REDIS not in host.manifest.roles:
        return
    identity = Identity(Role.REDIS, host.manifest.host)
    files, password = host.files(identity), read(host.folder / "redis/keeper.password").decode().strip()
    settings = host.settings(registry.HostRole.REDIS)
    keeper, failures = redis_users.Keeper(settings, password), []
    names = [str(san.value) for san in sans_of(host.certificate(identity)) if san.value != identity.dns]
    for name in names:
        try:
            keeper.reload_tls((name, settings.redis_port), host.ca, files.certificate, files.key)
        except BringupError as error:
            failures.append(str(error))
        else:
            return
    raise ValueError(f"Redis uses its earlier certificate until it is started again: {failures[0] if failures else ''}")
