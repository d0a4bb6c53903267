"""Rules between settings: each problem names what is wrong and what to set. Pure, but for a look at files."""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from ipaddress import ip_network
from urllib.parse import urlsplit

from bringup.settings.schema import Settings, exposed, keys_of, renewal_rules

# Characters of a password or token in production. Sixteen random letters and digits are 95 bits; the least number of
# different ones refuses aaaaaaaaaaaaaaaa and abcabcabcabcabcabc.
SHORTEST_PRODUCTION_SECRET = 16
_FEWEST_CHARACTERS = 8
# The shortest prefix in IMAGE_READERS, by IP version: the largest private network, and a whole provider. RFC 1918 s.3.
_WIDEST_NETWORK = {4: 8, 6: 32}
_WITHOUT_VENDOR_CLASS = {"dnsmasq-leases", "isc-log", "kea-csv", "kea-log"}
_DEFAULT_SECRETS = {"changeme", "password", "secret", "redis", "bringup", "admin"}


class Use(StrEnum):
    """What a command or service does, and so what its settings must be right for."""

    REDIS = "log in at Redis"
    REDIS_SERVER = "serve Redis"
    API = "call the API as a service"
    OPERATOR = "call the API as a person"
    CALLBACKS = "serve the API"
    IMAGES = "serve images"
    LEASES = "read leases"
    CONSOLE = "serve the console"


_EVERY_USE = frozenset(Use)
_USES_OF_ROLE = {
    "redis": {Use.REDIS_SERVER},
    "api": {Use.REDIS, Use.CALLBACKS},
    "images": {Use.REDIS, Use.IMAGES},
    "worker": {Use.REDIS, Use.API},
    "tailer": {Use.REDIS, Use.LEASES},
    "console": {Use.CONSOLE},
    "ca": set[Use](),
}
_SERVED = frozenset({Use.CALLBACKS, Use.IMAGES})
_WITH_API = _SERVED | {Use.API, Use.OPERATOR, Use.CONSOLE}
Rules = Callable[[Settings], Iterator[str]]


def rules_for(uses: Iterable[Use]) -> Rules:
    """What must hold between settings for one service: it needs no setting of another one."""
    return partial(_broken_rules, uses=frozenset(uses))


def broken_rules(settings: Settings) -> Iterator[str]:
    """What is wrong between settings that are each right by themselves, for all that HOST_ROLES says runs here."""
    return _broken_rules(settings, uses_of_host(settings))


def uses_of_host(settings: Settings) -> frozenset[Use]:
    """What the services of this host do."""
    return frozenset().union(*(_USES_OF_ROLE[role] for role in settings.roles)) if settings.roles else _EVERY_USE


def _broken_rules(settings: Settings, uses: frozenset[Use]) -> Iterator[str]:
    if uses & _WITH_API:
        yield from _url_rules(settings)
    if uses & _SERVED:
        yield from _image_rules(settings)
        yield from _run_certificate_rules(settings)
    yield from _tls_file_rules(settings, uses)
    yield from _time_rules(settings)
    yield from renewal_rules(settings)
    if Use.LEASES in uses:
        yield from _dhcp_rules(settings)
    if settings.environment == "production" and not settings.allow_insecure_production:
        yield from insecurities(settings, uses)
    elif Use.API in uses and uses != _EVERY_USE and settings.api_token is None:
        # A host of every use may have no worker; a worker would wait for ever for an API that refuses it.
        yield "API_TOKEN: must be set to that of the API, which `bringup init` has written into its .env"


def _url_rules(settings: Settings) -> Iterator[str]:
    scheme, flag = "https" if settings.api_use_tls else "http", str(settings.api_use_tls).lower()
    text = settings.callback_api_url
    urls = [part.strip().rstrip("/") for part in text.split(",")] if text else []
    for number, url in enumerate(urls, start=1):
        name = "CALLBACK_API_URL" if len(urls) == 1 else f"CALLBACK_API_URL, entry {number}"
        yield from _url_problems(name, url, f"{scheme}://bringup.example.net:5000")
        given = url.partition(":")[0]
        if given in {"http", "https"} - {scheme}:
            yield f"{name}: begins with {given}:// but API_USE_TLS={flag} means {scheme}://"
    if len(set(urls)) < len(urls):
        yield "CALLBACK_API_URL: must name each URL once"


def _url_problems(name: str, text: str, example: str) -> Iterator[str]:
    try:
        url = urlsplit(text)
        usable = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        yield f"{name}: must be a URL such as {example}"
        return
    if not usable:
        yield f"{name}: must be a URL such as {example}"
    if url.username or url.password or url.query or url.fragment:
        yield f"{name}: must not hold credentials, a query or a fragment"


