"""Whether a certificate is as `pki.profile` makes them. TLS libraries accept much that we must not. Pure.

Source: RFC 5280 s.4.1 and s.4.2; each finding is a sentence about the certificate.
"""

from collections.abc import Iterator
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier

from pki import csr, names, profile

T = TypeVar("T", bound=x509.ExtensionType)

_EKU_NAMES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "any",
}
# The critical extensions that we make; a peer must refuse a certificate with any other that it does not know.
_KNOWN = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}
# 20 octets, the first bit being the sign: RFC 5280 s.4.1.2.2.
LONGEST_SERIAL_BITS = 159


def lint_authority(certificate: x509.Certificate) -> list[str]:
    """What is wrong with a CA certificate."""
    return _readable(certificate) or [*_common(certificate), *_ca_constraints(certificate)]


def lint_form(certificate: x509.Certificate) -> list[str]:
    """What is wrong with a leaf whatever its role."""
    return _readable(certificate) or [
        *_common(certificate),
        *_leaf_constraints(certificate),
        *_names(certificate),
    ]


def purpose_findings(certificate: x509.Certificate, role: names.Role) -> Iterator[str]:
    """Exactly one extended key usage, and the one of the role: with both, a stolen worker key can be the server."""
    wanted = profile.purpose(role)
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None:
        yield f"it has no extended key usage; a {role} needs {_EKU_NAMES[wanted]}"
    elif list(usage.value) != [wanted]:
        found = ", ".join(_eku_name(oid) for oid in usage.value)
        yield f"its extended key usage is {found}; a {role} needs {_EKU_NAMES[wanted]} and nothing else"


def identity_findings(certificate: x509.Certificate, identity: names.Identity) -> Iterator[str]:
    """The certificate must be of the identity whose file it is in."""
    found = names.identity_of(certificate)
    if found is None:
        yield f"it carries no identity (a DNS name {identity.dns} among its SANs)"
    elif found != identity:
        yield f"it belongs to {found.dns}, not to {identity.dns}"


def _readable(certificate: x509.Certificate) -> list[str]:
    try:
        certificate.extensions  # noqa: B018 - parsed on first use, and cached
        certificate.public_key()
    except Exception as error:  # noqa: BLE001 - a hostile encoding raises many kinds; each is one finding
        return [f"it cannot be read: {type(error).__name__}"]
    return []


def _common(certificate: x509.Certificate) -> Iterator[str]:
    if certificate.version is not x509.Version.v3:
        yield "it is not of version 3, so it has no extensions"
    if not 0 < certificate.serial_number.bit_length() <= LONGEST_SERIAL_BITS:
        yield "its serial number is not a positive number of at most 20 octets"
    if weakness := csr.key_weakness(certificate.public_key()):
        yield f"it is for {weakness}"
    if isinstance(certificate.signature_hash_algorithm, (hashes.MD5, hashes.SHA1)):
        yield f"it is signed with {certificate.signature_hash_algorithm.name}, which can be forged"
    for kind, name in ((x509.SubjectKeyIdentifier, "subject"), (x509.AuthorityKeyIdentifier, "authority")):
        if _extension(certificate, kind) is None:
            yield f"it has no {name} key identifier"
    unknown = [one.oid for one in certificate.extensions if one.critical and one.oid not in _KNOWN]
    yield from (f"it has a critical extension that we do not know: {oid.dotted_string}" for oid in unknown)


def _ca_constraints(certificate: x509.Certificate) -> Iterator[str]:
    basic = _extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.value.ca or not basic.critical:
        yield "it is no CA: BasicConstraints must be CA:TRUE and critical"
    elif basic.value.path_length != 0:
        yield "it may sign other CAs: its path length must be 0"
    yield from _key_usage(
        certificate, profile.key_usage(key_cert_sign=True, crl_sign=True), "signing certificates and CRLs"
    )
    if _extension(certificate, x509.ExtendedKeyUsage) is not None:
        yield "a CA must have no extended key usage"


def _leaf_constraints(certificate: x509.Certificate) -> Iterator[str]:
    basic = _extension(certificate, x509.BasicConstraints)
    if basic is None:
        yield "it has no BasicConstraints; they must be CA:FALSE and critical"
    elif basic.value.ca:
        yield "it is CA:TRUE: the holder of its key can sign certificates for any name"
    elif not basic.critical:
        yield "its BasicConstraints are not critical"
    yield from _key_usage(certificate, profile.key_usage(digital_signature=True), "digital signatures")


def _key_usage(certificate: x509.Certificate, wanted: x509.KeyUsage, words: str) -> Iterator[str]:
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None:
        yield f"it has no key usage; it must be {words}, and critical"
    elif usage.value != wanted:
        yield f"its key usage must be {words} and nothing else"
    elif not usage.critical:
        yield "its key usage is not critical"


def _names(certificate: x509.Certificate) -> Iterator[str]:
    extension = _extension(certificate, x509.SubjectAlternativeName)
    if extension is None:
        yield "it has no subject alternative name (SAN); a common name alone counts nowhere"
        return
    if len(names.sans_of(certificate)) != len(list(extension.value)):
        yield "its SANs hold something that is neither a DNS name nor an IP address"
    if any("*" in name for name in names.dns_names(certificate)):
        yield "its SANs hold a wildcard"
    if sum(name.endswith(f".{names.DOMAIN}") for name in names.dns_names(certificate)) > 1:
        yield "it carries more than one identity"


def development_names(certificate: x509.Certificate) -> list[str]:
    """Names without a dot, such as localhost: right in a development PKI and nowhere else."""
    return [name for name in names.dns_names(certificate) if "." not in name]


def _extension(certificate: x509.Certificate, kind: type[T]) -> x509.Extension[T] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _eku_name(oid: ObjectIdentifier) -> str:
    return _EKU_NAMES.get(oid, oid.dotted_string)
