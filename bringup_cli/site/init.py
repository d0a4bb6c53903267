"""``bringup site init``: the first host of a site, from nothing to running services: its CA, its users, its units."""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bringup import files
from bringup.errors import SettingsError
from bringup.settings import Settings, generated, load, pki_rules
from bringup.settings.generated import new_secret
from bringup_cli.site import enroll, host_system, own_settings, redis_users
from bringup_cli.site.bundle import env_file
from bringup_cli.site.join import join
from bringup_cli.site.layout import HostLayout, user_of, users
from bringup_cli.site.registry import HostRole, Registry
from bringup_cli.site.steps import HostStep
from pki import profile
from pki.files import make_directory
from pki.session import CaSession
from pki.setup import set_up
from pki.store import Store

# Days of a certificate: renewed by the timer, so that a shorter life costs nothing and a stolen key is of use for less.
_VALIDITY_DAYS = 90
# Seconds to wait for another command at the CA.
_WAIT_S = 60
_DEVICES, _OPERATORS = "devices.toml", "operators.toml"


@dataclass(frozen=True)
class FirstHost:
    """What a person has asked for.

    Args:
        name: of the host.
        address: by which all others, machines and BMCs included, reach it.
        roles: what runs on it.
        dhcp_source, dhcp_path: of the DHCP server's file, for a tailer.
    """

    name: str
    address: str
    roles: tuple[HostRole, ...]
    dhcp_source: str
    dhcp_path: Path

    def settings_text(self, layout: HostLayout) -> str:
        """The settings of a new site."""
        own = layout.config
        host = f"[{self.address}]" if ":" in self.address else self.address
        values = {
            "ENVIRONMENT": "production",
            "REDIS_USE_TLS": "true",
            "API_USE_TLS": "true",
            "REDIS_HOST": self.address,
            "CALLBACK_API_HOST": self.address,
            "CALLBACK_API_URL": f"https://{host}:5000",
            "PKI_DIR": str(layout.ca),
            **self._certificates(layout),
            "VALIDITY_DAYS": str(_VALIDITY_DAYS),
            "STATE_DIR": str(layout.state_of(HostRole.API)),
            "DEVICES_FILE": str(own / _DEVICES),
            "OPERATORS_FILE": str(own / _OPERATORS),
            "BMC_CREDENTIALS_DIR": str(own / "credentials"),
            "DHCP_SOURCE": self.dhcp_source,
            "DHCP_PATH": str(self.dhcp_path),
        }
        return generated.fresh(values)

    def _certificates(self, layout: HostLayout) -> dict[str, str]:
        """Those of this host, for the commands that root runs here; the CA has no part in connections."""
        own = layout.pki
        names = {"API_TLS_CERT": "api/api-cert.pem", "API_TLS_KEY": "api/api-key.pem"}
        for kind in ("cert", "key"):
            names |= {f"{use}_{kind.upper()}": f"workers/worker-{kind}.pem" for use in ("REDIS_TLS", "API_CLIENT")}
        anchors = {"REDIS_TLS_CA": "ca/ca-cert.pem", "API_TLS_CA": "ca/ca-cert.pem"}
        return {name: str(own / path) for name, path in (names | anchors).items()}


