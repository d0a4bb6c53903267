"""What is done to the site, one function for each kind of day that a site may have."""

import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta

from redis import Redis

from bringup import tls
from bringup.connections.redis_client import connect_redis
from tests.administrator import ADMINISTRATOR
from tests.e2e.chaos.certificates import renew_all
from tests.e2e.chaos.site import Site
from tests.sentinel_set import SentinelSet

_BETWEEN_KILLS_S = (0.5, 1.5)
_PAUSE_S = 30.0  # longer than REDIS_TIMEOUT_S, API_TIMEOUT_S / 2 and any retry: every client gives up at least once
_FULL_S = 10.0
_SHORT_LIFE = timedelta(seconds=20)  # long enough to be picked up by every service, short enough to wait for its end
_LONG_LIFE = timedelta(days=1)
_CALM_S = 3.0  # leases flow undisturbed for so long at the end of a phase: they show that the site goes on
# How often each is killed, in parts. A killed fleet ends the runs of its machines, so it is rare.
_VICTIMS = {"tail": 4, "worker-1": 4, "worker-2": 4, "api": 3, "api's worker": 3, "redis": 3, "simulate": 1}


def kills(site: Site, count: int, choose: random.Random) -> None:
    """SIGKILL to one part after the other, chosen by chance."""
    for _ in range(count):
        time.sleep(choose.uniform(*_BETWEEN_KILLS_S))
        kill(site, choose.choices(list(_VICTIMS), list(_VICTIMS.values()))[0])
    time.sleep(_CALM_S)


def kill(site: Site, victim: str) -> None:
    """SIGKILL to one part; it is started again as a supervisor would."""
    with site.record.disturbance(victim):
        if victim == "redis":
            site.stack.stop("redis", signal.SIGKILL)
            site.stack.run_redis()
        elif victim == "api's worker":
            site.services.kill_child("api")
        else:
            site.services.kill(victim)


def clean_restart(site: Site) -> None:
    """Redis ends by SIGTERM and starts again, as at an upgrade of its host."""
    time.sleep(_CALM_S)
    with site.record.disturbance("redis restarted"):
        site.stack.stop("redis")
        site.stack.run_redis()
    time.sleep(_CALM_S)


def full_redis(site: Site) -> None:
    """Redis has no memory left and refuses every write, then has some again."""
    time.sleep(_CALM_S)
    redis = _administrator(site)
    with site.record.disturbance("redis full"):
        redis.config_set("maxmemory", 1)
        time.sleep(_FULL_S)
        redis.config_set("maxmemory", 0)
    time.sleep(_CALM_S)


def pause(site: Site) -> None:
    """Redis answers nobody for half a minute, and no connection ends."""
    time.sleep(_CALM_S)
    with site.record.disturbance("redis paused"):
        os.kill(site.stack.pid("redis"), signal.SIGSTOP)
        time.sleep(_PAUSE_S)
        os.kill(site.stack.pid("redis"), signal.SIGCONT)
    time.sleep(_CALM_S)


def renewal(site: Site) -> None:
    """Every certificate is renewed and the old ones end, while services keep their connections open."""
    redis = _administrator(site)
    ends = renew_all(site.stack.settings.pki_dir, redis, life=_SHORT_LIFE)
    time.sleep(_CALM_S)
    with site.record.disturbance("certificates renewed"):
        renew_all(site.stack.settings.pki_dir, redis, life=_LONG_LIFE)
    time.sleep((ends - datetime.now(UTC)).total_seconds() + _CALM_S)
    _cut_connections(redis)
    time.sleep(_CALM_S)


def failover(site: Site, redis: SentinelSet, count: int) -> None:
    """The master of Redis is killed and a replica takes its place; the old one comes back as a replica."""
    for _ in range(count):
        time.sleep(_CALM_S)
        with site.record.disturbance("failover"):
            old, _ = redis.fail_over()
        redis.start(old)
        redis.await_replicas(len(redis.ports) - 1)
    time.sleep(_CALM_S)


def _administrator(site: Site) -> Redis:
    return connect_redis(site.stack.settings_of(ADMINISTRATOR), tls.ClientContexts(), name="chaos")


def _cut_connections(redis: Redis) -> None:
    """What goes on from here does so with the certificates that are there now."""
    redis.client_kill_filter(_type="normal", skipme=True)
