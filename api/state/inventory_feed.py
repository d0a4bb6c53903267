"""What an edit of the inventory has changed, in the feed: once, whichever process sees it first."""

import json
from collections.abc import Callable, Mapping

from pydantic import TypeAdapter

from api.state.batch import Batch
from api.state.feed import ChangeFeed
from api.state.feed_entries import FeedEntry
from api.state.redis import Database, Pipeline
from bringup import keys, log


class InventoryFeed:
    """Adds the changes of the inventory to the feed.

    Args:
        database: where what was added last is kept.
        feed: of changes.
        saw: is given the number of the last change.
    """

    def __init__(self, database: Database, feed: ChangeFeed, saw: Callable[[int], None]) -> None:
        self._database = database
        self._feed = feed
        self._saw = saw

    def publish(self, digest: str, entries: Mapping[str, str], states: Mapping[str, str]) -> None:
        """Add each device whose entry is not the one that was published last; nothing the first time.

        Args:
            digest: of all entries.
            entries: a summary of each device's entry, by its name.
            states: of each device by its entry.

        Raises:
            RedisUnavailable: Redis does not answer, or takes no writes.
        """

        def body(pipe: Pipeline) -> list[str]:
            batch = Batch()
            published = batch.ask(_read, "GET", keys.INVENTORY_PUBLISHED)
            # Watched: of two processes that see one edit at once, one adds it.
            self._database.read_watched(pipe, batch, keys.INVENTORY_PUBLISHED)
            before = published()
            pipe.multi()
            if before and before[0] == digest:
                return []
            pipe.set(keys.INVENTORY_PUBLISHED, json.dumps([digest, dict(entries)]))
            return sorted({name for name, _ in before[1].items() ^ entries.items()}) if before else []

        def what(changed: list[str]) -> list[FeedEntry]:
            return [
                FeedEntry(
                    "inventory_changed",
                    "api",
                    device=name,
                    state=states.get(name, ""),
                    # A device that was never seen is nowhere any more: a follower knows it by its name alone.
                    detail="" if name in states else f"{name} is no longer in the inventory",
                )
                for name in changed
            ]

        _, number = self._feed.apply(body, what=what)
        if number is not None:
            self._saw(number)


def _read(reply: bytes | None) -> tuple[str, dict[str, str]] | None:
    """Digest and entries; None: none are there, or what is there cannot be read, and is replaced."""
    if reply is None:
        return None
    try:
        return _PUBLISHED.validate_json(reply)
    except ValueError as error:
        log.get("api").error("what the feed has of the inventory cannot be read", why=type(error).__name__)
        return None


_PUBLISHED = TypeAdapter(tuple[str, dict[str, str]])
