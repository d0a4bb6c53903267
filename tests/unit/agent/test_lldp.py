"""What a neighbour announces: valid units are reported whole, everything else is dropped."""

from hypothesis import given
from hypothesis import strategies as st

from agent import lldp
from agent.lldp import Neighbours


def tlv(kind: int, value: bytes) -> bytes:
    return ((kind << 9) | len(value)).to_bytes(2, "big") + value


CHASSIS = tlv(1, b"\x04" + bytes.fromhex("020000000099"))
PORT = tlv(2, b"\x05Ethernet1/7")
TTL = tlv(3, b"\x00\x78")
END = tlv(0, b"")


def test_a_unit_is_reported_as_type_and_hex() -> None:
    tlvs = lldp.parse(CHASSIS + PORT + TTL + tlv(5, b"sw1\x1b[2J") + END)
    assert tlvs is not None
    assert lldp.as_reported(tlvs)[1:] == [[2, "0545746865726e6574312f37"], [3, "0078"], [5, "7377311b5b324a"]]


def test_the_padding_of_a_short_frame_is_not_read() -> None:
    assert lldp.parse(CHASSIS + PORT + TTL + END + bytes(20)) == lldp.parse(CHASSIS + PORT + TTL + END)


def test_a_unit_without_its_three_first_parts_in_order_is_dropped() -> None:
    for pdu in (b"", END, CHASSIS + PORT + END, PORT + CHASSIS + TTL + END, CHASSIS + PORT + tlv(5, b"x") + TTL + END):
        assert lldp.parse(pdu) is None


def test_a_part_that_reaches_beyond_the_frame_drops_the_unit() -> None:
    assert lldp.parse((CHASSIS + PORT + TTL + tlv(5, b"switch"))[:-1]) is None


def test_a_second_chassis_drops_the_unit() -> None:
    assert lldp.parse(CHASSIS + PORT + TTL + CHASSIS + END) is None


def test_an_identifier_without_content_drops_the_unit() -> None:
    assert lldp.parse(tlv(1, b"\x04") + PORT + TTL + END) is None


def test_a_goodbye_is_no_neighbour() -> None:
    assert lldp.parse(CHASSIS + PORT + tlv(3, b"\0\0") + END) is None


@given(st.binary(max_size=9300))
def test_no_frame_breaks_the_reader(frame: bytes) -> None:
    for pdu in (frame, CHASSIS + PORT + TTL + frame):
        found = lldp.parse(pdu)
        assert found is None or (len(found) <= 256 and all(len(value) <= 511 for _, value in found))


def test_waiting_ends_when_every_port_with_a_carrier_has_heard_one() -> None:
    looked: list[None] = []
    neighbours = Neighbours(1000, lambda: 0.0)
    neighbours.receive("eth0", CHASSIS + PORT + TTL + END)
    neighbours.receive("eth1", b"nonsense")
    neighbours.wait(lambda: ["eth0"], lambda: looked.append(None))
    assert (len(looked), list(neighbours.announcements())) == (1, ["eth0"])


def test_waiting_ends_with_its_time() -> None:
    times = iter([0.0, 36.0])
    Neighbours(35, lambda: next(times)).wait(lambda: ["eth0"], lambda: None)
