"""What Redis is given of an image: nothing in it shows the secret, or what the secret opens."""

import pytest
from cryptography.fernet import InvalidToken

from api.images.image_store import ParametersTooLarge, area_of, decrypt, encrypt, locator, new_secret
from bringup.text import without_image_secret
from bringup.wire.machine import AREA_SIZE, RunParameters

PARAMETERS = RunParameters(
    run_id="02-00-00-00-00-01-1795426896", callback_url="https://x/api/v1", token="t", epoch=1795426896
)


def test_a_secret_opens_what_was_sealed_with_it_and_nothing_else() -> None:
    secret, other = new_secret(), new_secret()
    encrypted = encrypt(secret, b"a token")
    assert decrypt(secret, encrypted) == b"a token"
    with pytest.raises(InvalidToken):
        decrypt(other, encrypted)
    assert b"a token" not in encrypted
    assert secret.encode() not in encrypted


def test_where_it_lies_does_not_tell_how_to_open_it() -> None:
    secret = new_secret()
    encrypted = encrypt(secret, b"a token")
    assert locator(secret) != locator(new_secret())
    with pytest.raises(InvalidToken):
        decrypt(locator(secret), encrypted)


def test_a_secret_has_256_bits_and_may_stand_in_an_address() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}
    assert all(char.isalnum() or char in "-_" for secret in secrets for char in secret)


def test_the_area_is_filled_up_exactly_and_never_cut() -> None:
    area = area_of(PARAMETERS)
    assert len(area) == AREA_SIZE
    assert RunParameters.model_validate_json(area) == PARAMETERS
    room = AREA_SIZE - len(PARAMETERS.model_copy(update={"ca_pem": ""}).model_dump_json())
    assert len(area_of(PARAMETERS.model_copy(update={"ca_pem": "x" * room}))) == AREA_SIZE
    with pytest.raises(ParametersTooLarge):
        area_of(PARAMETERS.model_copy(update={"ca_pem": "x" * (room + 1)}))


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/images/{}/bringup-validation.iso HTTP/1.1",
        "could not fetch 'https://h:5001/api/v1/images/{}'",
        r'{{"Image": "https:\/\/h\/api\/v1\/images\/{}\/bringup-validation.iso"}}',
        "/api/v1//images//{}/x",
        "GET /api/v1/images%2F{}%2Fbringup-validation.iso",
        "GET %2fapi%2fv1%2fimages%2f{}/bringup-validation.iso",
        "GET /api/v1/images%252F{}%252Fbringup-validation.iso",
        "GET /api/v1/IMAGES%25252f{}",
        "GET /api/v1//images/./{}/bringup-validation.iso",
        "GET /api/v1/images;/{}/x",
        "GET /api/v1/images\x00\n/{}/x",
        'GET /api/v1/images/"{}"',
    ],
)
def test_the_secret_is_struck_out_of_any_text(text: str) -> None:
    secret = new_secret()
    shown = without_image_secret(text.format(secret))
    assert secret not in shown
    assert shown == text.format("***")


def test_other_images_keep_their_names() -> None:
    assert without_image_secret("http://h/images/debian-12.iso") == "http://h/images/debian-12.iso"
