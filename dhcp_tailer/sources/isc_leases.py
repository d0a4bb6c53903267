"""ISC dhcpd's lease files: ``dhcpd.leases`` and ``dhcpd6.leases``. Source: dhcpd.leases(5)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup.errors import LeaseFormatError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.layout import BLOCKS
from dhcp_tailer.sources import isc_declaration, isc_text, leases
from dhcp_tailer.sources.isc_declaration import Declaration
from dhcp_tailer.sources.parser import KNOWN, NO_MAC, NOT_A_LEASE, Skip, lease_event, malformed


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leases: list[leases.Row]


class IscLeases:
    """Reads each declaration as the state of one lease; the last one counts, as the server reads it."""

    name = "isc-leases"
    layout = BLOCKS

    def __init__(self) -> None:
        self._leases = leases.Leases()

    def parse(self, record: bytes) -> LeaseEvent | Skip:
        """The event in one declaration."""
        if not record.startswith((b"lease ", b"ia-na ", b"ia-ta ")):
            return NOT_A_LEASE
        try:
            said = isc_declaration.read(isc_text.statements(record))
            return self._in_force(said) if said.state == isc_declaration.ACTIVE else self._over(said)
        except LeaseFormatError as error:
            return malformed(error)

    def memory(self) -> JsonValue:
        """The leases in force."""
        return {"leases": [list(row) for row in self._leases.rows()]}

    def restore(self, memory: JsonValue) -> None:
        """Take up a memory. Raises ValueError."""
        self._leases = leases.Leases(_Memory.model_validate(memory).leases)

    def _in_force(self, said: Declaration) -> LeaseEvent | Skip:
        if said.mac is None:
            return NO_MAC
        if said.starts is None:
            raise LeaseFormatError("an active lease that never started")
        action = self._leases.in_force(said.ip, leases.Lease(said.mac, said.starts, said.ends))
        if action is None:
            return KNOWN
        return lease_event(
            mac=said.mac,
            ip=said.ip,
            action=action,
            starts=datetime.fromtimestamp(said.starts, UTC),
            ends=None if said.ends is None else datetime.fromtimestamp(said.ends, UTC),
            hostname=said.hostname,
            vendor_class=said.vendor_class,
            client_id=said.client_id,
            circuit_id=said.circuit_id,
            source=self.name,
        )

    def _over(self, said: Declaration) -> LeaseEvent | Skip:
        over = self._leases.over(said.ip, said.ends)
        if over is None:
            return Skip("an address that nobody was known to have")
        lease, action = over
        return lease_event(
            mac=lease.mac,
            ip=said.ip,
            action=_ENDED.get(said.state, action),
            starts=datetime.fromtimestamp(lease.starts, UTC),
            source=self.name,
        )


# "free" tells not which of them came before; then an end before its time is a release.
_ENDED: Mapping[bytes, LeaseAction] = MappingProxyType(
    {b"released": LeaseAction.RELEASED, b"expired": LeaseAction.EXPIRED}
)