def own_address() -> str:
    """The address of this host that leads to others. Raises SettingsError: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation (RFC 5737): the kernel chooses an address, nothing is sent
        except OSError:
            raise SettingsError(["--address: this host has no route to others; name the address they reach"]) from None
        return str(probe.getsockname()[0])


def steps(layout: HostLayout, host: FirstHost, now: Callable[[], datetime]) -> list[HostStep]:
    """All steps but the self-test, in their order.

    Args:
        layout: the folders of the host.
        host: what was asked for.
        now: the time.
    """
    operators = layout.config / _OPERATORS
    console = HostStep(
        "a token for the console",
        lambda: own_settings.make_console_token(layout.site_settings, operators, host.name, host.address, now()),
        partial(own_settings.has_console_token, layout.site_settings),
    )
    images = HostStep(
        f"settings of the images in {layout.site_settings}",
        lambda: own_settings.add_image_settings(layout),
        lambda: own_settings.has_image_settings(layout),
    )
    return [
        *user_steps(host.roles),
        HostStep(f"write {layout.site_settings}", partial(_write_settings, layout, host), layout.site_settings.exists),
        *([images] if HostRole.IMAGES in host.roles else []),
        HostStep(f"make the CA in {layout.ca}", partial(_make_ca, layout, now), Store(layout.ca).ca_key.exists),
        *([console] if HostRole.CONSOLE in host.roles else []),
        HostStep(f"certificates, settings and Redis users of {host.name}", partial(_join_own, layout, host, now)),
        *unit_steps(layout, host.roles),
        HostStep("let Redis know every host", partial(_follow, layout)),
        # Before any host asks for it: the CA publishes what is trusted and what is revoked.
        HostStep("publish the trust anchors", lambda: host_system.start(["bringup-sign.service"])),
        *timer_steps(host.roles, has_ca=True),
    ]


def user_steps(roles: tuple[HostRole, ...]) -> list[HostStep]:
    """A user for each service, and one who keeps the secrets."""
    wanted = users(roles)
    return [
        HostStep(
            f"users {', '.join(wanted)}",
            lambda: host_system.add_users(host_system.missing_users(wanted)),
            lambda: not host_system.missing_users(wanted),
        )
    ]


def unit_steps(layout: HostLayout, roles: tuple[HostRole, ...]) -> list[HostStep]:
    """The services of a host: running now, and after each boot.

    Args:
        layout: its folders.
        roles: what runs there.
    """

    def permit() -> None:
        settings = load({}, layout.config / env_file(roles[0]), rules=pki_rules).settings
        sentinels = [host for host, _ in settings.sentinels]
        apis = [urlsplit(url).hostname or "" for url in settings.api_urls]
        host_system.permit_addresses([settings.redis_host, *sentinels, *apis])

    services = host_system.service_units(roles)
    return [
        HostStep(f"unit files in {host_system.UNITS}", host_system.install_units, host_system.units_are_installed),
        HostStep("what the renewal of certificates may reach", permit),
        HostStep(f"enable and start {', '.join(services)}", lambda: _start_services(layout, services, roles)),
    ]


def timer_steps(roles: tuple[HostRole, ...], *, has_ca: bool) -> list[HostStep]:
    """The timers of a host.

    Args:
        roles: what runs there.
        has_ca: whether it is the CA's host.
    """
    timers = host_system.timers(roles, has_ca=has_ca)
    return [HostStep(f"enable and start {', '.join(timers)}", lambda: _start(timers))]


def _start_services(layout: HostLayout, services: list[str], roles: tuple[HostRole, ...]) -> None:
    """Also those that run with settings of before: a password there may be one that Redis does not know any more."""
    _start(services)
    for role in (role for role in host_system.UNIT_OF if role in roles):
        settings = layout.config / env_file(role)
        outdated = [unit for unit in host_system.instances(role) if not host_system.has_read(unit, settings)]
        host_system.start(outdated, again=True)


def _start(units: list[str]) -> None:
    host_system.run("systemctl", "enable", "--quiet", host_system.TARGET, *units)
    host_system.start([*units, host_system.TARGET])


def site_settings(layout: HostLayout) -> Settings:
    """The settings of the whole site. Raises SettingsError."""
    return load(env_file=layout.site_settings, rules=pki_rules).settings


def _write_settings(layout: HostLayout, host: FirstHost) -> None:
    make_directory(layout.config)
    files.write_atomically(layout.site_settings, host.settings_text(layout), sole_writer=True)


def _make_ca(layout: HostLayout, now: Callable[[], datetime]) -> None:
    make_directory(layout.ca)
    with _session(layout, now) as session:
        set_up(session, ())


def _join_own(layout: HostLayout, host: FirstHost, now: Callable[[], datetime]) -> None:
    """As `site enroll` and `site join`, without a file in between."""
    settings, store, time = site_settings(layout), Store(layout.ca), now()
    with _session(layout, now) as session:
        registry = Registry.read(store)
        own = registry.enrolled(host.name, host.roles, (host.address,), now=time, use_until=time + timedelta(hours=1))
        registry = registry.with_host(own).model_copy(update={"keeper": registry.keeper or new_secret()})
        enroll.certify(session, own, None, renew_days=settings.renew_days)
        registry.put(session)
        session.commit()
    received = enroll.bundle_files(store, registry, settings, own, with_keys=True)
    join(layout.config, enroll.manifest_of(own, time), received, time, layout=layout)
    write_starting_files(layout, own.roles)


def write_starting_files(layout: HostLayout, roles: tuple[HostRole, ...]) -> None:
    """The files that people fill in later, empty, where they are not there."""
    if not {HostRole.API, HostRole.TAILER} & set(roles):
        return
    if not (devices := layout.config / _DEVICES).exists():
        devices.touch(mode=0o644)
        devices.chmod(0o644)
    if HostRole.API in roles and not (operators := layout.config / _OPERATORS).exists():
        operators.touch(mode=0o600)
        host_system.give_file(operators, user_of(HostRole.API))


def _follow(layout: HostLayout) -> None:
    settings, registry = site_settings(layout), Registry.read(Store(layout.ca))
    keeper = redis_users.Keeper(settings, registry.keeper)
    redis_users.require_everywhere(keeper, lambda address: keeper.follow(address, registry))


def _session(layout: HostLayout, now: Callable[[], datetime]) -> AbstractContextManager[CaSession]:
    settings = site_settings(layout)
    secret = settings.ca_key_passphrase
    return CaSession.open(
        Store(layout.ca),
        "bringup site init",
        now(),
        validity=profile.Validity(settings.validity_days, settings.ca_validity_days, settings.crl_days),
        passphrase=lambda: secret.get_secret_value() if secret else None,
        init=True,
        wait_s=_WAIT_S,
    )
