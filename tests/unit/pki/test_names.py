import pytest

from pki.errors import InvalidInput
from pki.names import Identity, Role, parse_san, san_text, unique


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("redis.example.net", "redis.example.net"),
        ("Redis.Example.NET", "redis.example.net"),
        ("192.0.2.10", "192.0.2.10"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_name_or_address_is_taken_in_its_canonical_form(text: str, written: str) -> None:
    assert san_text(parse_san(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "*.example.net",
        "under_score.example.net",
        "-a.example.net",
        "a-.example.net",
        "a..example.net",
        "example.net.",
        "example.net:6379",
        "https://example.net",
        "bücher.example",
        "1.2.3",
        "1.2.3.4.5",
        "192.0.2.999",
        "192.0.2.0/24",
        "0.0.0.0",  # noqa: S104 - refused, never listened on
        "::",
        "224.0.0.1",
        "fe80::1%eth0",
        "a" * 64 + ".example.net",
        ".".join(["a" * 60] * 5),
        "evil.example.net\nDNS:other.example.net",
        "a.example.net\x00.example.org",
    ],
)
def test_what_is_neither_name_nor_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_san(text)


@pytest.mark.parametrize("text", ["localhost", "redis"])
def test_a_name_without_a_dot_needs_a_development_pki(text: str) -> None:
    with pytest.raises(InvalidInput, match="no dot") as caught:
        parse_san(text)
    assert "--dev" in caught.value.hint
    assert san_text(parse_san(text, single_label=True)) == text


@pytest.mark.parametrize("text", ["bringup.internal", "root.operator.bringup.internal", "X.Operator.Bringup.Internal"])
def test_an_identity_cannot_be_had_as_an_additional_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="identities"):
        parse_san(text)


@pytest.mark.parametrize("name", ["", "W2", "a.b", "a b", "../../etc", "a/b", "-a", "a-", "a" * 38, "ü", "a\n"])
def test_a_name_that_is_no_single_label_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        Identity(Role.WORKER, name)


def test_the_longest_name_fits_a_common_name_in_every_role() -> None:
    assert all(len(Identity(role, "a" * 37).dns) <= 64 for role in Role)


def test_a_repeated_name_is_kept_once() -> None:
    assert unique([parse_san("a.example"), parse_san("A.example")]) == (parse_san("a.example"),)
