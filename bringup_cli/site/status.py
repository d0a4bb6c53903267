"""What the CA's host knows of each host: whether it is there, how long it goes on, and what is to be done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bringup.wire.site import HostJoin, HostView
from bringup_cli.site.registry import Host, Registry
from pki import names, renew
from pki.session import CaSession
from pki.store import Store

# By user: whether it is connected to Redis now. None: Redis was not asked.
Users = Mapping[str, bool] | None


@dataclass(frozen=True)
class Seen:
    """What is known of hosts besides the registry.

    Args:
        users: of Redis.
        reports: the last one of each host to the API.
        now: the time to judge at.
    """

    users: Users
    reports: Mapping[str, HostView]
    now: datetime

    def last(self, host: Host) -> datetime | None:
        """When a host last reported, or had a connection to Redis."""
        users = self.users or {}
        connected = [self.now] if any(users.get(user) for user in host.redis_users) else []
        reported = [self.reports[host.name].at] if host.name in self.reports else []
        return max([*connected, *reported, *([host.last_seen] if host.last_seen else [])], default=None)


def rows(store: Store, registry: Registry, seen: Seen, *, renew_days: int) -> list[dict[str, Any]]:
    """One row for each host.

    Args:
        store: of the CA.
        registry: its hosts.
        seen: what is known besides.
        renew_days: fewer days than these before its end make a certificate due.
    """
    return [
        {
            "host": host.name,
            "roles": list(host.roles),
            "state": f"revoked {host.revoked_at:%Y-%m-%d %H:%M}" if host.revoked_at else "enrolled",
            "days_left": None if host.revoked_at else _days_left(store, host, seen),
            "joined": [{"at": one.at, "address": one.address} for one in _joins(seen, host)],
            "last_seen": seen.last(host),
            "due": list(_due(store, host, seen, renew_days)),
        }
        for host in registry.hosts.values()
    ]


def remember(session: CaSession, seen: Mapping[str, datetime | None]) -> None:
    """Keep when hosts were seen, for the time when they no longer are."""
    registry = Registry.read(session.store)
    hosts = {
        name: host.model_copy(update={"last_seen": seen.get(name) or host.last_seen})
        for name, host in registry.hosts.items()
    }
    registry.model_copy(update={"hosts": hosts}).put(session)
    session.commit()


def _joins(seen: Seen, host: Host) -> list[HostJoin]:
    """Those with the newest file that was used; with an earlier one it has joined before it was enrolled again."""
    joins = seen.reports[host.name].joins if host.name in seen.reports else ()
    newest = max((one.bundle_made_at for one in joins), default=None)
    return [one for one in joins if one.bundle_made_at == newest]


def _days_left(store: Store, host: Host, seen: Seen) -> int | None:
    ends = [end for identity in host.identities if (end := _held_until(store, host, seen, identity))]
    return (min(ends) - seen.now).days if ends else None


def _held_until(store: Store, host: Host, seen: Seen, identity: names.Identity) -> datetime | None:
    """When its certificate ends: the one that the host uses, which need not be the last one that the CA has issued."""
    if (view := seen.reports.get(host.name)) and (held := view.report.certificates.get(identity.dns)):
        return held.ends
    issued = store.certificate(identity)
    return issued.not_valid_after_utc if issued else None


def _due(store: Store, host: Host, seen: Seen, renew_days: int) -> Iterator[str]:
    users = seen.users
    if host.revoked_at:
        if users is not None and any(user in users for user in host.redis_users):
            yield f"Redis still knows it: bringup site revoke {host.name}"
        return
    yield from _due_certificates(store, host, seen, renew_days)
    if missing := [user for user in host.redis_users if users is not None and user not in users]:
        yield f"Redis does not know {', '.join(missing)}: bringup site enroll {host.name}"
    yield from _joined_twice(seen, host)
    if seen.last(host) is None:
        yield "it was never seen: bringup site join on it"


def _due_certificates(store: Store, host: Host, seen: Seen, renew_days: int) -> Iterator[str]:
    for identity in host.identities:
        one, end = store.certificate(identity), _held_until(store, host, seen, identity)
        if one is None or end is None:
            yield f"{identity} has no certificate: bringup site enroll {host.name}"
        elif renew.is_due(min(one.not_valid_before_utc, end), end, seen.now, renew_days):
            yield f"{identity} is to be renewed: its timer of `bringup site renew`"


def _joined_twice(seen: Seen, host: Host) -> Iterator[str]:
    if len(joins := _joins(seen, host)) > 1:
        addresses = " and ".join(dict.fromkeys(one.address for one in joins))
        yield (
            f"it was joined {len(joins)} times with one file, from {addresses}: if one of these is not yours, "
            f"bringup site revoke {host.name}; else enroll it again"
        )
