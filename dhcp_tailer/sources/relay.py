"""What a relay agent says of the port that a client is on. Source: RFC 3046."""

from dhcp_tailer.sources.parser import device_text


def circuit_id(sub_options: bytes) -> str | None:
    """Sub-option 1 among type, length, value. Source: RFC 3046 s.3.1."""
    while len(sub_options) >= 2:
        kind, length = sub_options[0], sub_options[1]
        if kind == 1:
            return device_text(sub_options[2 : 2 + length])
        sub_options = sub_options[2 + length :]
    return None
