"""The present state of the fleet, in memory, and how it follows the feed."""
