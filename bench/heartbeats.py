"""A machine whose run goes on: what its heartbeats take while others load the API."""

import json
import time
import urllib.request
from ipaddress import IPv4Address
from threading import Event

from bringup import model, tls
from bringup.connections.api_client import ApiClient
from bringup.wire.machine import Heartbeat, HeartbeatReply
from bringup.wire.run import RunDecision
from bringup.wire.run_events import EventType, MediaRequest, RunEvent, RunEventReply, RunMedia
from bringup_cli.demo.stack import Stack

_HEARTBEATS_EVERY_S = 0.05


class HeartbeatSender:
    """A machine whose run goes on: it sends heartbeats, and remembers how long each took."""

    def __init__(self, stack: Stack) -> None:
        mac, now = "02:00:00:00:00:00", model.utc_now()
        lease = model.LeaseEvent(
            mac=mac, ip=IPv4Address("192.0.2.1"), action=model.LeaseAction.ASSIGNED, starts=now, source="bench"
        )
        self._path = f"/runs/{lease.run_id}"
        stack.api.put(self._path, lease, RunDecision)
        self._post(stack, EventType.BOOT_STARTED)
        image = stack.api.post(f"{self._path}/media", MediaRequest(owner="w"), RunMedia).image_url or ""
        contexts = tls.ClientContexts()
        context = tls.for_api_client(stack.settings, contexts) if stack.settings.api_use_tls else None
        with urllib.request.urlopen(image, context=context) as answer:  # noqa: S310 - of our own API
            token = json.load(answer)["token"]
        for step in ("MEDIA_INSERTED", "POWER_REQUESTED", "POWERED_OFF", "POWERED_ON"):
            self._post(stack, EventType[step])
        self._api = ApiClient(stack.settings, contexts, token=token)

    def _post(self, stack: Stack, what: EventType) -> None:
        stack.api.post(f"{self._path}/events", RunEvent(type=what, owner="w"), RunEventReply)

    def beat(self, stopping: Event, took_ms: list[float]) -> None:
        """Send heartbeats until ``stopping``; appends to ``took_ms``."""
        while not stopping.wait(_HEARTBEATS_EVERY_S):
            began = time.monotonic()
            self._api.post(f"{self._path}/heartbeat", Heartbeat(boot_id="b", uptime_s=1), HeartbeatReply)
            took_ms.append((time.monotonic() - began) * 1000)
