"""When a check is required, by the setting that promises it, and which server it needs."""

from selftest.target_installation import Server, TargetInstallation

# The finding of a check of mutual TLS to Redis where the flag is off.
NO_MUTUAL_TLS = "no mutual TLS (REDIS_USE_TLS=false): expected in development only"


def always(_target: TargetInstallation) -> str:
    """Required whatever the flags are."""
    return "every installation needs it"


def redis_tls(target: TargetInstallation) -> str:
    """Required where mutual TLS to Redis is promised."""
    return target.redis.required_by(tls=True)


def redis_plain(target: TargetInstallation) -> str:
    """Required where Redis is used in plain text."""
    return target.redis.required_by(tls=False)


def api_tls(target: TargetInstallation) -> str:
    """Required where HTTPS is promised."""
    return target.api.required_by(tls=True)


def api_plain(target: TargetInstallation) -> str:
    """Required where HTTP is used."""
    return target.api.required_by(tls=False)


def any_tls(target: TargetInstallation) -> str:
    """Required where either flag is on."""
    return redis_tls(target) or api_tls(target)


def redis(target: TargetInstallation) -> Server:
    """Redis, for a check that needs it."""
    return target.redis


def api(target: TargetInstallation) -> Server:
    """The API, for a check that needs it."""
    return target.api
