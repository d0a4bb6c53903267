"""A certificate that is wrong in one respect has one finding, which names it."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pki import profile
from pki.lint import lint_authority, lint_form, purpose_findings
from pki.names import Role
from tests.unit.pki.kit import NOW, WORKER

Extensions = dict[str, tuple[x509.ExtensionType, bool]]
_KEY = profile.new_key()
_SKI = x509.SubjectKeyIdentifier.from_public_key(_KEY.public_key())
_AKI = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_SKI)
_UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")

_CA: Extensions = {
    "basic": (x509.BasicConstraints(ca=True, path_length=0), True),
    "usage": (profile.key_usage(key_cert_sign=True, crl_sign=True), True),
    "ski": (_SKI, False),
    "aki": (_AKI, False),
}
_LEAF: Extensions = {
    "basic": (x509.BasicConstraints(ca=False, path_length=None), True),
    "usage": (profile.key_usage(digital_signature=True), True),
    "purpose": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
    "names": (x509.SubjectAlternativeName([x509.DNSName(WORKER.dns)]), False),
    "ski": (_SKI, False),
    "aki": (_AKI, False),
}


def made(
    extensions: Extensions,
    serial: int = 1 << 100,
    key: ec.EllipticCurvePrivateKey = _KEY,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    for value, critical in extensions.values():
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, hashes.SHA256())


def ca(**changes: tuple[x509.ExtensionType, bool]) -> x509.Certificate:
    return made(_CA | changes)


def leaf(**changes: tuple[x509.ExtensionType, bool]) -> x509.Certificate:
    return made(_LEAF | changes)


def without(extensions: Extensions, name: str) -> x509.Certificate:
    return made({one: value for one, value in extensions.items() if one != name})


def test_what_is_right_has_no_finding() -> None:
    assert lint_authority(ca()) == []
    assert lint_form(leaf()) == []


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (ca(basic=(x509.BasicConstraints(ca=True, path_length=1), True)), "its path length must be 0"),
        (ca(basic=(x509.BasicConstraints(ca=True, path_length=None), True)), "its path length must be 0"),
        (ca(basic=(x509.BasicConstraints(ca=True, path_length=0), False)), "CA:TRUE and critical"),
        (ca(basic=(x509.BasicConstraints(ca=False, path_length=None), True)), "it is no CA"),
        (without(_CA, "basic"), "it is no CA"),
        (without(_CA, "usage"), "it has no key usage"),
        (ca(usage=(profile.key_usage(key_cert_sign=True, crl_sign=True), False)), "key usage is not critical"),
        (ca(usage=(profile.key_usage(key_cert_sign=True), True)), "signing certificates and CRLs and nothing else"),
        (ca(purpose=_LEAF["purpose"]), "a CA must have no extended key usage"),
        (without(_CA, "ski"), "no subject key identifier"),
        (without(_CA, "aki"), "no authority key identifier"),
        (ca(unknown=(_UNKNOWN, True)), "a critical extension that we do not know: 1.3.6.1.4.1.99999.1"),
        (made(_CA, key=ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
    ],
)
def test_a_defect_of_a_ca_is_found_and_nothing_else(certificate: x509.Certificate, words: str) -> None:
    (finding,) = lint_authority(certificate)
    assert words in finding


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (leaf(basic=(x509.BasicConstraints(ca=False, path_length=None), False)), "BasicConstraints are not critical"),
        (leaf(basic=(x509.BasicConstraints(ca=True, path_length=0), True)), "CA:TRUE"),
        (without(_LEAF, "basic"), "no BasicConstraints"),
        (leaf(usage=(profile.key_usage(digital_signature=True), False)), "key usage is not critical"),
        (leaf(usage=(profile.key_usage(digital_signature=True, crl_sign=True), True)), "and nothing else"),
        (without(_LEAF, "usage"), "no key usage"),
        (without(_LEAF, "names"), "no subject alternative name"),
        (leaf(unknown=(_UNKNOWN, True)), "a critical extension that we do not know"),
    ],
)
def test_a_defect_of_a_leaf_is_found_and_nothing_else(certificate: x509.Certificate, words: str) -> None:
    (finding,) = lint_form(certificate)
    assert words in finding


@pytest.mark.parametrize("lint", [lint_authority, lint_form])
def test_an_extension_that_is_not_critical_and_a_long_serial_number_are_right(
    lint: Callable[[x509.Certificate], list[str]],
) -> None:
    right = _CA if lint is lint_authority else _LEAF
    assert lint(made(right | {"unknown": (_UNKNOWN, False)}, serial=(1 << 159) - 1)) == []


@pytest.mark.parametrize(
    ("usages", "right"),
    [
        ([ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
        ([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH], False),
        ([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.CODE_SIGNING], False),
    ],
)
def test_a_client_has_one_purpose(usages: Sequence[ObjectIdentifier], *, right: bool) -> None:
    certificate = leaf(purpose=(x509.ExtendedKeyUsage(usages), False))
    assert (list(purpose_findings(certificate, Role.WORKER)) == []) is right
