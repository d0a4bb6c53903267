"""The types of settings whose text has rules of its own."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

_SWITCH = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def parse_switch(text: object) -> bool:
    """True or false, and nothing that merely looks like one. Raises ValueError."""
    if isinstance(text, bool):
        return text
    value = _SWITCH.get(text.strip().lower()) if isinstance(text, str) else None
    if value is None:
        raise ValueError("must be one of true, false, 1, 0, yes, no, on, off")
    return value


def parse_secret(text: object) -> object:
    """A secret as it stands, never trimmed silently. Raises ValueError."""
    if isinstance(text, str) and any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
        raise ValueError("must not hold control characters or line breaks")
    if isinstance(text, str) and text != text.strip():
        raise ValueError("must not begin or end with spaces")
    return text


Switch = Annotated[bool, BeforeValidator(parse_switch)]
Secret = Annotated[SecretStr, BeforeValidator(parse_secret)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=1, le=30 * 24 * 3600)]
