"""The configuration of the Redis that runs on a host of a site."""

import socket
from pathlib import Path

from cryptography import x509

from bringup.settings import load, pki_rules
from bringup_cli.redis_configuration import redis_configuration
from bringup_cli.site import bundle
from bringup_cli.site.layout import HostLayout
from bringup_cli.site.registry import HostRole
from pki import names, store


def configuration_of(folder: Path, manifest: bundle.Manifest, layout: HostLayout | None) -> bytes | None:
    """The text of redis.conf; None where this host has no Redis, or one of several (docs/ha.md).

    Args:
        folder: that the host has joined into.
        manifest: of its bundle.
        layout: with service units.
    """
    if HostRole.REDIS not in manifest.roles:
        return None
    settings = load({}, folder / bundle.env_file(HostRole.REDIS), rules=pki_rules).settings
    if settings.sentinels:
        return None
    certificate = folder / bundle.files_of(names.Identity(names.Role.REDIS, manifest.host)).certificate
    sans = names.sans_of(store.read_certificates(certificate)[0])
    own = [str(one.value) for one in sans if isinstance(one, x509.IPAddress) and _is_ours(str(one.value))]
    state = layout.state_of(HostRole.REDIS) if layout else folder / "redis"
    return redis_configuration(settings, state, bind=" ".join(own) or "*").encode()


def _is_ours(address: str) -> bool:
    """Whether this host has the address; one of its names may be that of a router before it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
