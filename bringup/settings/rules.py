"""Rules between settings: each problem names what is wrong and what to set. Pure, but for a look at files."""

import os
import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from bringup.settings.schema import Settings

# Characters of a password or token in production. Sixteen random letters and digits are 95 bits; the least number of
# different ones refuses aaaaaaaaaaaaaaaa and abcabcabcabcabcabc.
SHORTEST_PRODUCTION_SECRET = 16
_FEWEST_CHARACTERS = 8
_WITHOUT_VENDOR_CLASS = {"dnsmasq-leases", "isc-log", "kea-csv", "kea-log"}
_DEFAULT_SECRETS = {"changeme", "password", "secret", "redis", "bringup", "admin"}


def broken_rules(settings: Settings) -> Iterator[str]:
    """Everything that is wrong between settings that are each right by themselves."""
    yield from _url_rules(settings)
    yield from _image_rules(settings)
    yield from _run_certificate_rules(settings)
    yield from _tls_file_rules(settings)
    yield from _time_rules(settings)
    yield from _renewal_rules(settings)
    yield from _dhcp_rules(settings)
    if settings.environment == "production" and not settings.allow_insecure_production:
        yield from insecurities(settings)


def pki_rules(settings: Settings) -> Iterator[str]:
    """What the PKI commands need: they make the files that the other rules look for, on a host that may run nothing."""
    if settings.callback_api_url and not urlsplit(settings.callback_api_url).hostname:
        yield "CALLBACK_API_URL: must be a URL such as https://bringup.example.net:5000"
    yield from _renewal_rules(settings)


def _url_rules(settings: Settings) -> Iterator[str]:
    if not settings.callback_api_url:
        return
    scheme = "https" if settings.api_use_tls else "http"
    try:
        url = urlsplit(settings.callback_api_url)
        _ = url.port  # looked at only when asked for
    except ValueError:
        yield f"CALLBACK_API_URL: must be a URL such as {scheme}://bringup.example.net:5000"
        return
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield f"CALLBACK_API_URL: must be a URL such as {scheme}://bringup.example.net:5000"
    elif url.scheme != scheme:
        flag = str(settings.api_use_tls).lower()
        yield f"CALLBACK_API_URL: begins with {url.scheme}:// but API_USE_TLS={flag} means {scheme}://"
    if url.username or url.password or url.query or url.fragment:
        yield "CALLBACK_API_URL: must not hold credentials, a query or a fragment"


def _image_rules(settings: Settings) -> Iterator[str]:
    if settings.image_base_url:
        yield from _image_url_rules(settings.image_base_url)
    if settings.image_port == settings.callback_api_port:
        yield "IMAGE_PORT: is CALLBACK_API_PORT; `bringup images` needs a port of its own, or 0 for none"
    if settings.validation_image and settings.machines_need_certificates and not settings.image_port:
        yield (
            "IMAGE_PORT: must be set, for with API_REQUIRE_CLIENT_CERT=true no BMC can fetch VALIDATION_IMAGE from the "
            "API's port; set it to a free port and run `bringup images` there"
        )


def _image_url_rules(text: str) -> Iterator[str]:
    try:
        url = urlsplit(text)
        usable = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        yield "IMAGE_BASE_URL: must be a URL such as https://bringup.example.net:5001"
    elif url.username or url.password or url.query or url.fragment:
        yield "IMAGE_BASE_URL: must not hold credentials, a query or a fragment"


def _run_certificate_rules(settings: Settings) -> Iterator[str]:
    command = settings.run_certificate_command
    if command and not _is_command_for_a_name(command):
        yield (
            "RUN_CERTIFICATE_COMMAND: must be a command with {name} in it, such as "
            "bringup pki issue run --name {name} --hours 24 --stdout"
        )
    if settings.validation_image and settings.machines_need_certificates and not command:
        yield (
            "RUN_CERTIFICATE_COMMAND: must be set, for with API_REQUIRE_CLIENT_CERT=true no machine that boots "
            "VALIDATION_IMAGE could call back without a certificate of its run; see docs/PKI.md"
        )


def _is_command_for_a_name(command: str) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return any("{name}" in word for word in words[1:])


def _tls_file_rules(settings: Settings) -> Iterator[str]:
    wanted = []
    if settings.redis_use_tls:
        wanted += [(name, "REDIS_USE_TLS") for name in ("redis_tls_cert", "redis_tls_key", "redis_tls_ca")]
    if settings.api_use_tls:
        wanted += [("api_tls_ca", "API_USE_TLS")]
        # Where it was named, a missing list must not switch revocation off without a word.
        wanted += [("api_tls_crl", "API_USE_TLS")] if settings.api_tls_crl else []
    for name, flag in wanted:
        path = settings.path_of(name)
        if not path.is_file():
            yield f"{name.upper()}: {path} does not exist, and {flag}=true needs it; run `bringup pki setup`"
        elif not os.access(path, os.R_OK):
            yield f"{name.upper()}: {path} is not readable by this user, and {flag}=true needs it"


def _time_rules(settings: Settings) -> Iterator[str]:
    if settings.retry_min_s > settings.retry_max_s:
        yield "RETRY_MIN_S: must not be greater than RETRY_MAX_S"
    if settings.heartbeat_lost_s < 2 * settings.heartbeat_interval_s:
        yield "HEARTBEAT_LOST_S: must be at least twice HEARTBEAT_INTERVAL_S, or a healthy machine counts as lost"
    if settings.run_timeout_s < settings.boot_timeout_s:
        yield "RUN_TIMEOUT_S: must not be smaller than BOOT_TIMEOUT_S"


def _dhcp_rules(settings: Settings) -> Iterator[str]:
    if settings.dhcp_vendor_pattern and settings.dhcp_source in _WITHOUT_VENDOR_CLASS:
        yield (
            f"DHCP_VENDOR_PATTERN: DHCP_SOURCE={settings.dhcp_source} reports no vendor class, so that no lease would "
            "ever match; see docs/dhcp.md for one that does"
        )


def _renewal_rules(settings: Settings) -> Iterator[str]:
    if settings.renew_days >= settings.validity_days:
        yield "RENEW_DAYS: must be smaller than VALIDITY_DAYS, or every certificate is always due"


def insecurities(settings: Settings) -> Iterator[str]:
    """What production must not be without."""
    for flag in ("redis_use_tls", "api_use_tls"):
        if not getattr(settings, flag):
            yield f"{flag.upper()}: must be true when ENVIRONMENT=production"
    sentinels = ["redis_sentinel_password"] if settings.redis_sentinels else []
    for name in ("redis_password", "api_token", *sentinels):
        secret = getattr(settings, name)
        if _is_weak(secret.get_secret_value() if secret else ""):
            yield (
                f"{name.upper()}: must be at least {SHORTEST_PRODUCTION_SECRET} characters, not a few repeated, and "
                "no default when ENVIRONMENT=production; `bringup init` makes a good one"
            )


def idle_switches(settings: Settings) -> Iterator[str]:
    """Switches for security that do nothing now: no error, for the two TLS flags alone are flipped back and forth."""
    if settings.api_require_client_cert and not settings.api_use_tls:
        yield "API_REQUIRE_CLIENT_CERT: is true, but has no effect while API_USE_TLS=false"


def _is_weak(secret: str) -> bool:
    too_simple = len(secret) < SHORTEST_PRODUCTION_SECRET or len(set(secret)) < _FEWEST_CHARACTERS
    return too_simple or any(secret.lower().strip("0123456789!") == default for default in _DEFAULT_SECRETS)
