"""What may become of a record: a closed list, so that it can be counted."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a record. Every record has exactly one."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"  # on the queue already, or told by an earlier record
    RENEWAL = "renewal"
    RELEASED = "released"
    EXPIRED = "expired"
    NO_MAC = "no_mac"  # a lease whose client cannot be told by an Ethernet address
    FILTERED_NETWORK = "filtered_network"  # outside DHCP_NETWORKS
    FILTERED_VENDOR = "filtered_vendor"  # its vendor class does not match DHCP_VENDOR_PATTERN
    FILTERED_INVENTORY = "filtered_inventory"  # DHCP_INVENTORY_ONLY, and no device has this MAC
    NOT_A_LEASE = "not_a_lease"
    MALFORMED = "malformed"