def _image_rules(settings: Settings) -> Iterator[str]:
    if settings.image_base_url:
        yield from _url_problems("IMAGE_BASE_URL", settings.image_base_url, "https://bringup.example.net:5001")
    if settings.image_port == settings.callback_api_port:
        yield "IMAGE_PORT: is CALLBACK_API_PORT; `bringup images` needs a port of its own, or 0 for none"
    if settings.validation_image and settings.machines_need_certificates and not settings.image_port:
        yield (
            "IMAGE_PORT: must be set, for with API_REQUIRE_CLIENT_CERT=true no BMC can fetch VALIDATION_IMAGE from the "
            "API's port; set it to a free port and run `bringup images` there"
        )


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


def _tls_file_rules(settings: Settings, uses: frozenset[Use]) -> Iterator[str]:
    wanted = []
    if settings.redis_use_tls and uses & {Use.REDIS, Use.REDIS_SERVER}:
        # A server of Redis shows a client certificate, too, where it follows another one.
        is_client = Use.REDIS in uses or settings.sentinels
        names = ["redis_tls_cert", "redis_tls_key", "redis_tls_ca"] if is_client else ["redis_tls_ca"]
        wanted += [(name, "REDIS_USE_TLS") for name in names]
    if settings.api_use_tls and uses & _WITH_API:
        wanted += [("api_tls_ca", "API_USE_TLS")]
        # Where it was named, a missing list must not switch revocation off without a word.
        wanted += [("api_tls_crl", "API_USE_TLS")] if settings.api_tls_crl and uses & _SERVED else []
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


def insecurities(settings: Settings, uses: frozenset[Use] = _EVERY_USE) -> Iterator[str]:
    """What production must not be without."""
    yield from exposed_keys(settings, uses)
    yield from _too_wide_exceptions(settings) if uses & _SERVED else ()
    flags = {"redis_use_tls": uses & {Use.REDIS, Use.REDIS_SERVER}, "api_use_tls": uses & _WITH_API}
    for flag, used in flags.items():
        if used and not getattr(settings, flag):
            yield f"{flag.upper()}: must be true when ENVIRONMENT=production"
    for name in _secrets(settings, uses):
        secret = getattr(settings, name)
        if _is_weak(secret.get_secret_value() if secret else ""):
            yield (
                f"{name.upper()}: must be at least {SHORTEST_PRODUCTION_SECRET} characters, not a few repeated, and "
                "no default when ENVIRONMENT=production; `bringup init` makes a good one"
            )


def _secrets(settings: Settings, uses: frozenset[Use]) -> Iterator[str]:
    """The secrets that these uses need."""
    if Use.REDIS in uses:
        yield "redis_password"
    # A person's own token is checked where it is made.
    if uses & {Use.API, Use.CALLBACKS} or (Use.OPERATOR in uses and settings.operator_token is None):
        yield "api_token"
    if uses & {Use.REDIS, Use.REDIS_SERVER} and settings.redis_sentinels:
        yield "redis_sentinel_password"
    # Without it the console does not start; a host of every use may have no console.
    if Use.CONSOLE in uses and (settings.console_token or uses != _EVERY_USE):
        yield "console_token"


def exposed_keys(settings: Settings, uses: frozenset[Use]) -> Iterator[str]:
    """The private keys in use that other users can read."""
    api = uses & {Use.API, Use.OPERATOR, Use.CONSOLE}
    page = Use.CONSOLE in uses
    yield from exposed(keys_of(settings, redis=Use.REDIS in uses, api=api, serves=uses & _SERVED, page=page))


def image_exceptions(settings: Settings) -> Iterator[str]:
    """Who besides the BMCs can report for any machine: no error, for BMCs behind NAT have no other way."""
    if settings.image_readers:
        yield (
            f"IMAGE_READERS: every host in {settings.image_readers} that knows the address of a run's image, as every "
            "worker does, can report for its machine; name single addresses, and no worker's (docs/iso.md)"
        )


def _too_wide_exceptions(settings: Settings) -> Iterator[str]:
    networks = [ip_network(part.strip()) for part in settings.image_readers.split(",") if part.strip()]
    if wide := [str(one) for one in networks if one.prefixlen < _WIDEST_NETWORK[one.version]]:
        yield (
            f"IMAGE_READERS: {', '.join(wide)} is wider than any site, so that any host could report for any machine; "
            "name the addresses of the BMCs behind NAT, such as 10.20.0.1/32, or leave it empty (docs/iso.md)"
        )


def idle_switches(settings: Settings) -> Iterator[str]:
    """Switches for security that do nothing now: no error, for the two TLS flags alone are flipped back and forth."""
    if settings.api_require_client_cert and not settings.api_use_tls:
        yield "API_REQUIRE_CLIENT_CERT: is true, but has no effect while API_USE_TLS=false"
    if settings.console_require_client_cert and not settings.api_use_tls:
        yield "CONSOLE_REQUIRE_CLIENT_CERT: is true, but lets nobody sign in while API_USE_TLS=false"


def _is_weak(secret: str) -> bool:
    too_simple = len(secret) < SHORTEST_PRODUCTION_SECRET or len(set(secret)) < _FEWEST_CHARACTERS
    return too_simple or any(secret.lower().strip("0123456789!") == default for default in _DEFAULT_SECRETS)
