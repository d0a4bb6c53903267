"""The lists that people look at: each is made once, for all who look at it, and again when a machine has changed."""

from dataclasses import replace
from threading import Lock

from console.state.fleet import Fleet
from console.state.query import Groups, Page, Query, grouped, page_of

# Lists of one version of the fleet that are kept: 50 people with a few tabs each. Of 10,000 machines a list takes up
# to 80 kB, which holds no machine that the fleet itself does not hold.
_MOST_LISTS = 200


class FleetLists:
    """The lists of ``fleet`` as it is now; of an earlier version nothing is kept.

    Filtering 10,000 machines takes some 10 ms, which fifty people who load their pages at once would wait for in turn.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._version = 0  # of the fleet, of which the lists are
        self._made: dict[Query, Groups] = {}  # by their queries, without the page
        # Without it a request that began before a change could put its older list among those of the newer version.
        self._lock = Lock()

    def page(self, query: Query) -> Page:
        """The page that ``query`` means; the last one where there are fewer."""
        with self._lock:
            version = self._fleet.version  # before the machines are read: what changes then comes with the next poll
            if version != self._version or len(self._made) >= _MOST_LISTS:
                self._version, self._made = version, {}
            key = replace(query, page=1)
            groups = self._made.get(key)
            if groups is None:
                groups = self._made[key] = grouped(self._fleet.all(), query)
        return page_of(groups, query.page, version)
