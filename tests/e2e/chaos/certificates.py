"""The site's certificates: made to end soon, and renewed while everything runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis

from pki.names import STANDARD
from pki.profile import Validity
from pki.renew import apply, plan
from pki.session import CaSession
from pki.store import Store


def renew_all(pki_dir: Path, redis: Redis, *, life: timedelta) -> datetime:
    """Give every identity a new certificate of the same key, and tell Redis, which reads its files only when told.

    Args:
        life: of the new certificates.
        redis: a connection whose user may use CONFIG SET.

    Returns:
        The moment at which the new certificates end.
    """
    now = datetime.now(UTC)
    validity = Validity(leaf_days=life / timedelta(days=1))
    store = Store(pki_dir)
    with CaSession.open(store, "e2e-chaos", now, validity=validity) as session:
        apply(session, list(plan(session, list(STANDARD), renew_days=0, force=True)), rekey=False)
        session.commit()
    _reload(redis)
    return now + life


def _reload(redis: Redis) -> None:
    """In one command: Redis checks the three files against each other. docs/PKI.md"""
    first, *others = ("tls-cert-file", "tls-key-file", "tls-ca-cert-file")
    present = {name: str(value) for name, value in redis.config_get(first, *others).items()}
    redis.config_set(first, present[first], *(word for name in others for word in (name, present[name])))
